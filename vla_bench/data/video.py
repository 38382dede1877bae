"""H.264 files of camera frames: write one episode, join several without encoding again, read.

Frames lie at exact multiples of 1 / rate. Every second one is a key frame, so that any frame costs
at most two decodings; LeRobot's own files are made like this (lerobot 0.4.4, video_utils.py).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, TypeVar

import av
import numpy as np
from av.video.reformatter import Interpolation

from vla_bench.data.trajectory import DataError, Images
from vla_bench.protocols import Image

# crf 18 is visually lossless. The same frames must always give the same bytes: x264's output
# depends on its number of threads, and its lookahead reads memory that nobody wrote (seen with 16
# pixel images, 3 times in 1000). No B-frames, so that packets are in the order of their times and
# files can be joined.
ENCODER: Mapping[str, str] = {
    "crf": "18",
    "preset": "veryfast",
    "g": "2",
    "bf": "0",
    "threads": "1",
    "rc-lookahead": "0",
    "mbtree": "0",
}
# Of YUV to RGB: libswscale's default darkens every channel by more than one level.
_EXACT = int(
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
_N_OPEN = 8  # files that one thread keeps open

Key = TypeVar("Key")
Value = TypeVar("Value")


def write_video(
    path: Path, frames: Sequence[Image], rate: int, encoder: Mapping[str, str] = ENCODER
) -> None:
    """Frames (height, width, 3) uint8 RGB, even height and width, `rate` per second.

    `encoder` holds x264's options; the default is for data sets.
    """
    height, width = frames[0].shape[:2]
    if height % 2 or width % 2:
        raise DataError(
            f"H.264 needs an even width and height, got {width}x{height}. Store PNG images "
            "(images=png), or choose another image size."
        )
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = dict(encoder)
        for frame in frames:
            pixels = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(pixels))
        container.mux(stream.encode())


def join_videos(path: Path, parts: Sequence[Path], lengths: Sequence[int], rate: int) -> None:
    """One file of `parts` that `write_video` made, one after the other, bit streams untouched."""
    n_before = 0
    with av.open(str(path), "w") as joined:
        target: Any = None
        for part, length in zip(parts, lengths):
            with av.open(str(part)) as source:
                stream: Any = source.streams.video[0]
                if target is None:
                    target = joined.add_stream_from_template(stream)
                shift = round(n_before / rate / stream.time_base)
                for packet in source.demux(stream):
                    if packet.dts is not None:  # None marks the end
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = target
                        joined.mux(packet)
            n_before += length


def read_frames(path: Path, seconds: Sequence[float]) -> Images:
    """The frames shown at `seconds`, (len(seconds), height, width, 3) RGB.

    Each file stays open in the thread that reads it, for the next call. Raises DataError naming
    the file and the time of a frame that is missing or cannot be decoded.
    """
    return _open_files.get(path, lambda: _VideoFile(path)).frames(seconds)


class Recent(Generic[Key, Value]):
    """What was made last, by key, for each thread by itself."""

    def __init__(self, n_most: int) -> None:
        self._n_most = n_most
        self._local = threading.local()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of `key`; the one used longest ago makes room for a new one."""
        kept: OrderedDict[Key, Value] = self._local.__dict__.setdefault("kept", OrderedDict())
        if key not in kept:
            if len(kept) >= self._n_most:
                kept.popitem(last=False)
            kept[key] = make()
        kept.move_to_end(key)
        return kept[key]


class _VideoFile:
    """An open file, read from key frame to key frame."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._container = av.open(str(path))
            self._stream: Any = self._container.streams.video[0]
        except (av.FFmpegError, IndexError, OSError) as error:
            raise DataError(f"{path} cannot be opened as a video: {error}.") from error
        self._stream.codec_context.thread_count = 1
        if self._stream.average_rate is None:
            raise DataError(f"{path} does not say how many frames it shows per second.")
        self._rate = float(self._stream.average_rate)
        self._half_frame = 0.5 / self._rate

    def __del__(self) -> None:
        if hasattr(self, "_container"):
            self._container.close()

    def frames(self, seconds: Sequence[float]) -> Images:
        wanted = sorted(set(seconds))
        found: dict[float, Image] = {}
        try:
            self._seek(wanted[0])
            for frame in self._container.decode(self._stream):
                self._keep(frame, wanted, found)
                if len(found) == len(wanted) or frame.time > wanted[-1] + self._half_frame:
                    break
        except (av.FFmpegError, OSError) as error:
            missing = next(s for s in wanted if s not in found)
            raise self._damaged(missing, str(error)) from error
        for second in wanted:
            if second not in found:
                raise self._damaged(second, "the video ends or has a gap there")
        return np.stack([found[second] for second in seconds])

    def _seek(self, second: float) -> None:
        start = Fraction(max(0.0, second - self._half_frame)) / self._stream.time_base
        self._container.seek(int(start), stream=self._stream)

    def _keep(self, frame: Any, wanted: Sequence[float], found: dict[float, Image]) -> None:
        if frame.is_corrupt:  # libav has painted over it; others are predicted from it
            raise self._damaged(frame.time, "it is damaged")
        here = [s for s in wanted if abs(frame.time - s) < self._half_frame and s not in found]
        if here:
            pixels = frame.to_ndarray(format="rgb24", interpolation=_EXACT)
            found.update(dict.fromkeys(here, pixels))

    def _damaged(self, second: float, reason: str) -> DataError:
        frame = round(second * self._rate)
        return DataError(
            f"{self._path}: frame {frame} (at {second:g} s) cannot be read: {reason}. Copy or "
            "download that file again, or delete its episode."
        )


_open_files: Recent[Path, _VideoFile] = Recent(_N_OPEN)
