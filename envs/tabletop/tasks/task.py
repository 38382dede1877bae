"""What a task is: a scene, objects, initial states, and a goal that judges.

A new task is one module of numbers beside this one, in the order docstring, constants, factories,
task, plus a line in `registry.py` or in its suite's catalog.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from vla_bench.envs.tabletop.geometry import Pose, Vector
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.scene import Scene, Surface
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

Layout = Mapping[str, Pose]
"""Object name -> spawn point on its support (x, y, height of the support, m) and yaw."""


@dataclass(frozen=True)
class Verdict:
    """What `vla_bench.protocols.Step` says of the task: success and score if it ended now."""

    success: bool
    score: float
    events: frozenset[str]


class Judge(Protocol):
    """Judges one episode; made at its reset, asked once after every control step."""

    def judge(self) -> Verdict: ...


class Goal(Protocol):
    """A success rule.

    Attributes:
        text: The rule in words, for the card.
        events: Names of sub-goals in the order in which a success passes them.
    """

    @property
    def text(self) -> str: ...
    @property
    def events(self) -> tuple[str, ...]: ...
    def start(self, world: World) -> Judge:
        """A judge for the episode whose objects have just settled."""
        ...


class Expert(Protocol):
    """Solves one episode through the public action, looking at the simulator's state."""

    def act(self) -> FloatArray:
        """The next action (7,); advances the expert by one control step."""
        ...


@dataclass(frozen=True)
class Then:
    """What the robot is told instead once more than `after` control steps have been executed."""

    instruction: str
    after: int


@dataclass(frozen=True)
class Reach:
    """How far from its initial states a task stays one that its robot can do.

    Variations stay within these limits, each of which says why.

    Attributes:
        surfaces: Object -> where it may start, in place of the scene's surfaces; none: it stays.
        turn: How far beyond the official yaws an object may be turned, rad, over 15 degrees.
        apart: m that the object to be moved keeps from every other, seen from above.
        sizes: How much smaller and larger the hand can hold the object to be moved.
        clear: m that what is added keeps from every other, where there is room.
        way: x low, x high, y low, y high, m: where the robot works, and nothing is added.
        company: Whether there is room for another object that could be moved as well.
        wide: m beyond its official positions at which an object may start in wide layouts.
    """

    surfaces: Mapping[str, tuple[Surface, ...]] = field(default_factory=dict)
    turn: float = math.pi
    apart: float = 0.0
    sizes: tuple[float, float] = (0.0, math.inf)
    clear: float = 0.02
    way: tuple[float, float, float, float] | None = None
    company: bool = True
    wide: float = 0.0


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        horizon: In control steps.
        layouts: One entry per initial state.
        facts: What else the card says of it, such as the category in a paper's table.
        homes: The robot's joints at the start, one entry per initial state; empty where they
            are always the scene's.
        turns: Tasks of the same scene and layouts that initial states ask for in turn, as in
            paired trials of language grounding; empty where all ask for the same.
        then: A second instruction, where a task has two stages.
        reach: Where else its objects may start.
    """

    name: str
    instruction: str
    horizon: int
    scene: Scene
    objects: Mapping[str, TabletopObject]
    layouts: tuple[Layout, ...]
    goal: Goal
    expert: Callable[[World], Expert]
    facts: Mapping[str, str] = field(default_factory=dict)
    homes: tuple[Vector, ...] = ()
    turns: tuple[Task, ...] = ()
    then: Then | None = None
    reach: Reach = Reach()

    def within(self, reach: Reach) -> Task:
        """The same task, of which `reach` says how far it can be varied."""
        turns = tuple(replace(turn, reach=reach) for turn in self.turns)
        return replace(self, reach=reach, turns=turns)

    def asked(self, index: int) -> Task:
        """What initial state `index` asks for: instruction, goal and expert."""
        return self.turns[index % len(self.turns)] if self.turns else self

    def told(self, n_steps: int) -> str:
        """The instruction after `n_steps` control steps."""
        late = self.then is not None and n_steps > self.then.after
        return self.then.instruction if self.then is not None and late else self.instruction

    def home(self, index: int) -> Vector:
        """The robot's joints, arm then fingers, at the start from initial state `index`."""
        return self.homes[index] if self.homes else self.scene.mount.home
