"""How the expert pulls a drawer open by its handle, and pushes it shut.

Of the ways to hold the hand, it takes the first that its arm can follow within the joint limits;
which one that is depends on where the robot stands.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.geometry import rotation_from_vector
from vla_bench.envs.tabletop.hand import CLOSE, OPEN, UP, Actions, Hand, Waypoint
from vla_bench.envs.tabletop.scenes.cabinet import handle_of, joint_of
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

PITCH = {"top": 0.15, "middle": 0.45, "bottom": 0.75}  # rad below the horizontal, of the approach
PITCHES = (0.0, 0.2, -0.2, 0.4, -0.4)  # rad beside that, in order of preference
TURNS = (0.0, 0.25, -0.25, 0.5, -0.5)  # rad about the vertical, likewise
ASIDE = (0.0, 0.1, 0.2)  # m from the bar towards the arm's side, where to push
BACK, INTO = 0.10, 0.016  # m from the bar along the approach
PUSH_FROM = 0.06  # m before the bar: further out, a robot that stands near has its wrist at a limit
PUSH_BELOW = 0.02  # m under the bar
PULLED, PUSHED = 0.22, 0.02  # m open when the hand stops
KEPT = 0.17  # m open that the drawer must stay
LEAD = 0.03  # m that a pulling or pushing hand is told to go ahead of itself
PATIENCE = 70  # control steps: from the start down to the bottom drawer
MAX_PULL = 40  # control steps before taking hold again


def open_drawer(world: World, drawer: str) -> Actions:
    """Pull the drawer open and stay there; again where it has slipped from the hand and shuts."""
    hand = Hand(world)
    while True:
        yield from pull_open(hand, drawer, PULLED)
        position, rotation = world.tcp_in_base()
        while world.drawer_opening(joint_of(drawer)) > KEPT:
            yield hand.towards(Waypoint(position, rotation, CLOSE))


def pull_open(hand: Hand, drawer: str, opening: float) -> Actions:
    """Take the bar and draw it out until the drawer is `opening` m open."""
    world, joint = hand.world, joint_of(drawer)
    out = out_of_cabinet(world)
    while world.drawer_opening(joint) < opening:
        before, at_bar, _ = hand.choose(_ways_to_pull(hand, drawer, opening))
        yield from hand.go(before)
        yield from hand.go(at_bar)
        yield from hand.stay(replace(at_bar, gripper=CLOSE), 4)
        for _ in range(MAX_PULL):
            if world.drawer_opening(joint) >= opening:
                return
            tool, _ = world.tcp_in_base()
            yield hand.towards(Waypoint(tool + LEAD * out, at_bar.rotation, CLOSE))


def push_shut(world: World, drawer: str) -> Actions:
    """Push the drawer's front in with closed fingers, then stop pushing."""
    hand, joint = Hand(world), joint_of(drawer)
    before, _ = hand.choose(_ways_to_push(hand, drawer))
    yield from hand.go(before)
    while True:
        lead = -LEAD if world.drawer_opening(joint) > PUSHED else 0.0
        yield hand.towards(replace(_further(hand, before, lead), gripper=CLOSE))


def _further(hand: Hand, start: Waypoint, lead: float) -> Waypoint:
    """`lead` m further out of the cabinet than the tool, on the line through `start`."""
    tool, _ = hand.world.tcp_in_base()
    out = out_of_cabinet(hand.world)
    return start.moved((float((tool - start.position) @ out) + lead) * out)


def _ways_to_pull(hand: Hand, drawer: str, opening: float) -> Iterator[Sequence[Waypoint]]:
    """Before the bar, at the bar, and pulled out."""
    world = hand.world
    bar = world.in_base(np.array(handle_of(drawer, world.drawer_opening(joint_of(drawer)))))
    for rotation in _rotations(hand, drawer):
        into = rotation[:, 2]
        before = Waypoint(bar - BACK * into, rotation, OPEN, max_turn=0.08, patience=PATIENCE)
        at_bar = Waypoint(bar + INTO * into, rotation, OPEN, tolerance=0.006, speed=0.04)
        yield before, at_bar, at_bar.moved(opening * out_of_cabinet(world))


def _ways_to_push(hand: Hand, drawer: str) -> Iterator[Sequence[Waypoint]]:
    """Before the front, and pushed in; beside the bar where the arm cannot reach before it."""
    world = hand.world
    opening = world.drawer_opening(joint_of(drawer))
    bar = world.in_base(np.array(handle_of(drawer, opening)))
    out = out_of_cabinet(world)
    for aside, rotation in itertools.product(ASIDE, _rotations(hand, drawer)):
        spot = bar + aside * np.cross(UP, out) - PUSH_BELOW * UP
        before = Waypoint(spot + PUSH_FROM * out, rotation, CLOSE, patience=PATIENCE)
        yield before, before.moved(-(PUSH_FROM + opening) * out)


def _rotations(hand: Hand, drawer: str) -> Iterator[FloatArray]:
    """The tool towards the drawer, fingers above and below the bar; the best ones first."""
    for pitch, turn in itertools.product(PITCHES, TURNS):
        below = PITCH[drawer] + pitch
        into = rotation_from_vector(turn * UP) @ [-math.cos(below), 0.0, -math.sin(below)]
        upright = np.cross(np.cross(UP, into), into)
        upright = upright / np.linalg.norm(upright)
        senses = [np.stack([np.cross(y, into), y, into], axis=1) for y in (upright, -upright)]
        yield min((hand.world.turned_to_base(each) for each in senses), key=hand.turn_from_home)


def out_of_cabinet(world: World) -> FloatArray:
    """The direction (3,), in the base frame, in which drawers open."""
    return world.turned_to_base(np.eye(3))[:, 0]
