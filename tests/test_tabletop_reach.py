"""Variations stay within what a robot can do, and its expert does it: a sample of every suite."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from vla_bench.envs.tabletop.plan import Plan
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations.clearance import gap, yaw_of
from vla_bench.envs.tabletop.variations.region import add_missing, loose, region_of
from vla_bench.envs.tabletop.variations.registry import VARIATIONS, applies, asked_of
from vla_bench.envs.tabletop.variations.roles import source_of
from vla_bench.envs.tabletop.variations.visual import DISTRACTORS
from vla_bench.episode import EpisodeSpec
from vla_bench.protocols import FloatArray

PLAIN_SUITES = [name for name, suite in SUITES.items() if suite.require is None]
FELT = (  # one level of each factor that a blind expert notices
    "visual/distractors/many",
    "motion/position/outside",
    "motion/orientation/unseen",
    "physical/size/small",
    "physical/shape/long",
    "physical/mass/heavy",
    "physical/friction/slippery",
    "semantic/object/matchbox",
    "language/other_object/named",
)
TASKS: dict[str, Task] = {
    name: task for suite in PLAIN_SUITES for name, task in SUITES[suite].tasks.items()
}


def make_env(task: str) -> TabletopEnv:
    return TabletopEnv([task], None, [0], [32, 32], "fast", "official", "none")


def solve(task: str, variation: str, index: int) -> tuple[bool, FloatArray]:
    """Whether the expert succeeds, and what it did (n_steps, 7)."""
    env, rows = make_env(task), []
    env.reset(EpisodeSpec("x", task, index, 0, variation))
    while True:
        rows.append(env.observe([], privileged=True).privileged["expert_action"])
        step = env.step(rows[-1])
        if step.truncated:
            env.close()
            return bool(step.success), np.array(rows)


def sample(suite: str) -> Iterator[tuple[str, str, int]]:
    """Of each factor one episode: another task and another initial state each time."""
    for number, name in enumerate(FELT):
        tasks = [t for t in SUITES[suite].tasks.values() if applies(VARIATIONS[name], t)]
        if tasks:
            task = tasks[(3 * number) % len(tasks)]
            yield task.name, name, number % len(task.layouts)


@pytest.mark.parametrize("suite", PLAIN_SUITES)
def test_the_expert_solves_a_sample_of_every_suite_under_every_axis(suite: str) -> None:
    episodes = list(sample(suite))
    assert {name.split("/")[0] for _, name, _ in episodes} >= {"visual", "motion"}
    failed = [episode for episode in episodes if not solve(*episode)[0]]
    assert failed == []


@pytest.mark.parametrize("suite", PLAIN_SUITES)
def test_what_changes_images_or_words_alone_changes_nothing_for_a_blind_expert(suite: str) -> None:
    name = next(iter(SUITES[suite].tasks))
    _, twins = solve(name, "none", 1)
    for variation in ("visual/lighting/dark", "language/paraphrase/polite"):
        np.testing.assert_array_equal(solve(name, variation, 1)[1], twins)


def varied(task: Task, variation: str) -> Iterator[tuple[Task, dict[str, tuple[float, ...]]]]:
    """What each initial state asks for, and position and yaw of each loose object under it."""
    plan = Plan({task.name: task}, None, [0], "official")
    for index in range(len(task.layouts)):
        start = plan.start(EpisodeSpec("x", task.name, index, 0, variation))
        asked = asked_of(task)[index % max(1, len(task.turns))]
        poses = {n: start.layout[n] for n in loose(asked, start.layout)}
        yield asked, {n: (*pose.position, yaw_of(pose)) for n, pose in poses.items()}


@pytest.mark.parametrize("name", [n for n, task in TASKS.items() if task.reach.surfaces])
def test_unseen_positions_are_on_the_surfaces_that_the_robot_can_do_the_task_on(name: str) -> None:
    task, outside = TASKS[name], "motion/position/outside"
    if not applies(VARIATIONS[outside], task):
        pytest.skip(f"nothing in {name} can be moved to an unseen position")
    for asked, poses in varied(task, outside):
        for moved, (x, y, z, _) in poses.items():
            if moved not in task.reach.surfaces:
                continue
            surfaces = task.reach.surfaces[moved]
            if not surfaces:  # it stays
                assert region_of(asked, moved).contains(x, y, 1e-9)
                continue
            areas = [surface.area for surface in surfaces if math.isclose(z, surface.height)]
            assert any(a <= x <= b and c <= y <= d for a, b, c, d in areas)
            assert not region_of(asked, moved, z).contains(x, y, 0.0149)


@pytest.mark.parametrize("name", [n for n, task in TASKS.items() if task.reach.apart])
def test_the_object_to_be_moved_starts_apart_from_the_others(name: str) -> None:
    task = TASKS[name]
    plan = Plan({name: task}, None, [0], "official")
    for index in range(len(task.layouts)):
        spec = EpisodeSpec("x", name, index, 0, "motion/position/outside")
        start, source = plan.start(spec), source_of(task.asked(index))
        assert source is not None
        placed = {n: (start.layout[n], start.task.objects[n]) for n in start.layout}
        others = [each for n, each in placed.items() if n != source]
        assert min(gap(placed[source], other) for other in others) >= task.reach.apart


@pytest.mark.parametrize("name", [n for n, task in TASKS.items() if task.reach.turn < math.pi])
def test_unseen_yaws_are_as_near_to_an_official_one_as_the_robot_needs(name: str) -> None:
    task = TASKS[name]
    for asked, poses in varied(task, "motion/orientation/unseen"):
        for turned, (*_, yaw) in poses.items():
            official = [yaw_of(layout[turned]) for layout in asked.layouts]
            away = min(abs(math.remainder(yaw - each, 2 * math.pi)) for each in official)
            assert math.radians(14.9) < away <= task.reach.turn + 1e-9


def test_an_object_that_lies_does_not_look_the_same_after_a_quarter_turn() -> None:
    lying, standing = TASKS["flip_steel_pot_upright"], TASKS["put_cup_from_counter_into_sink"]
    assert region_of(lying, "pot").period == 2 * math.pi
    assert region_of(standing, "pink_cup").period == math.pi / 2


def test_sizes_that_the_hand_cannot_hold_are_left_out() -> None:
    small, large = VARIATIONS["physical/size/small"], VARIATIONS["physical/size/large"]
    for name in ("lift_aaa_battery", "lift_white_tape"):
        assert (applies(small, TASKS[name]), applies(large, TASKS[name])) == (False, True)
    for name in ("cover_object_with_towel", "cover_object_with_towel_ood"):
        assert (applies(small, TASKS[name]), applies(large, TASKS[name])) == (True, False)


@pytest.mark.parametrize("name", [n for n, task in TASKS.items() if task.reach.way])
def test_nothing_is_added_where_the_robot_works(name: str) -> None:
    task = TASKS[name]
    assert task.reach.way is not None
    x_low, x_high, y_low, y_high = task.reach.way
    with_more = replace(task, objects={**task.objects, **{d.kind: d for d in DISTRACTORS}})
    for seed, layout in itertools.product(range(3), task.layouts):
        added = add_missing(with_more, layout, random.Random(seed))
        for kind in DISTRACTORS:
            x, y, _ = added[kind.kind].position
            assert not (x_low < x < x_high and y_low < y < y_high)
