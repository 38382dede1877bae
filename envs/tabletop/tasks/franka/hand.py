"""A Franka's hand that experts write scripts for: one public action per control step.

For a law that keeps its target (`interpolated.py`): an action moves the target, the arm follows.
Positions are in the robot's base frame, m; the hand points along its z and closes along its y.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.envs.tabletop.expert import Grasp, Placement
from vla_bench.envs.tabletop.geometry import rotation_from_vector, rotation_vector
from vla_bench.envs.tabletop.hand import shorten
from vla_bench.envs.tabletop.tasks.put_on import MAX_GRASP_ANGLE
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

UP = np.array([0.0, 0.0, 1.0])
FAST, SLOW = 0.25, 0.10  # m/s
TURN = 1.2  # rad/s
PUNCTUAL, SLACKENING = 1.0, 3.0  # s, and growth of the tolerances per second after that
FINGERTIP = 0.011  # m: the fingers reach 8.8 mm beyond the tool
CLEARANCE = 0.09  # m over a grasp, before and after
PASS_OVER = 0.09  # m over the place of release
LOST = 0.03  # m that an object may shift in the hand

Actions = Iterator[FloatArray]


@dataclass(frozen=True, eq=False)
class Waypoint:
    """Where the tool should go.

    Attributes:
        gripper_open: On the way, 1 open.
        tolerance, max_turn: m and rad from it at which it counts as reached.
        speed: m/s.
        seconds: After which the hand goes on regardless.
    """

    position: FloatArray
    rotation: FloatArray
    gripper_open: float
    speed: float = FAST
    tolerance: float = 0.006
    max_turn: float = 0.05
    seconds: float = 5.0

    def raised(self, height: float) -> Waypoint:
        """The same, `height` m higher."""
        return replace(self, position=self.position + height * UP)


class Hand:
    """Yields the actions that bring the tool of `world` where it is told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hz = world.robot.control_hz
        self.home_position, self.home_rotation = world.tcp_in_base()

    def go(self, waypoint: Waypoint) -> Actions:
        """Head for `waypoint` until it is reached, in the end ever more roughly, or time is up."""
        for n_steps in range(round(waypoint.seconds * self.hz)):
            yield self.towards(waypoint)
            late = max(0.0, n_steps / self.hz - PUNCTUAL)
            if self.is_at(waypoint, slack=1.0 + SLACKENING * late):
                return

    def stay(self, waypoint: Waypoint, seconds: float) -> Actions:
        """Hold at `waypoint`."""
        for _ in range(round(seconds * self.hz)):
            yield self.towards(waypoint)

    def here(self, gripper_open: float) -> Waypoint:
        """Where the tool is."""
        return Waypoint(*self.world.tcp_in_base(), gripper_open)

    def is_at(self, waypoint: Waypoint, slack: float) -> bool:
        """Within `slack` times the waypoint's tolerances."""
        position, rotation = self.world.tcp_in_base()
        turn = np.linalg.norm(rotation_vector(waypoint.rotation @ rotation.T))
        away = np.linalg.norm(waypoint.position - position)
        return bool(away < slack * waypoint.tolerance and turn < slack * waypoint.max_turn)

    def towards(self, waypoint: Waypoint) -> FloatArray:
        """The next action (7,): moves the controller's target, which turns about the tool."""
        controller = self.world.controller
        tool, _ = self.world.tcp_in_base()
        turn = rotation_vector(waypoint.rotation @ controller.rotation.T)
        turn = shorten(turn, TURN / self.hz)
        pivoted = tool + rotation_from_vector(turn) @ (controller.position - tool)
        move = shorten(waypoint.position - pivoted, waypoint.speed / self.hz)
        return np.array([*move, *turn, waypoint.gripper_open])

    def downwards(self, closing: FloatArray, quarter_turns: bool = False) -> FloatArray:
        """A rotation (3, 3), pointing down, whose fingers close along `closing` (3,).

        Of the two senses, or four, the one that turns the hand least from its start.
        """
        across = closing * (1.0, 1.0, 0.0) / np.linalg.norm(closing[:2])
        axes = [across, -across]
        if quarter_turns:
            axes += [np.cross(UP, across), -np.cross(UP, across)]
        choices = [np.stack([np.cross(y, -UP), y, -UP], axis=1) for y in axes]
        turns = [np.linalg.norm(rotation_vector(c @ self.home_rotation.T)) for c in choices]
        return choices[int(np.argmin(turns))]

    def over(self, name: str, grasp: Grasp) -> Waypoint:
        """The tool where `grasp` wants it on the object `name`, the gripper open."""
        world = self.world
        position, rotation = world.frame(name)
        offset = rotation[:, :2] @ np.array(grasp.point)
        offset[2] = grasp.height
        point = world.in_base(position + offset)
        point[2] = max(point[2], FINGERTIP)
        along = world.turned_to_base(rotation) @ np.array(grasp.along)
        return Waypoint(point, self.downwards(np.cross(UP, along), grasp.quarter_turns), 1.0)

    def holds(self, name: str) -> bool:
        return self.world.is_grasped(name, MAX_GRASP_ANGLE)

    def offset_to(self, name: str) -> FloatArray:
        """(3,) m from an object's centre of mass to the tool."""
        tool, _ = self.world.tcp_in_base()
        return np.asarray(tool - self.world.in_base(self.world.centre_of_mass(name)))


