"""How the expert of the Google Robot takes an object from above and brings it somewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.envs.tabletop.geometry import Vector
from vla_bench.envs.tabletop.hand import (
    CLOSE,
    MAX_GRASP_ANGLE,
    OPEN,
    UP,
    Actions,
    Hand,
    Waypoint,
    carry,
    grasp,
)
from vla_bench.envs.tabletop.scenes.counter import COUNTER_HEIGHT
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.tasks.google.near import spot_beside
from vla_bench.envs.tabletop.tasks.google.pick_up import PickUp
from vla_bench.envs.tabletop.tasks.task import Reach
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

CLEARANCE = 0.12  # m above the grasp: over a standing can
CARRY = 0.07
APART = 0.13  # m between two objects' middles when they are put side by side
SET_DOWN = 0.004  # m at which an object is let go
# Further out the hand leans so much that fingers which close along the lean stand on the counter.
CLOSE_BY = Surface((-0.345, -0.10, -0.06, 0.46), COUNTER_HEIGHT)


@dataclass(frozen=True)
class Hold:
    """How to hold an object from above.

    Attributes:
        height: Tool above the centre of mass, m.
        along: The object's axis that the fingers close across, in its frame; None: any will do.
        opening: Of the gripper on the way down: one of a leaning hand's fingers comes down first.
    """

    height: float
    along: Vector | None = None
    opening: float = OPEN

    def aim(self, hand: Hand, name: str) -> Waypoint:
        """The tool where it takes the object, open."""
        world = hand.world
        centre = world.in_base(world.centre_of_mass(name))
        closing = hand.home_rotation[:, 1]
        if self.along is not None:
            _, rotation = world.frame(name)
            closing = np.cross(UP, world.turned_to_base(rotation) @ np.array(self.along))
        rotation = hand.reaching(centre, closing)
        return Waypoint(centre + self.height * UP, rotation, self.opening, max_turn=0.2)

    def reach(self, name: str) -> Reach:
        """How far from its initial states a task can go in which `name` is held like this."""
        return Reach({name: (CLOSE_BY,)} if self.along else {})


# The fingers' tips end 4 mm short of the tool: higher, they would squeeze a banana out downwards.
BANANA_HOLD = Hold(-0.010, (1.0, 0.0, 0.0), opening=0.45)


def pick(world: World, goal: PickUp, hold: Hold) -> Actions:
    """Take the object, lift it, keep it."""
    hand = Hand(world)
    while True:
        yield from grasp(hand, goal.name, lambda: hold.aim(hand, goal.name), CLEARANCE)
        position, rotation = world.tcp_in_base()
        up = Waypoint(position + CARRY * UP, rotation, CLOSE)
        while world.is_grasped(goal.name, MAX_GRASP_ANGLE):
            yield hand.towards(up)


def bring(
    world: World, name: str, hold: Hold, spot: Callable[[], FloatArray], is_done: Callable[[], bool]
) -> Actions:
    """Take the object and let it go with its centre over `spot()`, world (3,) m; then rest.

    The height of the spot is that of the surface on which the object shall stand.
    """
    hand = Hand(world)
    foot = world.frame(name)[0] - world.objects[name].rest.position[2] * UP
    height = float((world.centre_of_mass(name) - foot)[2])
    while True:
        yield from grasp(hand, name, lambda: hold.aim(hand, name), CLEARANCE)
        tool, rotation = world.tcp_in_base()
        lifted = Waypoint(tool + CARRY * UP, rotation, CLOSE)
        place = world.in_base(spot()) + (height + SET_DOWN) * UP + hand.offset_to(name)
        low = Waypoint(place, rotation, CLOSE, tolerance=0.008, speed=0.03, max_turn=0.2)
        over = replace(low, speed=0.05).moved(CARRY * UP)
        if not (yield from carry(hand, name, (lifted, over, low))):
            continue
        yield from hand.stay(replace(low, gripper=OPEN), 4)
        yield from hand.go(replace(low, gripper=OPEN, speed=0.05).moved(CLEARANCE * UP))
        position, rotation = world.tcp_in_base()
        while is_done():
            yield hand.towards(Waypoint(position, rotation, OPEN))


def beside(world: World, source: str, target: str, surface: float) -> FloatArray:
    """A free point `APART` from the target, on a surface at `surface` m."""
    return np.array([*spot_beside(world, source, target, APART), surface])
