"""Procedural triangle meshes: solids of revolution with texture coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_bench.protocols import FloatArray

Profile = Sequence[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Mesh:
    """`vertices` (n, 3) metres, `faces` (m, 3) outward, `uv` (n, 2) texture coordinates."""

    vertices: FloatArray
    faces: NDArray[np.int32]
    uv: FloatArray

    def scaled(self, factors: Sequence[float] | float) -> Mesh:
        """Stretched about the origin by one factor or one per axis."""
        return Mesh(self.vertices * np.asarray(factors, float), self.faces, self.uv)


def lathe(profile: Profile, n_sides: int = 24, along: str = "z") -> Mesh:
    """Turn `profile`, (radius, height) points from the bottom up, about the `along` axis.

    The profile must start and end at radius 0. Texture u runs around, v along the profile.
    """
    radii, heights = np.asarray(profile, float).T
    turn = np.linspace(0.0, 2 * np.pi, n_sides + 1)
    columns = [np.outer(radii, np.cos(turn)), np.outer(radii, np.sin(turn))]
    columns.append(np.repeat(heights[:, None], n_sides + 1, axis=1))
    vertices = np.stack(columns, axis=-1).reshape(-1, 3)
    u, v = np.meshgrid(turn / (2 * np.pi), np.linspace(0.0, 1.0, len(radii)))
    if along == "x":
        vertices = vertices[:, [2, 0, 1]]
    return Mesh(vertices, _quads(radii, n_sides), np.stack([u, v], axis=-1).reshape(-1, 2))


def _quads(radii: FloatArray, n_sides: int) -> NDArray[np.int32]:
    """Two triangles per quad, one where the profile touches the axis."""
    faces = []
    for ring in range(len(radii) - 1):
        for side in range(n_sides):
            a = ring * (n_sides + 1) + side
            b, c, d = a + 1, a + n_sides + 1, a + n_sides + 2
            if radii[ring] > 0.0:
                faces.append((a, b, d))
            if radii[ring + 1] > 0.0:
                faces.append((a, d, c))
    return np.array(faces, dtype=np.int32)
