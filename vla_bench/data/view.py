"""What a network takes of a camera's image: a part of it, at the network's own size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.data.image_ops import Box, Uint8Image, resize_lanczos3
from vla_bench.data.trajectory import Images, Indices, Schema, Trajectory, TrajectoryDataset
from vla_bench.errors import ConfigError

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def to_box(edges: Sequence[float]) -> Box:
    """`edges` as they are. Raises ConfigError unless they are a part of an image."""
    top, left, bottom, right = edges if _is_four_numbers(edges) else (1.0, 1.0, 0.0, 0.0)
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise ConfigError(
            "A part of an image is [top, left, bottom, right], fractions from 0 to 1 with top "
            f"< bottom and left < right; got {edges}."
        )
    return (top, left, bottom, right)


def _is_four_numbers(edges: object) -> bool:
    if not isinstance(edges, Sequence) or len(edges) != 4:
        return False
    return all(isinstance(edge, (int, float)) for edge in edges)


def cut(image: Uint8Image, box: Box) -> Uint8Image:
    """`box` of `image` (h, w, 3), on whole pixels. Raises ConfigError when it holds none."""
    n_rows, n_columns = image.shape[:2]
    top, left, bottom, right = box
    rows = slice(round(top * n_rows), round(bottom * n_rows))
    part = image[rows, round(left * n_columns) : round(right * n_columns)]
    if not part.size:
        raise ConfigError(
            f"The part {list(box)} of an image of {n_rows} x {n_columns} pixels holds no whole "
            "one. Give a larger part."
        )
    return part


@dataclass(frozen=True)
class View:
    """`box` of an image, on whole pixels, resized to `height` x `width` pixels."""

    height: int
    width: int
    box: Box = WHOLE

    def __post_init__(self) -> None:
        to_box(self.box)

    def __call__(self, image: Uint8Image) -> Uint8Image:
        """Of `image` (h, w, 3): (height, width, 3)."""
        return resize_lanczos3(cut(image, self.box), self.height, self.width)

    def __str__(self) -> str:
        part = "" if self.box == WHOLE else "-" + "-".join(f"{edge:g}" for edge in self.box)
        return f"{self.height}x{self.width}{part}"


class Viewed:
    """`dataset` with the images of some cameras as their views; other cameras are gone."""

    def __init__(self, dataset: TrajectoryDataset, views: Mapping[str, View]) -> None:
        self._dataset, self._views = dataset, views
        self.name = dataset.name
        self.schema = viewed_schema(dataset.schema, views)
        self.lengths: Indices = dataset.lengths

    def __getitem__(self, index: int) -> Trajectory:
        return _ViewedTrajectory(self._dataset[index], self._views)


def viewed_schema(schema: Schema, views: Mapping[str, View]) -> Schema:
    return replace(schema, cameras={c: (view.height, view.width) for c, view in views.items()})


class _ViewedTrajectory:
    def __init__(self, trajectory: Trajectory, views: Mapping[str, View]) -> None:
        self._trajectory, self._views = trajectory, views
        self.id, self.instructions = trajectory.id, trajectory.instructions
        self.states, self.actions = trajectory.states, trajectory.actions

    def images(self, camera: str, frames: Indices) -> Images:
        view = self._views[camera]
        return np.stack([view(image) for image in self._trajectory.images(camera, frames)])
