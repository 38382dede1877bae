"""LeRobotDataset folders, versions 2.1 and 3.0, as a `TrajectoryDataset`.

Vectors are read a file at a time and kept (1 M frames of 20 numbers: 80 MB); images are decoded
when asked for and not kept.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from vla_bench.data.lerobot_format import (
    ACTION,
    EXPERT_ACTION,
    STATE,
    parquet,
    reading,
    vectors_of,
)
from vla_bench.data.lerobot_meta import EpisodeEntry, Metadata, read_metadata
from vla_bench.data.trajectory import DataError, Images, Indices, Schema, Vectors
from vla_bench.data.video import Recent, read_frames
from vla_bench.errors import ConfigError, unknown_name

_N_ROW_GROUPS = 4  # of images, kept by each thread; usually one per episode

_Columns = Mapping[str, NDArray[Any]]


class LeRobotFolder:
    """A data set on this disk; needs pyarrow and PyAV, not lerobot."""

    def __init__(self, root: str | Path, action: str = ACTION) -> None:
        """`action` is the feature that is learned: ``action`` is what was executed; data that
        `vla-bench demos` wrote also have ``expert_action``, the same without noise.

        Raises DataError when a file is missing, and names it.
        """
        self._metadata = read_metadata(Path(root))
        features = self._metadata.features
        if action not in features or features[action]["dtype"] in ("video", "image"):
            raise _no_such_action(Path(root), action, features)
        self._action = action
        self._files: dict[Path, _Columns] = {}
        self._trajectories: dict[int, LeRobotTrajectory] = {}

    @property
    def name(self) -> str:
        return self._metadata.root.name

    @cached_property
    def schema(self) -> Schema:
        features, cameras = self._metadata.features, self._metadata.cameras
        with self._reading_features():
            sizes = {name: _image_size(features[key]) for name, key in cameras.items()}
            states = _names(features[STATE], STATE) if STATE in features else ()
            actions = _names(features[self._action], self._action)
        rate, spec = self._metadata.rate, self._metadata.action_spec
        return Schema(sizes, states, actions, spec, rate)

    @cached_property
    def lengths(self) -> Indices:
        return np.array([entry.length for entry in self._metadata.episodes], dtype=np.int64)

    def __getitem__(self, index: int) -> LeRobotTrajectory:
        if index not in self._trajectories:  # a race of threads only reads twice
            self._trajectories[index] = self._read(self._metadata.episodes[index])
        return self._trajectories[index]

    def _read(self, entry: EpisodeEntry) -> LeRobotTrajectory:
        if entry.data not in self._files:
            self._files[entry.data] = _read_columns(entry.data, self._columns)
        columns = self._files[entry.data]
        rows = slice(entry.first_row, entry.first_row + entry.length)
        found = columns["episode_index"][rows, 0]
        if len(found) != entry.length or (found != entry.index).any():
            raise DataError(
                f"{entry.data}: expected episode {entry.index} ({entry.id}) in rows "
                f"{rows.start}..{rows.stop - 1}, found episodes {sorted(set(found.tolist()))} in "
                f"{len(found)} rows."
            )
        nothing = np.zeros((entry.length, 0), np.float32)
        return LeRobotTrajectory(
            id=entry.id,
            instructions=[self._instruction(i, entry) for i in columns["task_index"][rows, 0]],
            states=columns[STATE][rows] if STATE in columns else nothing,
            actions=columns[self._action][rows],
            entry=entry,
            metadata=self._metadata,
            timestamps=columns["timestamp"][rows, 0],
        )

    @property
    def _columns(self) -> dict[str, int]:
        """Column -> how many numbers a row of it holds."""
        features = self._metadata.features
        wanted = ["episode_index", "task_index", "timestamp", self._action, STATE]
        with self._reading_features():
            return {key: features[key]["shape"][0] for key in wanted if key in features}

    def _reading_features(self) -> AbstractContextManager[None]:
        path = self._metadata.root / "meta" / "info.json"
        return reading(path, "features with dtype, shape and names")

    def _instruction(self, task_index: int, entry: EpisodeEntry) -> str:
        instructions = self._metadata.instructions
        if not instructions.get(task_index):
            raise DataError(
                f"{entry.data}: episode {entry.index} has task {task_index}, for which meta/tasks "
                f"has no text; it has tasks {sorted(instructions)}."
            )
        return instructions[task_index]


@dataclass(frozen=True)
class LeRobotTrajectory:
    """One episode; see `Trajectory`. `timestamps`: seconds since its first frame."""

    id: str
    instructions: Sequence[str]
    states: Vectors
    actions: Vectors
    entry: EpisodeEntry
    metadata: Metadata
    timestamps: NDArray[np.float32]

    def images(self, camera: str, frames: Indices) -> Images:
        if camera not in self.metadata.cameras:
            raise unknown_name("camera", camera, self.metadata.cameras)
        if camera in self.entry.videos:
            video = self.entry.videos[camera]
            seconds = video.from_seconds + self.timestamps[frames].astype(np.float64)
            images = read_frames(video.path, seconds.tolist())
        else:
            key = self.metadata.cameras[camera]
            rows = [self.entry.first_row + int(frame) for frame in frames]
            images = np.stack([_stored_image(self.entry.data, key, row) for row in rows])
        size = _image_size(self.metadata.features[self.metadata.cameras[camera]])
        if images.shape[1:3] != size:
            raise DataError(
                f"{self.metadata.root.name}, {self.id}, camera {camera}: expected images of "
                f"{size} (height, width), got {images.shape[1:3]}."
            )
        return images


def _no_such_action(root: Path, action: str, features: Mapping[str, Any]) -> ConfigError:
    numbers = [k for k, f in features.items() if f["dtype"].startswith("float")]
    known = sorted(k for k in numbers if k != "timestamp" and not k.startswith("observation."))
    nearest = difflib.get_close_matches(action, known, n=1)
    why = f" Only what `vla-bench demos` recorded has {action}." if action == EXPERT_ACTION else ""
    return ConfigError(
        f"{root} has no action column {action!r}, it has: {', '.join(known) or 'none'}.{why}"
        + (f" Type action={(nearest or known)[0]}" if known else "")
    )


def _read_columns(path: Path, dims: Mapping[str, int]) -> _Columns:
    with reading(path, f"a parquet file with the columns {', '.join(dims)}"):
        table = parquet()[1].read_table(path, columns=list(dims))
        columns = {key: vectors_of(table.column(key)) for key in dims}
    for key, dim in dims.items():
        if columns[key].shape[1] != dim:
            raise DataError(
                f"{path}: expected {dim} numbers per frame in column {key!r}, as meta/info.json "
                f"says, got {columns[key].shape[1]}."
            )
    return columns


def _stored_image(path: Path, key: str, row: int) -> Images:
    """The image in `row` of a parquet file, of any format that Pillow knows."""
    with reading(path, f"a parquet file with images {key!r} in {row + 1} rows or more"):
        file = _parquet_files.get(path, lambda: parquet()[1].ParquetFile(path))
        group, first = 0, 0
        while first + file.metadata.row_group(group).num_rows <= row:
            first += file.metadata.row_group(group).num_rows
            group += 1
        cells = _row_groups.get((path, key, group), lambda: _image_cells(file, key, group))
    try:
        with Pillow.open(io.BytesIO(cells[row - first].as_py())) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, TypeError) as error:
        raise DataError(
            f"{path}: the image {key!r} in row {row} cannot be read: {error}."
        ) from error


def _image_cells(file: Any, key: str, group: int) -> Any:
    column = file.read_row_group(group, columns=[key]).column(key)
    return column.combine_chunks().field("bytes")


_parquet_files: Recent[Path, Any] = Recent(_N_ROW_GROUPS)
_row_groups: Recent[tuple[Path, str, int], Any] = Recent(_N_ROW_GROUPS)


def _names(feature: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Column names of a feature: a list, a dict of lists, or none at all in files out there."""
    names = feature["names"]
    while isinstance(names, dict):
        names = [n for part in names.values() for n in (part if isinstance(part, list) else [part])]
    if names is None or len(names) != feature["shape"][0]:
        return tuple(f"{key}.{i}" for i in range(feature["shape"][0]))
    return tuple(str(name) for name in names)


def _image_size(feature: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width), whichever axis order the feature is described in."""
    sizes = dict(zip(feature["names"], feature["shape"]))
    return sizes["height"], sizes["width"]
