"""One episode on disk on its own, before a data set is made of all of them.

    staging/<episode id>/
        frames.parquet     vectors of every frame, and PNG images where those are wanted
        <camera>.mp4       else the images, encoded once and for all
        episode.json       instructions, facts, histograms of the images

A folder appears whole or not at all, so that a killed recording loses at most one episode.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from vla_bench.data.lerobot_format import CAMERA_PREFIX, Features, parquet
from vla_bench.data.lerobot_statistics import histogram
from vla_bench.data.trajectory import DataError, Vectors
from vla_bench.data.video import write_video
from vla_bench.protocols import Image


@dataclass(frozen=True)
class RecordedEpisode:
    """An episode in memory, T frames.

    Attributes:
        id: Safe as a file name.
        instructions: T, what the robot was told at each frame.
        images: Camera -> T images.
        vectors: Feature -> (T, dim).
        success: Whether the episode ended in success.
        facts: More columns for this episode's row of the data set: str, int, bool or None.
    """

    id: str
    instructions: Sequence[str]
    images: Mapping[str, Sequence[Image]]
    vectors: Mapping[str, Vectors]
    success: bool
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class StagedEpisode:
    """An episode as `read_staged` finds it; `frames` is a pyarrow.Table.

    `histograms`: camera -> (3, 256) pixel counts by channel and level.
    """

    folder: Path
    instructions: Sequence[str]
    facts: Mapping[str, Any]
    histograms: Mapping[str, NDArray[np.int64]]
    frames: Any

    def video(self, camera: str) -> Path:
        return self.folder / f"{camera}.mp4"


def stage(staging: Path, episode: RecordedEpisode, features: Features, rate: int) -> None:
    """Write `episode` below `staging`, in place of what a killed attempt may have left there."""
    _check(episode, features)
    final = staging / episode.id
    partial = staging / f"{episode.id}.partial"
    for folder in (partial, final):
        shutil.rmtree(folder, ignore_errors=True)
    partial.mkdir(parents=True)
    if features.storage == "video":
        for camera, images in episode.images.items():
            write_video(partial / f"{camera}.mp4", images, rate)
    _, pq = parquet()
    pq.write_table(_table(episode, features, rate), partial / "frames.parquet")
    head = {
        "instructions": list(episode.instructions),
        "facts": dict(episode.facts),
        "histograms": {camera: histogram(i).tolist() for camera, i in episode.images.items()},
    }
    (partial / "episode.json").write_text(json.dumps(head))
    partial.rename(final)


def read_staged(staging: Path, episode_id: str) -> StagedEpisode:
    """Inverse of `stage`. Raises DataError when the episode is not there."""
    folder = staging / episode_id
    if not folder.is_dir():
        raise DataError(
            f"Expected the recorded episode {folder}, which is gone. Delete {staging.parent} and "
            "record again."
        )
    head = json.loads((folder / "episode.json").read_text())
    histograms = {camera: np.array(counts) for camera, counts in head["histograms"].items()}
    _, pq = parquet()
    frames = pq.read_table(folder / "frames.parquet")
    return StagedEpisode(folder, head["instructions"], head["facts"], histograms, frames)


def _check(episode: RecordedEpisode, features: Features) -> None:
    lengths = {key: len(images) for key, images in episode.images.items()}
    lengths |= {key: len(rows) for key, rows in episode.vectors.items()}
    lengths["instructions"] = len(episode.instructions)
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(f"Episode {episode.id}: expected as many of each, at least 1: {lengths}.")
    for camera, (height, width) in features.cameras.items():
        shapes = {image.shape for image in episode.images[camera]}
        if shapes != {(height, width, 3)}:
            raise DataError(
                f"Episode {episode.id}, camera {camera}: expected images of shape "
                f"{(height, width, 3)} like those of the first episode, got {sorted(shapes)}."
            )
    for key, names in features.vectors.items():
        if episode.vectors[key].shape[1:] != (len(names),):
            raise DataError(
                f"Episode {episode.id}: expected {key} with {len(names)} columns "
                f"({', '.join(names)}), got shape {episode.vectors[key].shape}."
            )


def _table(episode: RecordedEpisode, features: Features, rate: int) -> Any:
    pa, _ = parquet()
    columns: dict[str, Any] = {}
    if features.storage == "png":
        for camera, images in episode.images.items():
            cells = [{"bytes": _png(image), "path": None} for image in images]
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            columns[CAMERA_PREFIX + camera] = pa.array(cells, kind)
    for key in features.vectors:
        rows = np.ascontiguousarray(episode.vectors[key], dtype=np.float32)
        flat = pa.array(rows.reshape(-1))
        dim = rows.shape[1]  # LeRobot stores a vector of one number as that number
        columns[key] = flat if dim == 1 else pa.FixedSizeListArray.from_arrays(flat, dim)
    frame = np.arange(len(next(iter(episode.vectors.values()))))
    is_last = frame == frame[-1]
    columns["next.done"] = pa.array(is_last)
    columns["next.success"] = pa.array(is_last & episode.success)
    columns["timestamp"] = pa.array((frame / rate).astype(np.float32))
    columns["frame_index"] = pa.array(frame)
    return pa.table(columns)


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(image).save(stream, format="png")
    return stream.getvalue()
