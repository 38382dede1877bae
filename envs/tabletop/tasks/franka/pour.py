"""Pour Corn into Pot; out of distribution, a brown tablecloth covers the table.

Twelve grains lie in the red bowl. The expert takes it by the side of its rim that is away from the
pot and turns it over sideways, the opposite lip staying over the pot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.envs.tabletop.geometry import rotation_from_vector
from vla_bench.envs.tabletop.hand import Script
from vla_bench.envs.tabletop.objects.cookware import (
    FOOT,
    POT,
    RED_BOWL,
    RED_POURING_BOWL,
    STEEL_POT,
)
from vla_bench.envs.tabletop.objects.grains import GRAINS, RADIUS
from vla_bench.envs.tabletop.scenes.franka import BROWN_TABLECLOTH, PLAIN_TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.scenes.scene import Scene, Surface
from vla_bench.envs.tabletop.tasks.franka.hand import CLEARANCE, SLOW, UP, Actions, Hand, Waypoint
from vla_bench.envs.tabletop.tasks.franka.row import Ask, Row, Setting, make_task
from vla_bench.envs.tabletop.tasks.put_on import LIFTED
from vla_bench.envs.tabletop.tasks.task import Reach, Task, Verdict
from vla_bench.envs.tabletop.tasks.trial.conditions import Inside
from vla_bench.envs.tabletop.tasks.trial.layouts import Rider, Spot, draw
from vla_bench.envs.tabletop.tasks.trial.situation import Situation
from vla_bench.envs.tabletop.world import World

BELOW_RIM = 0.009  # m, of the tool
HALF_OPEN = 0.45  # the inner finger must not come down on the corn
LIP_HEIGHT = 0.035  # m over the pot's rim, while pouring
MOST = 9  # grains of twelve that have to arrive
N_TILTS, FULL_TILT = 8, math.radians(125.0)
SPOTS: dict[str, Spot | Rider] = {
    "pot": Spot((-0.17, -0.06, 0.06, 0.13), TABLE_HEIGHT, 0.095),
    "bowl": Spot((-0.17, -0.06, -0.16, -0.09), TABLE_HEIGHT, 0.085, (0.0, 0.0)),
    **dict.fromkeys(GRAINS, Rider("bowl", FOOT)),
}
# The bowl is tipped with the hand lying beyond the pot, where the arm is nearly stretched.
REACH = Reach(
    {
        "pot": (Surface((-0.20, -0.03, 0.03, 0.16), TABLE_HEIGHT),),
        "bowl": (Surface((-0.20, -0.03, -0.20, -0.05), TABLE_HEIGHT),),
    },
    sizes=(1.0, 1.0),  # the hand knows where this bowl's rim is
)
ROW = Row(
    "pour_corn_into_pot",
    "Pour Corn into Pot",
    stand_in=f"the yellow corn is {len(GRAINS)} balls of {2e3 * RADIUS:.0f} mm",
)


@dataclass(frozen=True)
class Pour:
    """Most grains end in the pot; how the bowl was handled is reported, not judged."""

    source: str = "bowl"
    vessel: str = "pot"

    @property
    def events(self) -> tuple[str, ...]:
        return ("bowl_grasped", "bowl_lifted", "some_poured", "poured")

    @property
    def text(self) -> str:
        return (
            f"at the last step, the centres of at least {MOST} of the {len(GRAINS)} grains are "
            "inside the upright pot, below its rim"
        )

    def start(self, world: World) -> PourJudge:
        return PourJudge(world)


class PourJudge:
    """One episode of a `Pour`."""

    def __init__(self, world: World) -> None:
        self._now = Situation(world, {"bowl": world.centre_of_mass("bowl")})
        self._arrived = [Inside(name, "pot", POT) for name in GRAINS]

    def n_poured(self) -> int:
        """How many grains are in the pot."""
        return sum(grain.holds(self._now) for grain in self._arrived)

    def judge(self) -> Verdict:
        n_poured, grasped = self.n_poured(), self._now.grasped("bowl")
        success = n_poured >= MOST
        held = {
            "bowl_grasped": grasped,
            "bowl_lifted": grasped and self._now.raised("bowl") > LIFTED,
            "some_poured": n_poured > 0,
            "poured": success,
        }
        events = frozenset(name for name, holds in held.items() if holds)
        return Verdict(success, float(success), events)


GOAL = Pour()


def _pour(world: World) -> Actions:
    hand, judge = Hand(world), GOAL.start(world)
    while True:
        yield from _take_rim(hand)
        yield from _tip(hand)
        rest = hand.here(0.0)
        while judge.n_poured() >= MOST:
            yield hand.towards(rest)
        yield from hand.go(_upright(hand, rest))


def _take_rim(hand: Hand) -> Actions:
    """By the side away from the pot, the fingers closing across the wall."""
    world = hand.world
    while not hand.holds("bowl"):
        origin, _ = world.frame("bowl")
        bowl, pot = world.in_base(origin), world.in_base(world.frame("pot")[0])
        outwards = np.sign(bowl[1] - pot[1]) * np.array([0.0, 1.0, 0.0])
        wall = bowl + (RED_BOWL.radius - RED_BOWL.wall / 2) * outwards
        rim = wall + (RED_BOWL.height - BELOW_RIM) * UP
        aim = Waypoint(rim, hand.downwards(outwards), HALF_OPEN, tolerance=0.004)
        yield from hand.go(replace(aim, tolerance=0.015).raised(CLEARANCE))
        yield from hand.go(replace(aim, speed=SLOW))
        yield from hand.stay(replace(aim, gripper_open=0.0), 0.8)
    closed = replace(hand.here(0.0), tolerance=0.02)
    yield from hand.go(closed.raised(POT.height + LIP_HEIGHT + 0.02))


def _tip(hand: Hand) -> Actions:
    """Turn the bowl over about the x axis, its far lip kept over the middle of the pot."""
    world = hand.world
    tool, rotation = world.tcp_in_base()
    pot = world.in_base(world.frame("pot")[0])
    sense = float(np.sign(tool[1] - pot[1]))
    to_lip = np.array([0.0, -sense * 2 * RED_BOWL.radius, BELOW_RIM])
    lip = pot + (POT.height + LIP_HEIGHT) * UP - np.array([0.0, 0.2 * sense * POT.radius, 0.0])
    for tilt in np.linspace(0.0, FULL_TILT, N_TILTS + 1):
        turn = rotation_from_vector(np.array([sense * tilt, 0.0, 0.0]))
        aim = Waypoint(lip - turn @ to_lip, turn @ rotation, 0.0, tolerance=0.02, max_turn=0.1)
        yield from hand.go(replace(aim, seconds=3.0))
    yield from hand.stay(aim, 1.0)


def _upright(hand: Hand, tipped: Waypoint) -> Waypoint:
    """Back over where it was tipped, to try again."""
    return replace(tipped, rotation=hand.home_rotation).raised(0.05)


def _task(row: Row, scene: Scene, n_trials: int) -> Task:
    objects = {"pot": STEEL_POT, "bowl": RED_POURING_BOWL, **GRAINS}
    setting = Setting(scene, objects, draw(f"franka/{row.name}", SPOTS, n_trials))
    ask = Ask(row.naming(), GOAL, lambda world: Script(_pour(world)))
    return make_task(row, setting, ask).within(REACH)


POUR_CORN_INTO_POT = _task(ROW, PLAIN_TABLE, 10)
POUR_CORN_INTO_POT_OOD = _task(
    ROW.shifted("an unseen brown tablecloth covers the table"), BROWN_TABLECLOTH, 5
)
