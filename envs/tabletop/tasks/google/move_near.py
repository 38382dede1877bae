"""Move one object near another: SIMPLER's MoveNearGoogleBakedTexInScene-v0, the paper's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.geometry import matrix, rotation_from_vector
from vla_bench.envs.tabletop.hand import (
    CLOSE,
    OPEN,
    UP,
    Actions,
    Hand,
    Scripted,
    Waypoint,
    carry,
    grasp,
)
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.drinks import BLUE_BOTTLE, COKE, PEPSI, REDBULL, SEVEN_UP
from vla_bench.envs.tabletop.objects.fruit import LIGHT_APPLE, ORANGE, SPONGE
from vla_bench.envs.tabletop.scenes.counter import COUNTER_HEIGHT, MOVE_NEAR_COUNTER
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.tasks.google.near import Near, NearJudge, spot_beside
from vla_bench.envs.tabletop.tasks.google.script import Hold
from vla_bench.envs.tabletop.tasks.grids import spawn
from vla_bench.envs.tabletop.tasks.task import Layout, Reach, Task
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

KINDS: dict[str, TabletopObject] = {
    "blue_plastic_bottle": BLUE_BOTTLE,
    "pepsi_can": PEPSI.standing(),
    "orange": ORANGE,
    "7up_can": SEVEN_UP.standing(),
    "apple": LIGHT_APPLE,
    "sponge": SPONGE,
    "coke_can": COKE.standing(),
    "redbull_can": REDBULL.standing(),
}
YAWS = {"blue_plastic_bottle": math.pi / 2, "orange": math.pi / 2, "sponge": math.pi / 2}
TRIPLETS = (  # simpler.md §2.9
    ("blue_plastic_bottle", "pepsi_can", "orange"),
    ("7up_can", "apple", "sponge"),
    ("coke_can", "redbull_can", "apple"),
    ("sponge", "blue_plastic_bottle", "7up_can"),
    ("orange", "pepsi_can", "redbull_can"),
)
CORNERS = (
    ((-0.33, 0.04), (-0.33, 0.34), (-0.13, 0.19)),
    ((-0.13, 0.04), (-0.33, 0.19), (-0.13, 0.34)),
)
PAIRS = tuple(itertools.permutations(range(3), 2))

ABOVE_CENTRE = {"blue_plastic_bottle": 0.040, "sponge": 0.0, "apple": -0.005, "orange": -0.005}
ABOVE_CAN = 0.015  # m of the tool from the centre of mass
SLANTS = np.deg2rad([-50.0, -25.0, 0.0, 25.0, 50.0])
ROUND = 0.01  # m between width and depth, under which a thing can be held from anywhere
CLEAR = 0.12  # m that distractors keep: the hand opens beside the target, and comes by
CLEARANCE = 0.10  # m above the grasp
CARRY = 0.05
# Nothing starts near what it shall be moved near to, nor where only a leaning hand can take it,
# which the bottle needs sooner, as the hand is held higher.
REACH = Reach(
    {
        name: (Surface((-0.36, -0.10, 0.04 if kind is BLUE_BOTTLE else 0.0, 0.45), COUNTER_HEIGHT),)
        for name, kind in KINDS.items()
    },
    apart=0.12,
    clear=CLEAR,
    wide=0.02,
    company=False,  # three leave no free place for a fourth
)
BELOW = 0.07  # m under the tool that a hand needs to pass over something
BERTH = 0.15  # m that the closed hand keeps from objects on its way
DETOURS = 2  # on one way; more would cost the time that the rest needs
ENOUGH = 0.9  # share of the berth with which it goes on
APART = 0.125  # m between the two when put down
PRESS = 0.002  # m below the grasp: what does not stand yet tips and slides when it is let go


def _aim(hand: Hand, goal: Near, above: float) -> Waypoint:
    """`above` m over the source's centre, the fingers roughly across the way to the target.

    So that they do not reach it when they open.
    """
    world = hand.world
    centre = world.in_base(world.centre_of_mass(goal.source))
    way = world.in_base(world.centre_of_mass(goal.target)) - centre
    choices = [hand.reaching(centre, closing) for closing in _closings(hand, goal.source, way)]
    ends = [
        Waypoint(centre + above * UP, rotation, OPEN, max_turn=0.2)
        for rotation in sorted(choices, key=hand.turn_from_home)
    ]
    return hand.choose([end.moved(CLEARANCE * UP), end] for end in ends)[-1]


def _closings(hand: Hand, source: str, way: FloatArray) -> list[FloatArray]:
    """Ways (3,) to close the fingers: about across `way`, or along a side of what has sides."""
    world = hand.world
    rest = matrix(world.objects[source].rest.quaternion)
    wide, deep, _ = np.abs(rest) @ world.objects[source].extents
    if abs(wide - deep) < ROUND:
        return [rotation_from_vector(slant * UP) @ np.cross(UP, way) for slant in SLANTS]
    _, rotation = world.frame(source)
    return list(world.turned_to_base(rotation @ rest.T).T[:2])


def _over(hand: Hand, goal: Near, aim: Callable[[], Waypoint]) -> Actions:
    """Come near the place over the source, the fingers closed."""
    above = replace(aim().moved(CLEARANCE * UP), gripper=CLOSE, tolerance=0.04, max_turn=3.2)
    for leg in _around(hand, above, (goal.source,)):
        yield from hand.go(leg)


def _around(hand: Hand, end: Waypoint, met: Sequence[str]) -> Iterator[Waypoint]:
    """To `end`, beside all that is too tall to pass over but `met`; each leg from where it is."""
    for _ in range(DETOURS):
        beside = _beside(hand, end, met)
        if beside is None:
            break
        yield beside
    yield end


def _beside(hand: Hand, end: Waypoint, met: Sequence[str]) -> Waypoint | None:
    """Beside the first tall thing, none of `met`, that stands close to the straight way."""
    world = hand.world
    tool, _ = world.tcp_in_base()
    counter = world.in_base(np.array([0.0, 0.0, COUNTER_HEIGHT]))[2]
    way = (end.position - tool) * (1.0, 1.0, 0.0)
    length = float(np.linalg.norm(way))
    ahead = []
    for name in world.objects:
        middle = world.in_base(world.centre_of_mass(name))
        offset = (middle - tool) * (1.0, 1.0, 0.0)
        along = float(offset @ way) / length**2
        aside = offset - along * way
        near = 0.0 < along < 1.0 and np.linalg.norm(aside) < ENOUGH * BERTH
        tall = 2 * (middle[2] - counter) + BELOW > end.position[2] - counter
        if name not in met and near and tall:
            past = tool + offset - BERTH * aside / np.linalg.norm(aside)
            ahead.append((along, np.array([*past[:2], end.position[2]])))
    if not ahead:
        return None
    _, position = min(ahead, key=lambda one: one[0])
    return replace(end, position=position, tolerance=0.04, max_turn=3.2)


def _bring(hand: Hand, goal: Near) -> Actions:
    """Carry the grasped source to the target and put it down where it can stand."""
    world = hand.world
    tool, rotation = world.tcp_in_base()
    spot = spot_beside(world, goal.source, goal.target, APART)
    place = world.in_base(np.array([*spot, 0.0])) + hand.offset_to(goal.source)
    place[2] = tool[2] - PRESS
    held = Waypoint(place, rotation, CLOSE, max_turn=0.2)
    lifted = Waypoint(tool + CARRY * UP, rotation, CLOSE)
    low = replace(held, tolerance=0.004, speed=0.03)
    across = _around(hand, held.moved(CARRY * UP), (goal.source, goal.target))
    if not (yield from carry(hand, goal.source, itertools.chain([lifted], across, [low]))):
        return
    yield from hand.stay(Waypoint(place, rotation, OPEN), 4)
    yield from hand.go(Waypoint(place + CLEARANCE * UP, rotation, OPEN))


def _move_near(world: World, goal: Near, hold: Hold) -> Actions:
    hand, judge = Hand(world), NearJudge(goal, world)

    def aim() -> Waypoint:
        return _aim(hand, goal, hold.height)

    while True:
        yield from _over(hand, goal, aim)
        yield from grasp(hand, goal.source, aim, CLEARANCE)
        yield from _bring(hand, goal)
        position, rotation = world.tcp_in_base()
        rest = Waypoint(position, rotation, OPEN)
        while judge.judge().success:
            yield hand.towards(rest)


def _asked(
    source: str, target: str, objects: dict[str, TabletopObject], layouts: tuple[Layout, ...]
) -> Task:
    goal = Near(source, target)
    return Task(
        name="move_near",
        instruction=f"move {_words(source)} near {_words(target)}",
        horizon=80,
        scene=MOVE_NEAR_COUNTER,
        objects=objects,
        layouts=layouts,
        goal=goal,
        expert=Scripted(_move_near, goal, Hold(ABOVE_CENTRE.get(source, ABOVE_CAN))).start,
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _episodes() -> list[tuple[Layout, Task]]:
    """SIMPLER's 60: triplet by triplet, layout by layout, pair by pair."""
    episodes: list[tuple[Layout, Task]] = []
    for triplet in TRIPLETS:
        objects = {name: KINDS[name] for name in triplet}
        layouts = tuple(
            {
                name: spawn(xy, COUNTER_HEIGHT, YAWS.get(name, 0.0))
                for name, xy in zip(triplet, corners)
            }
            for corners in CORNERS
        )
        for layout, (source, target) in itertools.product(layouts, PAIRS):
            episodes.append((layout, _asked(triplet[source], triplet[target], objects, layouts)))
    return episodes


def _task() -> Task:
    """All of them; the first one's instruction and objects stand for the others' on the card."""
    episodes = _episodes()
    layouts = tuple(layout for layout, _ in episodes)
    turns = tuple(turn for _, turn in episodes)
    instructions = ", ".join(dict.fromkeys(turn.instruction for turn in turns))
    facts = {"instructions": instructions}
    return replace(turns[0], layouts=layouts, turns=turns, facts=facts).within(REACH)


MOVE_NEAR = _task()
