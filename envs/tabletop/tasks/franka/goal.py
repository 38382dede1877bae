"""What several of the tasks judge by: the right object first, upright, fallen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.tasks.task import Verdict
from vla_bench.envs.tabletop.tasks.trial.goal import PARTIAL, Trial, TrialJudge
from vla_bench.envs.tabletop.tasks.trial.situation import Situation
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

FALLEN = float(np.deg2rad(60.0))
KNOCKED = 0.01  # m, of the centre of mass
TOUCHED = "touched_target_first"
FIRST_TOUCH = "0.5: the first of the objects that the {toucher} touched was the named one"


@dataclass(frozen=True)
class FirstTouch:
    """A trial that is half a success once what it names was touched before any of the `rivals`.

    Attributes:
        named: The object; not the trial's source where that is what it is covered with.
        by: The bodies that touch; empty: the robot's.
    """

    trial: Trial
    named: str
    rivals: tuple[str, ...]
    by: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        return self.trial.source

    @property
    def events(self) -> tuple[str, ...]:
        return self.trial.events

    @property
    def text(self) -> str:
        return self.trial.text

    def spot(self, world: World) -> FloatArray | None:
        return self.trial.spot(world)

    def start(self, world: World) -> FirstTouchJudge:
        return FirstTouchJudge(self, world)


class FirstTouchJudge:
    """One episode of a `FirstTouch`."""

    def __init__(self, goal: FirstTouch, world: World) -> None:
        self._goal, self._judge = goal, TrialJudge(goal.trial, world)
        names = (goal.named, *goal.rivals)
        self._now = Situation(world, {name: world.centre_of_mass(name) for name in names})
        self._by = set(goal.by) or {link.name for link in world.robot.links}
        self._first: set[str] = set()

    def is_placed(self) -> bool:
        return self._judge.is_placed()

    def judge(self) -> Verdict:
        goal = self._goal
        if not self._first:
            self._first = {name for name in self._now.settled if self._has_felt(name)}
        right = self._first == {goal.named}
        verdict = self._judge.judge()
        events = verdict.events | ({TOUCHED} if right else set())
        return Verdict(verdict.success, max(verdict.score, PARTIAL if right else 0.0), events)

    def _has_felt(self, name: str) -> bool:
        """Whether an object is touched, or has been moved: a knock may be over by now."""
        touched = bool(self._by & self._now.touched_by(name))
        moved = self._now.world.centre_of_mass(name) - self._now.settled[name]
        return touched or bool(np.linalg.norm(moved) > KNOCKED)


@dataclass(frozen=True)
class Fallen:
    """`source`, which stood with its z axis up, lies."""

    source: str

    @property
    def text(self) -> str:
        return f"the {self.source} leans more than {np.rad2deg(FALLEN):.0f} degrees"

    def holds(self, now: Situation) -> bool:
        _, rotation = now.world.frame(self.source)
        return bool(rotation[2, 2] < np.cos(FALLEN))

    def spot(self, world: World) -> None:  # noqa: ARG002 - it is pushed, not put
        return None
