"""Vegetables: a carrot and an eggplant, turned on a lathe.

Sizes, masses and how SIMPLER's meshes come to rest: simpler.md §2.8 and the settled poses
measured there. Each frame is that of SIMPLER's object, so that poses compare directly.
"""

from __future__ import annotations

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, about_axis, matrix, multiply
from vla_bench.envs.tabletop.objects.builder import (
    ROLLING,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)
from vla_bench.envs.tabletop.objects.mesh import lathe
from vla_bench.envs.tabletop.objects.textures import rings

CARROT_MASS = 0.0547
CARROT_REST = Pose((0.001549, 0.0, 0.017997), (0.999065, 0.0, 0.043223, 0.0))
CARROT_DIP = 0.086473  # rad about y: SIMPLER's carrot frame at rest dips its thick end
CARROT_PROFILE = (  # (radius, distance from the frame's origin) along the axis, thin end first
    (0.0, -0.0600),
    (0.0030, -0.0590),
    (0.0055, -0.0540),
    (0.0080, -0.0400),
    (0.0105, -0.0220),
    (0.0132, 0.0000),
    (0.0158, 0.0220),
    (0.0166, 0.0360),
    (0.0152, 0.0450),
    (0.0105, 0.0500),
    (0.0, 0.0515),
)
CARROT_CAPSULES = (  # (distance along the axis, radius, half length), thin end first
    (-0.045, 0.0072, 0.007),
    (-0.018, 0.0096, 0.012),
    (0.010, 0.0132, 0.010),
    (0.034, 0.0166, 0.008),
)
LEAVES_PROFILE = ((0.0, -0.006), (0.0065, -0.005), (0.0045, 0.004), (0.0060, 0.012), (0.0, 0.015))

EGGPLANT_MASS = 0.0209
EGGPLANT_PROFILE = (  # thin end, with the stem, first
    (0.0, -0.0360),
    (0.0060, -0.0350),
    (0.0085, -0.0280),
    (0.0115, -0.0180),
    (0.0155, -0.0050),
    (0.0182, 0.0080),
    (0.0180, 0.0200),
    (0.0145, 0.0300),
    (0.0080, 0.0350),
    (0.0, 0.0360),
)
EGGPLANT_SPHERES = ((-0.0270, 0.0082), (-0.0120, 0.0130), (0.0010, 0.0168), (0.0140, 0.0187))
EGGPLANT_TILT = float(np.arcsin((0.0187 - 0.0082) / 0.041))


def _carrot_axis() -> Pose:
    """The cone's axis in SIMPLER's frame, such that the cone lies flat when that frame rests.

    It then touches the table with the lower ends of its first and last capsules.
    """
    (thin_at, thin, thin_half), *_, (thick_at, thick, thick_half) = CARROT_CAPSULES
    between = (thick_at - thick_half) - (thin_at - thin_half)
    climb = float(np.arcsin((thick - thin) / between))
    height = thick - (thick_at - thick_half) * np.sin(climb) - CARROT_REST.position[2]
    return Pose((0.0, 0.0, float(height)), about_axis("y", -(CARROT_DIP + climb)))


def _build_carrot(builder: ObjectBuilder) -> None:
    axis = _carrot_axis()
    direction = matrix(axis.quaternion)[:, 0]
    origin = np.array(axis.position)
    skin = Paint(texture=rings((236, 120, 28)), specular=0.15)
    builder.draw_mesh(lathe(CARROT_PROFILE, 18, "x"), skin, axis)
    leaves = Pose(tuple(origin + 0.052 * direction), axis.quaternion)
    builder.draw_mesh(lathe(LEAVES_PROFILE, 10, "x"), Paint((0.24, 0.47, 0.16, 1.0)), leaves)
    lying = tuple(multiply(axis.quaternion, about_axis("y", np.pi / 2)))
    for along, radius, half in CARROT_CAPSULES:
        centre = tuple(origin + along * direction)
        builder.collide(Solid("capsule", (radius, half), centre, lying), CARROT_MASS / 4)


def _build_eggplant(builder: ObjectBuilder) -> None:
    skin = Paint((0.27, 0.10, 0.32, 1.0), specular=0.8, shininess=0.8)
    green = Paint((0.33, 0.48, 0.18, 1.0))
    builder.draw_mesh(lathe(EGGPLANT_PROFILE, 20, "x"), skin)
    cap = ((0.0, -0.0375), (0.0075, -0.0365), (0.0105, -0.0270), (0.0118, -0.0220), (0.0, -0.0215))
    builder.draw_mesh(lathe(cap, 12, "x"), green)
    stem = Solid("capsule", (0.0026, 0.006), (-0.041, 0.0, 0.0), about_axis("y", np.pi / 2))
    builder.draw(stem, green)
    for along, radius in EGGPLANT_SPHERES:
        builder.collide(Solid("sphere", (radius,), (along, 0.0, 0.0)), EGGPLANT_MASS / 4)


CARROT = TabletopObject(
    "carrot", (0.115, 0.032, 0.038), CARROT_REST, _build_carrot, rolling_friction=ROLLING
)
EGGPLANT = TabletopObject(
    "eggplant",
    (0.0783, 0.0374, 0.038),
    Pose((0.0, 0.0, 0.0185), about_axis("y", -EGGPLANT_TILT)),
    _build_eggplant,
    rolling_friction=ROLLING,
)
