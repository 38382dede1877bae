"""A hand that experts write scripts for: generators that yield one public action per control step.

For the measured-pose law (`measured_pose.py`): the tool makes up only part of a commanded
displacement in a control step, so commands lead the error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vla_bench.envs.tabletop.geometry import rotation_from_vector, rotation_vector
from vla_bench.envs.tabletop.ik import InverseKinematics
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

UP = np.array([0.0, 0.0, 1.0])
MAX_GRASP_ANGLE = np.deg2rad(80.0)  # SIMPLER's on the Google Robot (simpler.md §2.10)
GAIN = 1.6  # commanded over missing displacement
MAX_STEP = 0.05  # m per control step, the action's nominal range
MAX_TURN = 0.25  # rad per control step
NEAR, LEAN_PER_METRE, MAX_LEAN = 0.60, 2.5, 0.5  # m, rad/m, rad
PACE, TURN_PACE = 0.02, 0.10  # m and rad that the tool makes good in one control step
SLACKENING = 20  # control steps after which twice the tolerance will do
ROOM = 0.30  # rad that every joint should keep from its limits
LOST = 0.05  # m that an object may shift in the hand
STALLED, MOVING = 4, 0.002  # control steps in which a hand that is let down sinks so many m
BLOCKED, EASE = 0.008, 0.004  # m above the grasp: the fingers stand on something; m to free them
HIGHER, MOST_HIGHER = 0.006, 2  # m per attempt that has failed, and attempts that count
OPEN, CLOSE = 1.0, 0.0  # gripper_open

Actions = Iterator[FloatArray]


@dataclass(frozen=True, eq=False)
class Waypoint:
    """Where the tool should go, in the robot's base frame.

    Attributes:
        position, rotation: (3,) m and (3, 3).
        gripper: The command on the way.
        tolerance, max_turn: m and rad from it at which it counts as reached.
        speed: m that a command may ask for in one control step.
        patience: Control steps after which the hand goes on regardless.
    """

    position: FloatArray
    rotation: FloatArray
    gripper: float
    tolerance: float = 0.012
    max_turn: float = 0.10
    speed: float = MAX_STEP
    patience: int = 30

    def moved(self, offset: FloatArray) -> Waypoint:
        """The same, displaced by `offset` (3,) m."""
        return replace(self, position=self.position + offset)


class Hand:
    """Yields the actions that bring the tool of `world` where it is told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.home_position, self.home_rotation = world.tcp_in_base()
        self._ik = InverseKinematics(world.robot)
        self._limits = np.array([world.model.joint(name).range for name in world.robot.arm]).T

    def go(self, waypoint: Waypoint) -> Actions:
        """Head for `waypoint` until it is reached, ever more roughly, or patience is lost."""
        for n_steps in range(waypoint.patience):
            yield self.towards(waypoint)
            if self.is_at(waypoint, slack=1.0 + n_steps / SLACKENING):
                return

    def stay(self, waypoint: Waypoint, n_steps: int) -> Actions:
        """Hold at `waypoint` for `n_steps` control steps."""
        for _ in range(n_steps):
            yield self.towards(waypoint)

    def is_at(self, waypoint: Waypoint, slack: float) -> bool:
        """Within `slack` times the waypoint's tolerances."""
        position, rotation = self.world.tcp_in_base()
        turn = np.linalg.norm(rotation_vector(waypoint.rotation @ rotation.T))
        away = np.linalg.norm(waypoint.position - position)
        return bool(away < slack * waypoint.tolerance and turn < slack * waypoint.max_turn)

    def towards(self, waypoint: Waypoint) -> FloatArray:
        """The next action (7,)."""
        position, rotation = self.world.tcp_in_base()
        move = shorten(GAIN * (waypoint.position - position), waypoint.speed)
        turn = shorten(GAIN * rotation_vector(waypoint.rotation @ rotation.T), MAX_TURN)
        return np.array([*move, *turn, waypoint.gripper])

    def choose(self, ways: Iterable[Sequence[Waypoint]]) -> Sequence[Waypoint]:
        """The first of `ways` on which the arm has room enough, or else the roomiest."""
        best: tuple[float, Sequence[Waypoint]] = (-math.inf, ())
        for way in ways:
            room = self.room(way)
            if room >= ROOM:
                return way
            if room > best[0] or not best[1]:
                best = room, way
        return best[1]

    def room(self, waypoints: Sequence[Waypoint]) -> float:
        """How far the joints stay from their limits on the way, rad; -inf if it is out of reach.

        A rehearsal with the controller's own inverse kinematics, at the pace of the arm.
        """
        angles = self.world.joint_positions()
        position, rotation = self._ik.forward(angles)
        room = math.inf
        for waypoint in waypoints:
            for _ in range(self._n_paces(waypoint, position, rotation)):
                position = position + shorten(waypoint.position - position, PACE)
                turn = shorten(rotation_vector(waypoint.rotation @ rotation.T), TURN_PACE)
                rotation = rotation_from_vector(turn) @ rotation
                solution = self._ik.solve(position, rotation, angles)
                if solution is None:
                    return -math.inf
                angles = solution
                room = min(room, *(angles - self._limits[0]), *(self._limits[1] - angles))
        return room

    def _n_paces(self, waypoint: Waypoint, position: FloatArray, rotation: FloatArray) -> int:
        way = float(np.linalg.norm(waypoint.position - position))
        turn = float(np.linalg.norm(rotation_vector(waypoint.rotation @ rotation.T)))
        return math.ceil(max(way / PACE, turn / TURN_PACE))

    def reaching(self, position: FloatArray, closing: FloatArray) -> FloatArray:
        """A rotation (3, 3) for `position` (3,) in which the fingers close along `closing` (3,).

        The approach is the start's, 19 degrees off the vertical, and leans further outwards where
        the arm is stretched, since the wrist's limit keeps forearm and hand apart. Of the two
        senses of `closing`, the one that turns the hand less.
        """
        outwards = np.array([position[0], position[1], 0.0])
        reach = float(np.linalg.norm(outwards))
        lean = np.clip(LEAN_PER_METRE * (reach - NEAR), 0.0, MAX_LEAN)
        axis = np.cross(outwards / reach, UP)
        approach = rotation_from_vector(lean * axis) @ self.home_rotation[:, 2]
        across = closing - (closing @ approach) * approach
        across = across / np.linalg.norm(across)
        choices = [
            np.stack([np.cross(y, approach), y, approach], axis=1) for y in (across, -across)
        ]
        return min(choices, key=self.turn_from_home)

    def offset_to(self, name: str) -> FloatArray:
        """(3,) m from an object's centre of mass to the tool."""
        tool, _ = self.world.tcp_in_base()
        return np.asarray(tool - self.world.in_base(self.world.centre_of_mass(name)))

    def turn_from_home(self, rotation: FloatArray) -> float:
        """Angle between `rotation` (3, 3) and the start's, rad."""
        return float(np.linalg.norm(rotation_vector(rotation @ self.home_rotation.T)))


