"""Who pushes whom: contact impulses of the last substep, by SIMPLER's thresholds.

Normal parts only, since that is what PhysX reports.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from vla_bench.protocols import FloatArray

MIN_IMPULSE = 1e-6  # N s: SIMPLER's threshold of a touch (simpler.md §2.10)


def contact_impulses(model: Any, data: Any, body: int) -> dict[int, FloatArray]:
    """Other body's id -> impulse (3,) N s, world frame, that it received from `body`."""
    contacts = data.contact
    bodies, normals = model.geom_bodyid[contacts.geom], contacts.frame[:, :3]
    impulses: dict[int, FloatArray] = {}
    force = np.zeros(6)
    for index in np.flatnonzero((bodies == body).any(axis=1)):
        mujoco.mj_contactForce(model, data, index, force)
        first, second = bodies[index].tolist()  # the normal points from first to second
        other, sign = (second, 1.0) if body == first else (first, -1.0)
        impulse = sign * normals[index] * force[0] * model.opt.timestep
        impulses[other] = impulses.get(other, np.zeros(3)) + impulse
    return impulses


def is_touch(impulse: FloatArray) -> bool:
    return bool(np.linalg.norm(impulse) > MIN_IMPULSE)


def is_pushed_apart(impulse: FloatArray, opening: FloatArray, max_angle: float) -> bool:
    """Whether `impulse` opens a finger: at least a touch, within `max_angle` rad of `opening`."""
    size = float(np.linalg.norm(impulse))
    return size >= MIN_IMPULSE and bool(impulse @ opening >= np.cos(max_angle) * size)
