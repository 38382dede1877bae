"""What of SIMPLER's objects is felt: convex pieces, as they stand on a table, each with its mass.

PhysX thins out each hull's corners, MuJoCo does not. What sticks out below the table where
SIMPLER's object rests, 0.4 mm of the spoon, is planed off: else it would rest 3 degrees askew.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, matrix
from vla_bench.envs.tabletop.visual_matching.convert import hulls
from vla_bench.protocols import FloatArray

FLAT = 2e-4  # m
WEIGHTLESS = 1e-4  # of the whole

Piece = tuple[FloatArray, float]
"""Corners (n, 3) of a convex hull, m, in the object's frame, and its mass, kg."""


@functools.cache
def pieces(file: Path, mass: float, rest: Pose | None, n_directions: int | None) -> Sequence[Piece]:
    """The hulls of an OBJ, which share `mass` by their volume.

    `rest` is where the object's frame is above a table that carries it, None where it rests on no
    plane. None for `n_directions` keeps all corners. Else those stay that are outermost in one of
    so many directions, spread evenly, or stand on the table, as those within `FLAT` of it do then:
    a sphere of hulls would roll away on what PhysX leaves a facet. What weighs nothing, the print
    on a lid, is left out.
    """
    found = hulls(file)
    shares = _shares(found)
    margin = FLAT if n_directions else 0.0
    planed = [each if rest is None else _planed(each, rest, margin) for each in found]
    if n_directions is None:
        return tuple((each, share * mass) for each, share in zip(planed, shares, strict=True))
    return tuple(
        (_thinned(each, rest, n_directions), share * mass)
        for each, share in zip(planed, shares, strict=True)
        if share > WEIGHTLESS
    )


def _standing(points: FloatArray, rest: Pose) -> FloatArray:
    """`points` (n, 3) as they stand on a table at height 0."""
    standing: FloatArray = points @ matrix(rest.quaternion).T + rest.position
    return standing


def _planed(points: FloatArray, rest: Pose, margin: float) -> FloatArray:
    """`points` (n, 3), those less than `margin` above the table moved onto it."""
    standing = _standing(points, rest)
    standing[standing[:, 2] < margin, 2] = 0.0
    planed: FloatArray = (standing - rest.position) @ matrix(rest.quaternion)
    return planed


def _thinned(points: FloatArray, rest: Pose | None, n_directions: int) -> FloatArray:
    """The outermost of `points`; of those on the table, in each direction again."""
    directions = _spread(n_directions)
    kept = [(points @ directions.T).argmax(axis=0)]
    if rest is not None:
        touching = np.flatnonzero(np.abs(_standing(points, rest)[:, 2]) < 1e-9)
        if len(touching):
            kept.append(touching[(points[touching] @ directions.T).argmax(axis=0)])
    thinned: FloatArray = points[np.unique(np.concatenate(kept))]
    return thinned


@functools.cache
def _spread(n: int) -> FloatArray:
    """Unit vectors (n, 3) all around: a Fibonacci spiral on the sphere."""
    number = np.arange(n) + 0.5
    height = 1.0 - 2.0 * number / n
    turn = np.pi * (1.0 + np.sqrt(5.0)) * number
    radius = np.sqrt(1.0 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)


def _shares(points: Sequence[FloatArray]) -> list[float]:
    """Each hull's part of the volume of all."""
    from scipy.spatial import ConvexHull

    volumes = [float(ConvexHull(each).volume) for each in points]
    return [volume / sum(volumes) for volume in volumes]