def grasp(hand: Hand, name: str, aim: Callable[[], Waypoint], clearance: float) -> Actions:
    """Take the object `name` from `clearance` m above where `aim` says, until it is held.

    Each new attempt is made a little higher: fingers that stand on something do not close.
    """
    for n_failed in itertools.count():
        if hand.world.is_grasped(name, MAX_GRASP_ANGLE):
            return
        target = aim().moved(HIGHER * min(n_failed, MOST_HIGHER) * UP)
        yield from hand.go(target.moved(clearance * UP))
        yield from _lower(hand, replace(target, tolerance=0.006, speed=0.04))
        tool, _ = hand.world.tcp_in_base()
        short = max(0.0, float(tool[2] - target.position[2]))
        eased = (short + EASE) * UP if short > BLOCKED else 0.0 * UP
        yield from hand.stay(replace(target, gripper=CLOSE).moved(eased), 4)


def _lower(hand: Hand, waypoint: Waypoint) -> Actions:
    """As `Hand.go`, but no further than to where the fingers stand on something."""
    heights: list[float] = []
    for action in hand.go(waypoint):
        yield action
        heights.append(float(hand.world.tcp_in_base()[0][2]))
        if len(heights) > STALLED and heights[-1 - STALLED] - heights[-1] < MOVING:
            return


def carry(hand: Hand, name: str, legs: Iterable[Waypoint]) -> Generator[FloatArray, None, bool]:
    """Take the held object `name` along `legs`; False, and no further, once it has slipped."""
    held = hand.offset_to(name)
    for leg in legs:
        for action in hand.go(leg):
            yield action
            if np.linalg.norm(hand.offset_to(name) - held) > LOST:
                return False
    return True


class Script:
    """An `Expert` that reads its actions off a generator."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    def act(self) -> FloatArray:
        return next(self._actions)


@dataclass(frozen=True)
class Scripted:
    """Makes the expert that follows `script`, for a goal and a way to hold what it moves."""

    script: Callable[[World, Any, Any], Actions]
    goal: Any
    hold: Any

    def start(self, world: World) -> Script:
        return Script(self.script(world, self.goal, self.hold))

    def about(self, goal: Any, hold: Any) -> Scripted:
        return Scripted(self.script, goal, hold)


def shorten(vector: FloatArray, longest: float) -> FloatArray:
    length = float(np.linalg.norm(vector))
    return vector * (longest / length) if length > longest else vector
