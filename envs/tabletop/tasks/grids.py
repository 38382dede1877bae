"""SIMPLER's grids of initial states (simpler.md §2.9)."""

from __future__ import annotations

import itertools

from vla_bench.envs.tabletop.geometry import Pose, about_axis

Pair = tuple[tuple[float, float], tuple[float, float]]

CENTRE = (-0.16, 0.0)  # m, of the WidowX table's work area


def corner_pairs(half_edge: float) -> list[Pair]:
    """Source and target (x, y) on different corners of a square, source in the outer loop."""
    x, y = CENTRE
    corners = [(x + i * half_edge, y + j * half_edge) for i in (-1, 1) for j in (-1, 1)]
    return list(itertools.permutations(corners, 2))


def spawn(xy: tuple[float, float], height: float, yaw: float = 0.0) -> Pose:
    """A spawn point on a support at `height` m, turned by `yaw` rad."""
    return Pose((*xy, height), about_axis("z", yaw))
