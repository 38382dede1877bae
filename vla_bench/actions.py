"""What an action means: one named dimension per column, with unit, frame and nominal range.

The name of a dimension is its convention: `gripper_open` is 1 when open and 0 when closed,
everywhere. A policy and an env whose specs differ are never run together; conversions are
explicit, in the policy's config. Knows neither policies nor envs. Runs on Python 3.10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_bench.errors import unknown_name


@dataclass(frozen=True)
class Dimension:
    """One column of an action.

    Attributes:
        name: Convention-carrying name, e.g. ``x`` or ``gripper_open``.
        unit: ``m``, ``rad``, ``m/s`` … or ``1`` for a ratio.
        frame: ``base`` (robot root link), ``tcp``, or ``-`` where no frame applies.
        low, high: Nominal range, in `unit`: what a uniform policy samples and what a Gymnasium
            ``Box`` declares. An env executes finite values outside as its controller does.
    """

    name: str
    unit: str
    frame: str
    low: float
    high: float


@dataclass(frozen=True)
class ActionSpec:
    """The columns of an action, in order."""

    dimensions: tuple[Dimension, ...]

    @property
    def dim(self) -> int:
        return len(self.dimensions)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(d.name for d in self.dimensions)

    @property
    def low(self) -> NDArray[np.float64]:
        """Shape (dim,), units as in `dimensions`."""
        return np.array([d.low for d in self.dimensions])

    @property
    def high(self) -> NDArray[np.float64]:
        """Shape (dim,), units as in `dimensions`."""
        return np.array([d.high for d in self.dimensions])

    def differences(self, other: ActionSpec) -> list[str]:
        """One line per differing column, `self` left and `other` right; empty when equal."""
        lines = []
        for column in range(max(self.dim, other.dim)):
            mine = self.dimensions[column] if column < self.dim else None
            theirs = other.dimensions[column] if column < other.dim else None
            if mine != theirs:
                lines.append(f"column {column}: {_describe(mine)} | {_describe(theirs)}")
        return lines


def _describe(dimension: Dimension | None) -> str:
    if dimension is None:
        return "(absent)"
    d = dimension
    return f"{d.name} [{d.unit}, frame {d.frame}, {d.low:g}..{d.high:g}]"


def _delta_tcp_pose() -> ActionSpec:
    # Nominal ranges: the +-0.05 m and +-0.25 rad to which SIMPLER's RT-1 adapter maps its outputs
    # (simpler-env/SimplerEnv@4ab7178, simpler_env/policies/rt1). SIMPLER itself clips nothing.
    translation = tuple(Dimension(n, "m", "base", -0.05, 0.05) for n in ("x", "y", "z"))
    rotation = tuple(Dimension(n, "rad", "base", -0.25, 0.25) for n in ("rx", "ry", "rz"))
    return ActionSpec((*translation, *rotation, Dimension("gripper_open", "1", "-", 0.0, 1.0)))


DELTA_TCP_POSE = _delta_tcp_pose()
"""Change of the tool pose in one control step, as in SIMPLER and Bridge V2: `x y z` metres,
`rx ry rz` rotation vector about base axes, `gripper_open` the absolute target (1 open)."""

NAMED_SPECS: dict[str, ActionSpec] = {"delta_tcp_pose": DELTA_TCP_POSE}


def named_spec(name: str) -> ActionSpec:
    """The spec that configs call `name`. Raises ConfigError with the valid names."""
    if name not in NAMED_SPECS:
        raise unknown_name("action spec", name, NAMED_SPECS)
    return NAMED_SPECS[name]
