"""A data set of random pictures in memory; subprocesses import it by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.trajectory import Images, Indices, Schema, Vectors

SCHEMA = Schema({"front": (20, 30)}, ("height",), DELTA_TCP_POSE.names, DELTA_TCP_POSE, 5.0)


@dataclass(frozen=True)
class Clip:
    id: str
    instructions: Sequence[str]
    states: Vectors
    actions: Vectors
    pixels: Images
    on_look: Callable[[str], None]

    def images(self, camera: str, frames: Indices) -> Images:
        assert camera == "front"
        if len(frames) > 1:  # one alone only tells recordings apart
            self.on_look(self.id)
        return self.pixels[frames]


def nothing(_: str) -> None:
    """Happens at a look."""


class Clips:
    """Two episodes of random numbers; `on_look` hears who is asked for more than one image."""

    schema = SCHEMA
    lengths = np.array([4, 6])

    def __init__(self, name: str, seed: int, on_look: Callable[[str], None] = nothing) -> None:
        rng = np.random.default_rng(seed)
        self.name = name
        self.clips = [
            Clip(
                f"{name}-{i}",
                ["go"] * n,
                rng.normal(size=(n, 1)).astype(np.float32),
                rng.normal(size=(n, 7)).astype(np.float32),
                rng.integers(0, 256, (n, 20, 30, 3), np.uint8),
                on_look,
            )
            for i, n in enumerate(self.lengths)
        ]

    def __getitem__(self, index: int) -> Clip:
        return self.clips[index]


class Unreadable(Clips):
    """The same numbers and first images, and no image after them."""

    def __getitem__(self, index: int) -> Clip:
        clip = super().__getitem__(index)
        return replace(clip, pixels=clip.pixels[:1])
