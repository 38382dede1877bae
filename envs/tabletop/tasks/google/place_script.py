"""How the expert opens a drawer, takes an object off the cabinet and lets it down into the drawer.

The elbow comes out of the pull bent the other way, and inverse kinematics would keep it so until
the wrist is at its limit: the hand goes back the way it came before it reaches for the object.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.hand import CLOSE, OPEN, UP, Actions, Hand, Waypoint, grasp
from vla_bench.envs.tabletop.scenes.cabinet import CABINET_TOP, handle_of, joint_of
from vla_bench.envs.tabletop.tasks.google.drawer_script import out_of_cabinet, pull_open
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

PULLED = 0.16  # m
BACK_OFF = 0.02  # m; further, and a robot that stands near has its hand too close to its body
STRIDE = 3  # control steps of the way there per waypoint of the way back
CLEARANCE = 0.10
LOW = 0.05  # m above the cabinet's top: no way over it yet
ROOM = 0.2  # rad
ABOVE_CENTRE = 0.010  # m, of the grasp: clear of the cabinet with both fingers
LIFT = 0.08
BEHIND_BAR = 0.13  # m from the handle bar into the drawer, where to let go
ABOVE_BAR = 0.075  # m of the object's centre when it is let go

Trail = list[tuple[FloatArray, FloatArray]]
"""Positions (3,) and rotations (3, 3) of the tool, one per control step."""


def place_in_drawer(world: World, drawer: str, source: str) -> Actions:
    """Both stages, without waiting for the second instruction."""
    hand = Hand(world)
    trail: Trail = []
    for action in pull_open(hand, drawer, PULLED):
        trail.append(world.tcp_in_base())
        yield action
    yield from _go_back(hand, trail, source)
    while True:
        yield from grasp(hand, source, lambda: _aim(hand, source), CLEARANCE)
        yield from _drop(hand, drawer, source)
        position, rotation = world.tcp_in_base()
        while world.in_base(world.centre_of_mass(source))[2] < _top(world):
            yield hand.towards(Waypoint(position, rotation, OPEN))


def _go_back(hand: Hand, trail: Trail, source: str) -> Actions:
    """Let go, back off, and return along `trail`, in front of the open drawer while below it.

    As far as needed: until the arm has room to reach for `source`.
    """
    world = hand.world
    position, rotation = world.tcp_in_base()
    halt = Waypoint(position, rotation, CLOSE)
    yield from hand.stay(halt, 4)  # a drawer let go while it moves would drift shut
    yield from hand.stay(replace(halt, gripper=OPEN), 3)
    yield from hand.go(Waypoint(position - BACK_OFF * rotation[:, 2], rotation, OPEN))
    start, _ = world.tcp_in_base()
    depths = [float(position @ out_of_cabinet(world)) for position, _ in trail]
    approach = trail[: int(np.argmin(depths)) + 1]  # without the pull
    offset = start - approach[-1][0]
    for back, turned in approach[::-STRIDE]:
        below = float(np.clip((_top(world) + LOW - back[2]) / LOW, 0.0, 1.0))
        step = Waypoint(back + below * offset, turned, OPEN, tolerance=0.03, patience=6)
        yield from hand.go(replace(step, max_turn=0.3))
        aim = _aim(hand, source)
        if back[2] > _top(world) + LOW and hand.room([aim.moved(CLEARANCE * UP), aim]) > ROOM:
            return
    home = Waypoint(hand.home_position, hand.home_rotation, OPEN, tolerance=0.04, max_turn=0.3)
    yield from hand.go(home)


def _aim(hand: Hand, source: str) -> Waypoint:
    centre = hand.world.in_base(hand.world.centre_of_mass(source))
    rotation = hand.reaching(centre, hand.home_rotation[:, 1])
    return Waypoint(centre + ABOVE_CENTRE * UP, rotation, OPEN, max_turn=0.2)


def _drop(hand: Hand, drawer: str, source: str) -> Actions:
    """Lift the grasped object, carry it out over the open drawer, lower it and let go."""
    world = hand.world
    tool, rotation = world.tcp_in_base()
    yield from hand.go(Waypoint(tool + LIFT * UP, rotation, CLOSE))
    tool, _ = world.tcp_in_base()
    centre = world.in_base(world.centre_of_mass(source))
    bar = world.in_base(np.array(handle_of(drawer, world.drawer_opening(joint_of(drawer)))))
    out = out_of_cabinet(world)
    over = tool + ((bar - centre) @ out - BEHIND_BAR) * out
    held = Waypoint(over, rotation, CLOSE, max_turn=0.3)
    yield from hand.go(held)
    low = held.moved((bar[2] + ABOVE_BAR - centre[2]) * UP)
    yield from hand.go(replace(low, speed=0.04))
    yield from hand.stay(replace(low, gripper=OPEN), 4)
    yield from hand.go(replace(held, gripper=OPEN))


def _top(world: World) -> float:
    """Height of the cabinet's top, base frame, m."""
    return float(world.in_base(np.array([0.0, 0.0, CABINET_TOP]))[2])
