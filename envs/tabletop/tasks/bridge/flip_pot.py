"""Flip the pot upright: it lies on its side; the expert pushes its upper rim until it tips over."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.objects.vessels import LYING_POT, TIPPED_POT
from vla_bench.envs.tabletop.scenes.kitchen import BASIN, SINK_FLOOR
from vla_bench.envs.tabletop.servo import FAST, SLOW, UP, action_towards
from vla_bench.envs.tabletop.tasks.bridge.conditions import Upright
from vla_bench.envs.tabletop.tasks.bridge.goal import Trial, TrialJudge
from vla_bench.envs.tabletop.tasks.bridge.layouts import Spot, draw
from vla_bench.envs.tabletop.tasks.bridge.row import Ask, Row, make_task
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

BEFORE = 0.045  # m from the opening to the tool, before the push
PUSH = 0.085  # m that the tool goes on beyond the opening
HEIGHT = 1.9 * TIPPED_POT.radius  # m, tool above the floor: the fingers meet the upper rim
ABOVE = 0.09  # m over that, to come and to go
NEAR = 0.012  # m
PATIENCE = 20  # control steps in one phase

ROW = Row(
    "flip_pot_upright",
    "Flip Pot Upright",
    "Physical",
    "the pot starts on its side, its opening towards the robot",
)


class Phase(enum.Enum):
    COME = enum.auto()
    DESCEND = enum.auto()
    PUSH = enum.auto()
    LEAVE = enum.auto()


@dataclass(frozen=True)
class FlipExpert:
    """Makes the expert of a flip; it starts over where the pot has not tipped."""

    goal: Trial

    def start(self, world: World) -> FlipHand:
        return FlipHand(world, self.goal.start(world), self.goal.source)


class FlipHand:
    """One episode. Positions are in the robot's base frame."""

    def __init__(self, world: World, judge: TrialJudge, pot: str) -> None:
        self._world, self._judge, self._pot = world, judge, pot
        _, self._rotation = world.tcp_in_base()
        self._enter(Phase.COME)

    def act(self) -> FloatArray:
        """The next action (7,); the hand stays closed."""
        self._n_steps += 1
        tool, _ = self._world.tcp_in_base()
        arrived = np.linalg.norm(self._goal - tool) < NEAR or self._n_steps > PATIENCE
        if self._phase is Phase.LEAVE:
            if arrived and not self._judge.is_placed():
                self._enter(Phase.COME)
        elif self._phase is Phase.PUSH and self._judge.is_placed():
            self._enter(Phase.LEAVE)
        elif arrived:
            self._enter(Phase(self._phase.value + 1))
        speed = SLOW if self._phase is Phase.PUSH else FAST
        return action_towards(self._world, (self._goal, self._rotation), speed, 0.0)

    def _enter(self, phase: Phase) -> None:
        tool, _ = self._world.tcp_in_base()
        self._phase, self._n_steps = phase, 0
        if phase is Phase.LEAVE:
            self._goal = tool + ABOVE * UP
            return
        if phase is Phase.COME:
            frame, rotation = self._world.frame(self._pot)
            self._opening = self._world.in_base(frame + TIPPED_POT.height * rotation[:, 2])
            self._opening[2] = self._world.in_base(frame)[2] - TIPPED_POT.radius + HEIGHT
            self._out = self._world.turned_to_base(rotation)[:, 2] * (1.0, 1.0, 0.0)
        along = -PUSH if phase is Phase.PUSH else BEFORE
        above = ABOVE if phase is Phase.COME else 0.0
        self._goal = self._opening + along * self._out + above * UP


GOAL = Trial("pot", Upright("pot", BASIN, SINK_FLOOR), funnel=("moved", "upright"))
FLIP_POT_UPRIGHT = make_task(
    ROW,
    {"pot": LYING_POT},
    draw(ROW.name, {"pot": Spot((-0.120, -0.100, 0.130, 0.250), SINK_FLOOR, 0.06, (-0.5, 0.5))}),
    Ask(GOAL, FlipExpert(GOAL).start),
)
