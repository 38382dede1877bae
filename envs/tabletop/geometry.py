"""Rotations and poses: quaternions are w x y z, unit; matrices map local to parent coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from vla_bench.protocols import FloatArray

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Pose:
    """Where a frame is: `position` (3,) metres and `quaternion` (4,) w x y z, in its parent."""

    position: Vector
    quaternion: Vector = (1.0, 0.0, 0.0, 0.0)


def rotation_from_vector(vector: FloatArray) -> FloatArray:
    """Rotation vector (3,) rad -> matrix (3, 3)."""
    angle = float(np.linalg.norm(vector))
    quaternion = np.array([1.0, 0.0, 0.0, 0.0])
    if angle > 0.0:
        mujoco.mju_axisAngle2Quat(quaternion, np.asarray(vector, float) / angle, angle)
    return matrix(quaternion)


def rotation_vector(rotation: FloatArray) -> FloatArray:
    """Matrix (3, 3) -> the shortest rotation vector (3,) rad."""
    vector = np.empty(3)
    mujoco.mju_quat2Vel(vector, quaternion_of(rotation), 1.0)
    return vector


def matrix(quaternion: Vector | FloatArray) -> FloatArray:
    """Quaternion (4,) -> matrix (3, 3)."""
    flat = np.empty(9)
    mujoco.mju_quat2Mat(flat, np.asarray(quaternion, float))
    return flat.reshape(3, 3)


def quaternion_of(rotation: FloatArray) -> FloatArray:
    """Matrix (3, 3) -> quaternion (4,) with w >= 0."""
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation, float).ravel())
    return quaternion if quaternion[0] >= 0 else -quaternion


def multiply(left: Vector | FloatArray, right: Vector | FloatArray) -> FloatArray:
    """Quaternion product (4,): first `right`, then `left`."""
    product = np.empty(4)
    mujoco.mju_mulQuat(product, np.asarray(left, float), np.asarray(right, float))
    return product


def about_axis(axis: str, angle: float) -> Vector:
    """Quaternion of a turn by `angle` rad about ``x``, ``y`` or ``z``."""
    quaternion = [float(np.cos(angle / 2)), 0.0, 0.0, 0.0]
    quaternion["xyz".index(axis) + 1] = float(np.sin(angle / 2))
    return tuple(quaternion)
