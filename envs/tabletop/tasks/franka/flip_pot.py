"""Flip Pot Upright; out of distribution, a white tablecloth covers the table.

The expert reaches into the lying pot, takes the upper wall at its rim, raises the pot, turns it
by a quarter about its own sideways axis and sets it down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.envs.tabletop.geometry import rotation_from_vector, rotation_vector
from vla_bench.envs.tabletop.hand import Script
from vla_bench.envs.tabletop.objects.cookware import SMALL_POT, SMALL_STEEL_POT, lying
from vla_bench.envs.tabletop.scenes.franka import PLAIN_TABLE, TABLE_HEIGHT, WHITE_TABLECLOTH
from vla_bench.envs.tabletop.scenes.scene import Scene
from vla_bench.envs.tabletop.tasks.franka.hand import SLOW, UP, Actions, Hand, Waypoint
from vla_bench.envs.tabletop.tasks.franka.row import Ask, Row, Setting, make_task
from vla_bench.envs.tabletop.tasks.task import Reach, Task, Verdict
from vla_bench.envs.tabletop.tasks.trial.goal import PARTIAL
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.tasks.trial.situation import Situation
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

POT = "pot"
INSIDE = 0.014  # m that the tool reaches into the pot
BEFORE = 0.10  # m from the opening to the tool, before that
HIGH = 0.16  # m, the pot's rise before it is turned
N_TURNS = 4
SET_DOWN = 0.003  # m, at which it is let go
ON_TABLE = 0.01  # m, of the middle of its underside
HELD_UPRIGHT = float(np.deg2rad(30.0))
SET_DOWN_AREA = (-0.22, -0.02, -0.14, 0.20)  # the pot ends up to 15 cm from where it lay
MOST_TURN = math.radians(22.0)  # further round, the arm cannot lie flat before the opening

ROW = Row(
    "flip_steel_pot_upright",
    "Flip Pot Upright",
    credit="0.5: the pot was grasped, or stands upright without having been held upright",
)
SPOT = Spot((-0.16, -0.08, -0.02, 0.08), TABLE_HEIGHT, 0.07, (-0.35, 0.35))


@dataclass(frozen=True)
class Flip:
    """`source` stands, let go, and was held upright before: neither dropped nor knocked over."""

    source: str = POT

    @property
    def events(self) -> tuple[str, ...]:
        return ("grasped", "held_upright", "placed")

    @property
    def text(self) -> str:
        return (
            "at the last step, the pot stands on the table, upright within 15 degrees, untouched "
            f"by the robot, which has held it within {np.rad2deg(HELD_UPRIGHT):.0f} degrees of that"
        )

    def start(self, world: World) -> FlipJudge:
        return FlipJudge(world)


class FlipJudge:
    """One episode of a `Flip`."""

    def __init__(self, world: World) -> None:
        self._world, self._now = world, Situation(world, {})
        self._links = {link.name for link in world.robot.links}
        self._grasped = self._held_upright = False

    def stands(self) -> bool:
        """Upright on the table and let go."""
        (_, _, height), _ = self._world.frame(POT)
        free = not self._links & self._now.touched_by(POT)
        return height - TABLE_HEIGHT < ON_TABLE and self._now.is_upright(POT) and free

    def judge(self) -> Verdict:
        grasped = self._now.grasped(POT)
        _, rotation = self._world.frame(POT)
        self._grasped = self._grasped or grasped
        upright = grasped and rotation[2, 2] > np.cos(HELD_UPRIGHT)
        self._held_upright = self._held_upright or bool(upright)
        stands = self.stands()
        success = stands and self._held_upright
        held = {
            "grasped": grasped,
            "held_upright": upright,
            "placed": success,
        }
        score = 1.0 if success else PARTIAL if self._grasped or stands else 0.0
        return Verdict(success, score, frozenset(name for name, holds in held.items() if holds))


def _flip(world: World) -> Actions:
    hand, judge = Hand(world), FlipJudge(world)
    while True:
        yield from _take(hand)
        if hand.holds(POT):
            yield from _set_upright(hand)
        rest = replace(hand.here(1.0), rotation=hand.home_rotation)
        yield from hand.go(replace(rest, tolerance=0.02).raised(0.10))
        rest = hand.here(1.0)
        while judge.stands():
            yield hand.towards(rest)


def _take(hand: Hand) -> Actions:
    """By the upper wall, the hand lying flat before the opening."""
    origin, rotation = hand.world.frame(POT)
    out = hand.world.turned_to_base(rotation)[:, 2] * (1.0, 1.0, 0.0)
    out = out / np.linalg.norm(out)
    width, _, height = hand.world.objects[POT].specimen.stretch
    rim = hand.world.in_base(origin + height * SMALL_POT.height * rotation[:, 2])
    rim = rim + width * (SMALL_POT.radius - SMALL_POT.wall / 2) * UP
    aim = Waypoint(rim - INSIDE * out, _flat(hand, -out), 1.0, tolerance=0.004, max_turn=0.08)
    before = replace(aim, position=rim + BEFORE * out, tolerance=0.015)
    for leg in (before.raised(0.15), before, replace(aim, speed=SLOW)):
        yield from hand.go(leg)
    yield from hand.stay(replace(aim, gripper_open=0.0), 1.0)


def _flat(hand: Hand, approach: FloatArray) -> FloatArray:
    """A rotation (3, 3) that points along `approach` and closes vertically."""
    choices = [np.stack([np.cross(y, approach), y, approach], axis=1) for y in (UP, -UP)]
    turns = [np.linalg.norm(rotation_vector(c @ hand.home_rotation.T)) for c in choices]
    return choices[int(np.argmin(turns))]


def _set_upright(hand: Hand) -> Actions:
    world = hand.world
    start = hand.here(0.0)
    high = replace(start.raised(HIGH), tolerance=0.02)
    yield from hand.go(high)
    axis = world.turned_to_base(world.frame(POT)[1])[:, 2]
    missing = rotation_vector(_minimal_turn(axis))
    for share in np.linspace(0.0, 1.0, N_TURNS + 1)[1:]:
        turned = rotation_from_vector(share * missing) @ start.rotation
        yield from hand.go(replace(high, rotation=turned, max_turn=0.1))
    bottom = world.in_base(world.frame(POT)[0])[2]
    down = replace(high, rotation=turned, speed=SLOW, tolerance=0.003)
    yield from hand.go(down.raised(SET_DOWN - float(bottom)))
    yield from hand.stay(replace(hand.here(1.0), rotation=turned), 0.8)


def _minimal_turn(axis: FloatArray) -> FloatArray:
    """The least rotation (3, 3) that brings the unit vector `axis` (3,) upright."""
    across = np.cross(axis, UP)
    sine = float(np.linalg.norm(across))
    return rotation_from_vector(across / max(sine, 1e-9) * np.arctan2(sine, axis[2]))


GOAL = Flip()


def _task(row: Row, scene: Scene, n_trials: int) -> Task:
    layouts = draw(f"franka/{row.name}", {POT: SPOT}, n_trials)
    setting = Setting(scene, {POT: lying(SMALL_STEEL_POT)}, layouts)
    ask = Ask(row.naming(), GOAL, lambda world: Script(_flip(world)))
    return make_task(row, setting, ask).within(Reach(turn=MOST_TURN, way=SET_DOWN_AREA))


FLIP_STEEL_POT_UPRIGHT = _task(ROW, PLAIN_TABLE, 10)
FLIP_STEEL_POT_UPRIGHT_OOD = _task(
    ROW.shifted("an unseen white tablecloth covers the table"), WHITE_TABLECLOTH, 5
)
