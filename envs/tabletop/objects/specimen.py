"""How one object differs from the others of its kind: size, mass, friction, colour.

Acts on shapes and paints while they are built, so that it works on every kind alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vla_bench.envs.tabletop.geometry import Vector, matrix
from vla_bench.envs.tabletop.objects.paint import Paint, Solid
from vla_bench.protocols import FloatArray


@dataclass(frozen=True)
class Specimen:
    """The default, `USUAL`, is an object like any other of its kind.

    Attributes:
        stretch: Factors of its sizes along x y z of its own frame; its mass stays.
        mass: Factor.
        friction: Sliding friction in every contact, the fingers' too; None: the kind's, which
            fingers and furniture overrule.
        color: Of its main surface, rgb in [0, 1]; None: the kind's.
        brightness: Of all surfaces: below 1 darker in proportion, above 1 paler in proportion.
    """

    stretch: Vector = (1.0, 1.0, 1.0)
    mass: float = 1.0
    friction: float | None = None
    color: Vector | None = None
    brightness: float = 1.0


USUAL = Specimen()


def stretched(solid: Solid, factors: Vector) -> Solid:
    """`solid` with the frame that it is given in stretched; shapes keep their kind.

    Exact where the shape is turned by quarter turns. A ball becomes an ellipsoid unless all
    factors are equal; a round cross-section keeps round, with the area that it should have.
    """
    if factors == (1.0, 1.0, 1.0):
        return solid
    x, y, z = local_factors(solid.quaternion, factors)
    kind, size = solid.kind, solid.size
    if kind in ("capsule", "cylinder"):
        size = (size[0] * float(np.sqrt(x * y)), size[1] * z)
    elif kind == "sphere":
        kind = "sphere" if x == y == z else "ellipsoid"
        size = (size[0] * x, size[0] * y, size[0] * z)
    else:
        size = (size[0] * x, size[1] * y, size[2] * z)
    position = tuple((np.array(solid.position) * factors).tolist())
    return replace(solid, kind=kind, size=size, position=position)


def local_factors(quaternion: Vector, factors: Vector) -> Vector:
    """How much lengths along x y z of a turned frame grow when its parent is stretched."""
    grown: FloatArray = np.linalg.norm(np.diag(factors) @ matrix(quaternion), axis=0)
    if len(set(factors)) == 1:
        return factors
    return tuple(grown.tolist())


def recolored(paint: Paint, color: Vector) -> Paint:
    """`paint` in another colour; a texture keeps its pattern."""
    texture = paint.texture
    if texture is not None:
        grey = texture.astype(float).mean(axis=2, keepdims=True)
        grey *= 220.0 / grey.mean()
        texture = np.repeat(np.clip(grey, 0, 255).astype(np.uint8), 3, axis=2)
    return replace(paint, rgba=(*color, paint.rgba[3]), texture=texture)


def shaded(paint: Paint, brightness: float) -> Paint:
    """`paint` darker (below 1) or paler (above 1)."""
    *rgb, alpha = paint.rgba
    if brightness <= 1.0:
        return replace(paint, rgba=(*(brightness * value for value in rgb), alpha))
    texture = paint.texture
    if texture is not None:
        texture = (255.0 - (255.0 - texture.astype(float)) / brightness).astype(np.uint8)
    return replace(
        paint, rgba=(*(1.0 - (1.0 - value) / brightness for value in rgb), alpha), texture=texture
    )
