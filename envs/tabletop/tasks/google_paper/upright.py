"""Place Coke Can Upright: it lies across, its lid to the left as the robot sees it.

The expert takes it from above, lifts it, swings the hand from downwards to leftwards, sets the can
down on the edge of its bottom and lets it fall upright.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.envs.tabletop.geometry import rotation_from_vector
from vla_bench.envs.tabletop.hand import (
    CLOSE,
    OPEN,
    UP,
    Actions,
    Hand,
    Script,
    Waypoint,
    grasp,
)
from vla_bench.envs.tabletop.objects.drinks import HORIZONTAL_COKE
from vla_bench.envs.tabletop.scenes.counter import COUNTER, COUNTER_HEIGHT
from vla_bench.envs.tabletop.tasks.google.script import CLEARANCE, Hold
from vla_bench.envs.tabletop.tasks.google_paper.row import N_TRIALS, Row, Setting, make_task
from vla_bench.envs.tabletop.tasks.task import Reach
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.tasks.trial.situation import UPRIGHT, Situation
from vla_bench.envs.tabletop.world import World

CAN = "coke_can"
HOLD = Hold(0.0, (0.0, 1.0, 0.0))
LOW = 0.0105  # m that the centre of a can that stands may be higher than half its length
SWING_HEIGHT = 0.12  # m, by which it is lifted first
N_SWINGS = 6
LEANING = 0.10  # rad off the vertical, at which it is let go: the arm's limit is near
MOST_TURN = math.radians(30.0)  # the wrist's limit ends the swing of a can turned further

ROW = Row("place_coke_can_upright", "Place Coke Can Upright")
SPOT = Spot((-0.24, -0.14, 0.10, 0.34), COUNTER_HEIGHT, 0.07, (-0.35, 0.35))


@dataclass(frozen=True)
class Stands:
    """The can stands on its bottom, let go."""

    @property
    def text(self) -> str:
        return "the can stands on the counter, lid up within 15 degrees, untouched by the robot"

    def holds(self, now: Situation) -> bool:
        _, rotation = now.world.frame(CAN)
        links = {link.name for link in now.world.robot.links}
        half = now.world.objects[CAN].extents[1] / 2
        low = now.world.centre_of_mass(CAN)[2] - COUNTER_HEIGHT < half + LOW
        return bool(low and rotation[2, 1] > np.cos(UPRIGHT)) and not links & now.touched_by(CAN)

    def spot(self, world: World) -> None:  # noqa: ARG002 - it is turned, not put
        return None


GOAL = Trial(CAN, Stands())


def _stand_up(world: World) -> Actions:
    hand, judge = Hand(world), GOAL.start(world)
    while True:
        yield from grasp(hand, CAN, lambda: HOLD.aim(hand, CAN), CLEARANCE)
        yield from _swing(hand)
        position, rotation = world.tcp_in_base()
        while judge.is_placed():
            yield hand.towards(Waypoint(position, rotation, OPEN))
        yield from hand.go(Waypoint(hand.home_position, hand.home_rotation, OPEN))


def _swing(hand: Hand) -> Actions:
    world = hand.world
    tool, rotation = world.tcp_in_base()
    high = Waypoint(tool + SWING_HEIGHT * UP, rotation, CLOSE, tolerance=0.03, max_turn=0.15)
    yield from hand.go(high)
    _, held = world.tcp_in_base()
    axis = world.turned_to_base(world.frame(CAN)[1])[:, 1]
    across = np.cross(axis, UP)
    across = across / np.linalg.norm(across)
    missing = np.arccos(np.clip(axis[2], -1.0, 1.0)) - LEANING
    for share in np.linspace(0.0, 1.0, N_SWINGS + 1)[1:]:
        turned = rotation_from_vector(share * missing * across) @ held
        yield from hand.go(replace(high, rotation=turned))
    lowest = world.in_base(world.centre_of_mass(CAN))[2] - _reach_below(world)
    counter = world.in_base(np.array([0.0, 0.0, COUNTER_HEIGHT]))[2]
    tool, turned = world.tcp_in_base()
    low = Waypoint(tool - (lowest - counter) * UP, turned, CLOSE, tolerance=0.006, speed=0.03)
    yield from hand.go(low)
    yield from hand.stay(replace(low, gripper=OPEN), 4)
    yield from hand.go(replace(low, gripper=OPEN).moved(-0.08 * turned[:, 2]))


def _reach_below(world: World) -> float:
    """From the can's centre down to its lowest point, m."""
    upright = float(world.frame(CAN)[1][2, 1])
    lean = float(np.sqrt(max(1.0 - upright**2, 0.0)))
    length, radius = world.objects[CAN].extents[1], world.objects[CAN].rest.position[2]
    return length / 2 * abs(upright) + radius * lean


PLACE_COKE_CAN_UPRIGHT = make_task(
    ROW,
    Setting(COUNTER, {CAN: HORIZONTAL_COKE}, draw(f"google/{ROW.name}", {CAN: SPOT}, N_TRIALS)),
    GOAL,
    lambda world: Script(_stand_up(world)),
).within(Reach(turn=MOST_TURN))