def take(hand: Hand, name: str, grasp: Grasp) -> Actions:
    """Grasp the object `name` from above and lift it, again until it is held."""
    while True:
        aim = hand.over(name, grasp)
        yield from hand.go(replace(hand.here(1.0), tolerance=0.02).raised(_climb(hand, aim)))
        yield from hand.go(replace(aim, tolerance=0.015).raised(CLEARANCE))
        aim = hand.over(name, grasp)
        yield from hand.go(replace(aim, speed=SLOW, tolerance=0.004))
        yield from hand.stay(replace(aim, gripper_open=0.0), 0.8)
        if hand.holds(name):
            yield from hand.go(replace(aim, gripper_open=0.0, tolerance=0.02).raised(CLEARANCE))
            if hand.holds(name):
                return


def put(hand: Hand, goal: Placement, height: float) -> Actions:
    """Let go of the held source of `goal` with its centre `height` m over the goal's spot.

    Gives up, the hand where it is, when the object slips.
    """
    held, name = hand.offset_to(goal.source), goal.source
    start = hand.here(0.0)
    spot = goal.spot(hand.world)
    assert spot is not None, "an object that is held up is not carried"
    place = replace(start, position=hand.world.in_base(spot) + height * UP + held)
    above = replace(place.raised(PASS_OVER), tolerance=0.012)
    climb = max(0.0, float(above.position[2] - start.position[2]))
    for leg in (start.raised(climb), above, replace(place, speed=SLOW, seconds=2.0)):
        for action in hand.go(leg):
            yield action
            if np.linalg.norm(hand.offset_to(name) - held) > LOST:
                return
    yield from hand.stay(replace(place, gripper_open=1.0), 0.8)
    yield from hand.go(replace(hand.here(1.0), speed=SLOW, tolerance=0.02).raised(CLEARANCE))


def take_and_put(world: World, goal: Placement, grasp: Grasp) -> Actions:
    """Solve a placement; then hold still for as long as it stays solved."""
    hand, judge = Hand(world), goal.start(world)
    low = world.frame(goal.source)[0] - world.objects[goal.source].rest.position[2] * UP
    height = float((world.centre_of_mass(goal.source) - low)[2]) + grasp.drop
    while True:
        yield from take(hand, goal.source, grasp)
        yield from put(hand, goal, height)
        rest = hand.here(1.0)
        while judge.is_placed():
            yield hand.towards(rest)


def _climb(hand: Hand, aim: Waypoint) -> float:
    """How far to rise, m, before crossing to `aim`."""
    tool, _ = hand.world.tcp_in_base()
    return max(0.0, float(aim.position[2] + CLEARANCE - tool[2]))
