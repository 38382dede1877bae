"""OpenVLA's actions -> `DELTA_TCP_POSE`, the way SIMPLER's published adapters execute them.

OpenVLA predicts x y z (m), roll pitch yaw (rad) and an opening (1 open). Here the Euler angles
become a rotation vector, and the opening becomes the absolute target that an env holds. Training
goes the other way, so that a model learns what the same convention will make of its actions.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vla_bench.errors import ConfigError, unknown_name
from vla_bench.policies.openvla.config import read_json

FloatArray = NDArray[np.float64]
ROTATION_OF = {
    "widowx": "roll_pitch_yaw",
    "google_robot": "roll_pitch_yaw",
    "as_trained": "rotation_vector",
}
"""Robot -> what columns 3 to 5 of a predicted action are."""
STICKY_STEPS = {"none": 0, "15_steps": 15, "10_steps": 10}
_KEY = "openvla.sticky_gripper"


@dataclass(frozen=True)
class RobotConvention:
    """Which published adapter to follow.

    Attributes:
        robot: ``widowx``: the gripper opens above 0.5 and closes otherwise. ``google_robot``: see
            `sticky_gripper`. ``as_trained``: no adapter; columns are the env's own, as in our data.
        sticky_gripper: For the Google Robot only. ``none`` passes the predicted opening on.
            ``15_steps`` and ``10_steps`` are the two variants of SIMPLER's adapters: a change of
            the predicted opening by more than 0.5 is a command that is then held for so many steps.
            Scores of different variants are not comparable.
    """

    robot: str
    sticky_gripper: str

    def __post_init__(self) -> None:
        if self.robot not in ROTATION_OF:
            raise unknown_name("robot", self.robot, ROTATION_OF)
        if self.sticky_gripper not in STICKY_STEPS:
            raise unknown_name("sticky_gripper", self.sticky_gripper, STICKY_STEPS)
        if self.robot != "google_robot" and self.sticky_gripper != "none":
            raise ConfigError(
                "sticky_gripper belongs to google_robot; type policy.sticky_gripper=none, or "
                "policy.robot=google_robot."
            )

    @property
    def rotation(self) -> str:
        """``roll_pitch_yaw`` or ``rotation_vector``: what a model must have been trained on."""
        return ROTATION_OF[self.robot]

    def convert(self, action: FloatArray, memory: MutableMapping[str, Any]) -> FloatArray:
        """(7,) as predicted -> (7,) in `DELTA_TCP_POSE`; `memory` is the episode's."""
        opening = float(action[6])
        if self.robot == "widowx":
            target = float(opening > 0.5)
        elif self.sticky_gripper == "none":
            target = float(np.clip(opening, 0.0, 1.0))
        else:
            state = memory.get(_KEY, _StickyGripper())
            memory[_KEY] = state = state.after(opening, self.sticky_gripper)
            target = state.target
        turned = rotation_vector(action[3:6]) if self.rotation == "roll_pitch_yaw" else action[3:6]
        return np.array([*action[:3], *turned, target])

    def to_predict(self, actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """(T, 7) in `DELTA_TCP_POSE` -> (T, 7) that a model is trained to predict."""
        predicted = np.array(actions, dtype=np.float32)
        if self.rotation == "roll_pitch_yaw":
            predicted[:, 3:6] = Rotation.from_rotvec(actions[:, 3:6]).as_euler("xyz")
        return predicted


def check_rotation(folders: Sequence[Path], convention: RobotConvention) -> None:
    """Raises ConfigError unless the first preparation.json in `folders` agrees, or says nothing."""
    records = [read_json(path) for f in folders if (path := f / "preparation.json").exists()]
    trained = records[0].get("rotation") if records else None
    if trained not in (None, convention.rotation):
        fitting = [robot for robot, rotation in ROTATION_OF.items() if rotation == trained]
        raise ConfigError(
            f"The checkpoint was trained to predict {trained}; robot {convention.robot} takes "
            f"{convention.rotation}. Type policy.robot={'|'.join(fitting)}"
        )


def rotation_vector(roll_pitch_yaw: FloatArray) -> FloatArray:
    """(3,) rotations about the fixed x, y, z axes, in this order -> rotation vector (3,), rad."""
    vector: FloatArray = Rotation.from_euler("xyz", roll_pitch_yaw).as_rotvec()
    return vector


@dataclass(frozen=True)
class _StickyGripper:
    """SIMPLER's sticky gripper as a state: its relative commands, summed to an absolute target.

    A relative command d in [-1, 1] moves the fingers by d strokes, positive closes. Variants: the
    adapters of simpler-env/SimplerEnv@4ab7178 and DelinQu/SimplerEnv-OpenVLA@ccfe380 hold for 15
    steps and compare with the previous step; CogACT's and SpatialVLA's hold for 10 and compare with
    the opening at the last command.

    Attributes:
        reference: Opening that the next one is compared with; None before the first step.
        held: The command being held, 0 for none.
        n_held: Steps for which it has been output.
        target: Opening in [0, 1] that the env is given; the Google Robot starts open.
    """

    reference: float | None = None
    held: float = 0.0
    n_held: int = 0
    target: float = 1.0

    def after(self, opening: float, variant: str) -> _StickyGripper:
        """The state after one more prediction."""
        reference = opening if self.reference is None else self.reference
        command, held, n_held = reference - opening, self.held, self.n_held
        latched = abs(command) > 0.5 and n_held == 0
        if latched:
            held = command
        if latched or n_held > 0:
            command, n_held = held, n_held + 1
        if n_held == STICKY_STEPS[variant]:
            held, n_held = 0.0, 0
        follows = variant == "15_steps" or latched
        return _StickyGripper(
            reference=opening if follows else reference,
            held=held,
            n_held=n_held,
            target=float(np.clip(self.target - command, 0.0, 1.0)),
        )
