"""Pick the coke can, from three orientations: SIMPLER's GraspSingleOpenedCokeCanInScene-v0."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.hand import (
    CLOSE,
    MAX_GRASP_ANGLE,
    OPEN,
    UP,
    Actions,
    Hand,
    Script,
    Scripted,
    Waypoint,
    grasp,
)
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.drinks import HORIZONTAL_COKE, STANDING_COKE, VERTICAL_COKE
from vla_bench.envs.tabletop.scenes.counter import COUNTER, COUNTER_HEIGHT
from vla_bench.envs.tabletop.tasks.google.pick_up import PickUp
from vla_bench.envs.tabletop.tasks.google.script import Hold, pick
from vla_bench.envs.tabletop.tasks.grids import spawn
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.world import World

CAN = "coke_can"
XS = tuple(np.linspace(-0.35, -0.12, 5).tolist())  # simpler.md §2.9
YS = tuple(np.linspace(-0.02, 0.42, 5).tolist())
CLEARANCE = 0.10  # m above the grasp
ABOVE_STANDING, ABOVE_LYING = 0.015, -0.002  # m of the tool from the centre of mass


def _aim(hand: Hand) -> Waypoint:
    """The tool over the can, the fingers across it if it lies."""
    world = hand.world
    centre = world.in_base(world.centre_of_mass(CAN))
    axis = world.turned_to_base(world.frame(CAN)[1])[:, 1]
    standing = abs(axis[2]) > 0.7
    closing = hand.home_rotation[:, 1] if standing else np.cross(UP, axis)
    height = ABOVE_STANDING if standing else ABOVE_LYING
    return Waypoint(centre + height * UP, hand.reaching(centre, closing), OPEN, max_turn=0.2)


def _pick(world: World) -> Actions:
    hand = Hand(world)
    while True:
        yield from grasp(hand, CAN, lambda: _aim(hand), CLEARANCE)
        position, rotation = world.tcp_in_base()
        up = Waypoint(position + CLEARANCE * UP, rotation, CLOSE)
        while world.is_grasped(CAN, MAX_GRASP_ANGLE):
            yield hand.towards(up)


@dataclass(frozen=True)
class PickCan:
    """Makes the expert for a can that stands or lies."""

    def start(self, world: World) -> Script:
        return Script(_pick(world))

    def about(self, goal: PickUp, hold: Hold) -> Scripted:
        return Scripted(pick, goal, hold)


def _task(orientation: str, can: TabletopObject) -> Task:
    layouts = tuple({CAN: spawn(xy, COUNTER_HEIGHT)} for xy in itertools.product(XS, YS))
    return Task(
        name=f"pick_{orientation}_coke_can",
        instruction="pick coke can",
        horizon=80,
        scene=COUNTER,
        objects={CAN: can},
        layouts=layouts,
        goal=PickUp(CAN),
        expert=PickCan().start,
    )


PICK_HORIZONTAL = _task("horizontal", HORIZONTAL_COKE)
PICK_VERTICAL = _task("vertical", VERTICAL_COKE)
PICK_STANDING = _task("standing", STANDING_COKE)
