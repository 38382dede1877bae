"""Flip the pot upright: it lies on its side; the expert pushes its upper rim until it tips over."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.hand import shorten
from vla_bench.envs.tabletop.objects.vessels import LYING_POT, TIPPED_POT
from vla_bench.envs.tabletop.scenes.kitchen import BASIN, SINK_FLOOR
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.servo import FAST, SLOW, UP, action_towards
from vla_bench.envs.tabletop.tasks.bridge.row import Ask, Row, make_task
from vla_bench.envs.tabletop.tasks.task import Reach
from vla_bench.envs.tabletop.tasks.trial.conditions import Upright
from vla_bench.envs.tabletop.tasks.trial.goal import Trial, TrialJudge
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

BEFORE = 0.045  # m from the opening to the tool, before the push
PUSH = 0.085  # m that the tool goes on beyond the opening
HEIGHT = 1.9 * TIPPED_POT.radius  # m, tool above the floor: the fingers meet the upper rim
ABOVE = 0.09  # m over that, to come and to go
NEAR = 0.012  # m
INSIDE = 0.045  # m, tool above the sink's floor, to drag an upright pot that leans on its edge
DRAG = 0.08  # m
FALLING = 0.7  # cosine of the lean from which the pot falls upright by itself
PATIENCE = 20  # control steps in one phase

ROW = Row(
    "flip_pot_upright",
    "Flip Pot Upright",
    "Physical",
    "the pot starts on its side, its opening towards the robot",
)


# The pot slides on by 10 cm before it tips over, and may not slide against the sink's edge.
MIDST = Surface((-0.125, -0.085, 0.105, 0.275), SINK_FLOOR)
CLEAR = 0.06  # m that distractors keep: the pot rolls over its rim
MOST_TURN = math.radians(25.0)


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
        elif self._phase is Phase.PUSH and self._is_done():
            self._enter(Phase.LEAVE)
        elif arrived:
            self._enter(Phase(self._phase.value + 1))
        speed = SLOW if self._phase is Phase.PUSH else FAST
        return action_towards(self._world, (self._goal, self._rotation), speed, 0.0)

    def _is_done(self) -> bool:
        """Whether the pot needs no more pushing, which would only move it on."""
        return self._judge.is_placed() if self._leans else self._is_up()

    def _is_up(self) -> bool:
        """Whether the pot stands, leans against the sink's edge, or falls upright by itself."""
        _, rotation = self._world.frame(self._pot)
        return bool(rotation[2, 2] > FALLING)

    def _enter(self, phase: Phase) -> None:
        tool, _ = self._world.tcp_in_base()
        self._phase, self._n_steps = phase, 0
        if phase is Phase.LEAVE:
            self._goal = tool + ABOVE * UP
            return
        if phase is Phase.COME:
            self._leans = self._is_up()
            self._start, self._end = self._drag() if self._leans else self._push()
        above = ABOVE if phase is Phase.COME else 0.0
        self._goal = (self._end if phase is Phase.PUSH else self._start) + above * UP

    def _push(self) -> tuple[FloatArray, FloatArray]:
        """From before the opening against the upper rim."""
        frame, rotation = self._world.frame(self._pot)
        opening = self._world.in_base(frame + TIPPED_POT.height * rotation[:, 2])
        opening[2] = self._world.in_base(frame)[2] - TIPPED_POT.radius + HEIGHT
        out = self._world.turned_to_base(rotation)[:, 2] * (1.0, 1.0, 0.0)
        return opening + BEFORE * out, opening - PUSH * out

    def _drag(self) -> tuple[FloatArray, FloatArray]:
        """From inside the pot towards the sink's middle."""
        frame, _ = self._world.frame(self._pot)
        x_low, x_high, y_low, y_high = BASIN
        middle = np.array([(x_low + x_high) / 2, (y_low + y_high) / 2, SINK_FLOOR + INSIDE])
        inside = self._world.in_base(np.array([*frame[:2], SINK_FLOOR + INSIDE]))
        return inside, inside + shorten(self._world.in_base(middle) - inside, DRAG)


GOAL = Trial("pot", Upright("pot", BASIN, SINK_FLOOR), funnel=("moved", "upright"))
FLIP_POT_UPRIGHT = make_task(
    ROW,
    {"pot": LYING_POT},
    draw(ROW.name, {"pot": Spot((-0.120, -0.100, 0.130, 0.250), SINK_FLOOR, 0.06, (-0.5, 0.5))}),
    Ask(GOAL, FlipExpert(GOAL).start),
).within(Reach({"pot": (MIDST,)}, turn=MOST_TURN, clear=CLEAR))
