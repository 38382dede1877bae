"""Frames decoded and resized once, then read from one array per camera on the disk.

Decoding a frame and resizing it takes longer than a small network needs to learn from it, and every
epoch does it again. The array is mapped, not read: memory holds what the system has room for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from uuid import uuid4

import numpy as np

from vla_bench.data.trajectory import (
    Images,
    Indices,
    Schema,
    Trajectory,
    TrajectoryDataset,
    Vectors,
)
from vla_bench.data.view import View, viewed_schema
from vla_bench.errors import unknown_name
from vla_bench.lock import locked


class CachedDataset:
    """`dataset` with the images of some cameras as their views, each prepared once."""

    def __init__(
        self, dataset: TrajectoryDataset, views: Mapping[str, View], folder: Path, n_workers: int
    ) -> None:
        """Fills `folder` where it lacks a camera's frames; other cameras are gone.

        A file's name holds a hash of every state, action and length, and of the first image of
        some episodes: another recording, or the same one rendered otherwise, has other files.
        """
        self._dataset = dataset
        self.name = dataset.name
        self.schema: Schema = viewed_schema(dataset.schema, views)
        self.lengths: Indices = dataset.lengths
        self._firsts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        numbers = _numbers(dataset)
        self._frames: dict[str, Images] = {}
        for camera, view in views.items():
            key = _fingerprint(dataset, camera, numbers)
            path = folder / f"{dataset.name}-{key}-{camera}"
            self._frames[camera] = _frames(dataset, (camera, view), path, n_workers)

    def __getitem__(self, index: int) -> Trajectory:
        first = int(self._firsts[index])
        last = first + int(self.lengths[index])
        own = {camera: frames[first:last] for camera, frames in self._frames.items()}
        inner = self._dataset[index]
        return _CachedTrajectory(inner.id, inner.instructions, inner.states, inner.actions, own)


@dataclass(frozen=True)
class _CachedTrajectory:
    id: str
    instructions: Sequence[str]
    states: Vectors
    actions: Vectors
    frames: Mapping[str, Images]

    def images(self, camera: str, frames: Indices) -> Images:
        if camera not in self.frames:
            raise unknown_name("cached camera", camera, self.frames)
        return np.asarray(self.frames[camera][frames])


def _frames(
    dataset: TrajectoryDataset, wanted: tuple[str, View], path: Path, n_workers: int
) -> Images:
    """The mapped array (all frames, height, width, 3). One process fills it, the others wait."""
    final = path.with_name(f"{path.name}-{wanted[1]}.npy")
    if not final.exists():
        with locked(final.with_suffix(".lock"), waits=True):
            if not final.exists():  # by now
                _fill(dataset, wanted, final, n_workers)
    mapped: Images = np.load(final, mmap_mode="r")
    return mapped


def _fill(
    dataset: TrajectoryDataset, wanted: tuple[str, View], final: Path, n_workers: int
) -> None:
    """Write `final` under another name until it is whole; drop what a kill has left of it."""
    for leftover in final.parent.glob(f"{escape(final.stem)}.*.partial"):
        leftover.unlink()
    camera, view = wanted
    partial = final.with_suffix(f".{uuid4().hex[:8]}.partial")
    shape = (int(dataset.lengths.sum()), view.height, view.width, 3)
    frames = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
    firsts = np.cumsum(dataset.lengths) - dataset.lengths

    def fill(index: int) -> None:
        length = int(dataset.lengths[index])
        images = dataset[index].images(camera, np.arange(length))
        for i, image in enumerate(images, start=int(firsts[index])):
            frames[i] = view(image)

    with ThreadPoolExecutor(n_workers, thread_name_prefix="decode") as pool:
        for _ in pool.map(fill, range(len(dataset.lengths))):
            pass
    frames.flush()
    partial.replace(final)


def _numbers(dataset: TrajectoryDataset) -> bytes:
    """A hash of all lengths, states and actions."""
    digest = hashlib.sha256(dataset.lengths.tobytes())
    for index in range(len(dataset.lengths)):
        trajectory = dataset[index]
        for values in (trajectory.states, trajectory.actions):
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.digest()


def _fingerprint(dataset: TrajectoryDataset, camera: str, numbers: bytes) -> str:
    """Of `numbers`, the size of the camera's images, and the first one of three episodes.

    A look, a size or a codec is one of a whole recording: it shows in each of its images.
    """
    digest = hashlib.sha256(numbers + repr(dataset.schema.cameras[camera]).encode())
    last = len(dataset.lengths) - 1
    for index in sorted({0, last // 2, last}):
        image = dataset[index].images(camera, np.array([0]))
        digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()[:16]
