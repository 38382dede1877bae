"""How a trial is scored: 1 for success, 0.5 where the paper gives partial credit, else 0."""

from __future__ import annotations

from dataclasses import dataclass

from vla_bench.envs.tabletop.tasks.put_on import LIFTED, MOVED
from vla_bench.envs.tabletop.tasks.task import Verdict
from vla_bench.envs.tabletop.tasks.trial.conditions import Placed
from vla_bench.envs.tabletop.tasks.trial.credit import Reached
from vla_bench.envs.tabletop.tasks.trial.situation import Condition, Situation
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

PARTIAL = 0.5
LIFT_STEPS = 5  # control steps, 1 s: as long as SIMPLER asks of a significant lift


@dataclass(frozen=True)
class Trial:
    """Bring the object `source` into the condition `done`.

    Attributes:
        steps: Control steps for which `done` must hold in a row.
        kept: Whether a success once reached stays one: of lifts, which a person ends on sight.
        credit: What was worth half a success at any time, if anything.
        funnel: Names of sub-goals in order; the last is that of success.
    """

    source: str
    done: Placed
    funnel: tuple[str, ...] = ("reached", "grasped", "lifted", "placed")
    steps: int = 1
    kept: bool = False
    credit: Condition | None = None

    @property
    def events(self) -> tuple[str, ...]:
        return self.funnel

    @property
    def text(self) -> str:
        if self.kept:
            return f"at any time, for {self.steps} steps in a row, {self.done.text}"
        return f"at the last step, {self.done.text}"

    def start(self, world: World) -> TrialJudge:
        return TrialJudge(self, world)

    def spot(self, world: World) -> FloatArray | None:
        return self.done.spot(world)


class TrialJudge:
    """One episode of a `Trial`; asked once after every control step."""

    def __init__(self, goal: Trial, world: World) -> None:
        settled = {name: world.centre_of_mass(name) for name in world.objects}
        self._goal, self._now = goal, Situation(world, settled)
        self._reached = Reached(goal.source)
        self._n_done = 0
        self._kept = self._credited = False

    def judge(self) -> Verdict:
        self._n_done = self._n_done + 1 if self._goal.done.holds(self._now) else 0
        success = self._n_done >= self._goal.steps or self._kept
        self._kept = success and self._goal.kept
        credit = self._goal.credit
        self._credited = self._credited or (credit is not None and credit.holds(self._now))
        score = 1.0 if success else PARTIAL if self._credited else 0.0
        return Verdict(success, score, frozenset(self._events(success)))

    def is_placed(self) -> bool:
        """Whether there is nothing left for an expert to do."""
        return self._goal.done.holds(self._now)

    def _events(self, success: bool) -> set[str]:
        now, source = self._now, self._goal.source
        grasped = now.grasped(source)
        held = {
            "reached": self._reached.holds(now),
            "moved": now.moved(source) > MOVED,
            "grasped": grasped,
            "lifted": grasped and now.raised(source) > LIFTED,
            "grasped_wrong_object": any(now.grasped(n) for n in now.settled if n != source),
            "partial_credit": self._credited,
            self._goal.funnel[-1]: success,
        }
        return {name for name, holds in held.items() if holds}
