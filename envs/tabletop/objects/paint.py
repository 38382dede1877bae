"""Surfaces and shapes: what objects, furniture and robots are drawn with."""

from __future__ import annotations

from dataclasses import dataclass

from vla_bench.envs.tabletop.geometry import Vector
from vla_bench.protocols import Image

IDENTITY = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Paint:
    """A surface: `rgba` in [0, 1] multiplies the `texture`, repeated (columns, rows) times.

    What lies flat need not cast a shadow. What is `glowing` is seen in its own colour, whatever
    the light.
    """

    rgba: Vector = (1.0, 1.0, 1.0, 1.0)
    texture: Image | None = None
    repeat: tuple[float, float] = (1.0, 1.0)
    specular: float = 0.2
    shininess: float = 0.3
    casts_shadow: bool = True
    glowing: bool = False


@dataclass(frozen=True)
class Solid:
    """A primitive in the object's frame; `size`: half sizes, or radius and half length, m."""

    kind: str
    size: Vector
    position: Vector = (0.0, 0.0, 0.0)
    quaternion: Vector = IDENTITY
