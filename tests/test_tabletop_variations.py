"""Variations of tabletop tasks: each changes what it says and nothing else; random layouts."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vla_bench.envs.tabletop.objects.builder import Solid
from vla_bench.envs.tabletop.objects.specimen import Specimen, stretched
from vla_bench.envs.tabletop.plan import Plan
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.envs.tabletop.tasks.registry import TASKS
from vla_bench.envs.tabletop.tasks.task import Task, Then
from vla_bench.envs.tabletop.variations import check, registry
from vla_bench.envs.tabletop.variations.clearance import discs, yaw_of
from vla_bench.envs.tabletop.variations.region import loose, region_of
from vla_bench.envs.tabletop.variations.semantic import HELD_OUT, asking_for
from vla_bench.envs.tabletop.variations.variation import NOMINAL, Aspect, Variation
from vla_bench.envs.tabletop.variations.visual import DISTRACTORS, OTHER_COLORS
from vla_bench.envs.tabletop.world import STILL
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import ConfigError, EnvError
from vla_bench.protocols import FloatArray
from vla_bench.testing import check_env

CAMERA = "3rd_view_camera"
EVERY_TASK = {name: task for suite in SUITES.values() for name, task in suite.tasks.items()}
VARIED = [variation for variation in registry.VARIATIONS.values() if variation is not NOMINAL]


def make_env(**changes: Any) -> TabletopEnv:
    arguments: dict[str, Any] = {
        "tasks": list(TASKS),
        "n_episodes": 1,
        "seeds": [0],
        "image_size": [96, 96],
        "look": "fast",
        "layouts": "official",
        "variation": "none",
    }
    return TabletopEnv(**{**arguments, **changes})


def plan(task: str, variation: str = "none", layouts: str = "official") -> Plan:
    made = Plan({task: EVERY_TASK[task]}, 24 if task in TASKS else 1, [0], layouts)
    made.vary(variation)
    return made


def spec_of(task: str, variation: str, index: int = 0, seed: int = 0) -> EpisodeSpec:
    return EpisodeSpec("x", task, index, seed, variation)


def solve(env: TabletopEnv, spec: EpisodeSpec) -> tuple[bool, list[FloatArray]]:
    """Whether the expert succeeds, and what it did."""
    env.reset(spec)
    actions = []
    while True:
        actions.append(env.observe([], privileged=True).privileged["expert_action"])
        step = env.step(actions[-1])
        if step.truncated:
            return step.success, actions


def applicable() -> Iterator[tuple[Variation, Task]]:
    """Every variation of everything that any task of any suite asks for."""
    for task in EVERY_TASK.values():
        for variation in VARIED:
            if registry.applies(variation, task):
                for asked in registry.asked_of(task):
                    varied = variation.task(asked)
                    assert varied is not None
                    yield variation, varied


def test_what_each_axis_changes() -> None:
    findings = check.verify(make_env(tasks=["carrot_on_plate"], variation="all", n_episodes=2))
    assert len(findings) > 35
    by_name = {finding.episode.variation: finding.changed for finding in findings}
    assert by_name["visual/lighting/dark"] == {Aspect.IMAGE}
    assert by_name["language/paraphrase/verb"] == {Aspect.INSTRUCTION}
    assert by_name["physical/mass/heavy"] >= {Aspect.PHYSICS}
    assert by_name["motion/position/outside"] == {Aspect.STATE, Aspect.IMAGE}


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("pick_horizontal_coke_can", "coke_can"),
        ("pick_vertical_coke_can", "coke_can"),
        ("spoon_on_towel", "spoon"),
        ("carrot_on_plate", "carrot"),
    ],
)
def test_an_outline_lies_along_the_object_that_lies(task: str, name: str) -> None:
    env = TabletopEnv([task], 1, [0], (32, 32), "fast", "official", "none")
    (spec,) = env.episodes()
    env.reset(spec)
    asked = EVERY_TASK[task]
    _, rotation = env.world.frame(name)
    longest = rotation[:2, int(np.argmax(asked.objects[name].extents))]
    outline = discs(env._plan.start(spec).layout[name], asked.objects[name])
    along = np.subtract(outline[-1][:2], outline[0][:2])
    assert abs(longest @ along) > 0.99 * np.linalg.norm(along) > 0.0


def test_words_that_never_reach_the_policy_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = replace(
        registry.VARIATIONS["language/paraphrase/verb"],
        instruction=lambda task, _: task.instruction,
    )
    monkeypatch.setitem(registry.VARIATIONS, lost.name, lost)
    with pytest.raises(EnvError, match=r"paraphrase.verb, held against none: does not change the "):
        check.verify(make_env(tasks=["stack_cube"], variation=lost.name))


def test_a_variation_that_also_moves_something_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moving = replace(
        registry.VARIATIONS["visual/lighting/dark"],
        layout=registry.VARIATIONS["motion/position/outside"].layout,
    )
    monkeypatch.setitem(registry.VARIATIONS, moving.name, moving)
    with pytest.raises(EnvError, match="also changes where objects and robot start"):
        check.verify(make_env(tasks=["stack_cube"], variation=moving.name))


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_solves_every_kind_of_state_that_variations_make(task: str) -> None:
    names = [
        "motion/position/outside",
        "motion/orientation/unseen",
        "visual/distractors/many",
        "physical/size/large",
        "physical/shape/flat",
        "physical/friction/slippery",
        "semantic/object/toy_car",
        "language/other_object/named",
    ]
    env = make_env(tasks=[task])
    failed = [name for name in names if not solve(env, spec_of(task, name, index=5))[0]]
    assert failed == []


def test_who_does_not_listen_fails_one_of_two_episodes_with_equal_first_images() -> None:
    env = make_env(tasks=["carrot_on_plate"])
    named, unnamed = (
        spec_of("carrot_on_plate", f"language/other_object/{level}", index=2)
        for level in ("named", "unnamed")
    )
    images = []
    for spec in (named, unnamed):
        env.reset(spec)
        seen = env.observe([CAMERA], privileged=False)
        images.append(seen.images[CAMERA])
        assert seen.instruction == f"put {'cucumber' if spec is named else 'carrot'} on plate"
    np.testing.assert_array_equal(images[0], images[1])
    succeeded, deaf = solve(env, unnamed)
    env.reset(named)
    assert (succeeded, [env.step(action) for action in deaf][-1].success) == (True, False)
    assert solve(env, named)[0]


def test_no_episode_that_asks_for_the_other_object_is_solved_at_its_start() -> None:
    grapes = "take_purple_grapes_out_of_pot"
    for name in ("language/other_object/named", "language/other_object/unnamed"):
        tasks = [t for t in EVERY_TASK.values() if registry.applies(registry.VARIATIONS[name], t)]
        assert len(tasks) > 7
        assert EVERY_TASK[grapes] not in tasks
        for task in tasks:
            if task.name.endswith("visual_matching"):
                continue
            env = make_env(tasks=[task.name], image_size=[32, 32])
            env.reset(spec_of(task.name, name))
            nothing = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
            assert not env.step(nothing).success, (task.name, name)


def test_a_held_out_object_is_named_without_the_adjective_of_the_one_it_replaces() -> None:
    held = HELD_OUT[0]
    said = {asked.instruction for task in EVERY_TASK.values() if (asked := asking_for(held, task))}
    assert {"lift cucumber", "put cucumber on pink plate", "take cucumber out of pot"} <= said
    assert not [text for text in said if re.search(r"(yellow|purple|white|red|aaa) cucumber", text)]


def test_a_plain_towel_is_not_called_checked() -> None:
    described = registry.VARIATIONS["language/attribute/target"]
    assert registry.applies(described, TASKS["spoon_on_towel"])
    assert not registry.applies(described, EVERY_TASK["cover_object_with_towel"])


def test_a_target_is_not_painted_in_the_colour_that_it_has() -> None:
    bowl = EVERY_TASK["put_carrot_in_bowl"]
    assert registry.applies(registry.VARIATIONS["semantic/target/red"], bowl)
    assert not registry.applies(registry.VARIATIONS["semantic/target/blue"], bowl)


def test_nothing_is_called_by_its_side_of_what_it_starts_in() -> None:
    side = registry.VARIATIONS["language/relation/side"]
    assert not registry.applies(side, EVERY_TASK["take_purple_grapes_out_of_pot"])
    assert registry.applies(side, EVERY_TASK["put_carrot_on_plate"])


def test_random_layouts_keep_an_object_on_the_support_it_is_drawn_for() -> None:
    name = "put_cup_from_counter_into_sink"
    made, official = plan(name, layouts="random"), EVERY_TASK[name].layouts
    (cup,) = loose(EVERY_TASK[name], official[0])
    for index in range(30):
        x, y, z = made.start(spec_of(name, "none", index)).layout[cup].position
        there = [pose.position for layout in official if (pose := layout[cup]).position[2] == z]
        xs, ys, _ = zip(*there, strict=True)
        assert min(xs) <= x <= max(xs)
        assert min(ys) <= y <= max(ys)


def test_random_layouts_of_a_drawer_are_official_ones_as_its_card_says() -> None:
    name = "open_top_drawer"
    made, task = plan(name, layouts="random"), EVERY_TASK[name]
    assert not any(loose(task, layout) for layout in task.layouts)
    assert all(made.start(spec_of(name, "none", i)).layout in task.layouts for i in range(30))
    card = make_env(tasks=[name], n_episodes=30, layouts="random").card
    assert "where nothing lies loose" in card["layouts"]


def test_a_varied_episode_is_a_function_of_its_spec() -> None:
    push = [np.array([0.02, 0.01, -0.04, 0.0, 0.0, 0.1, 0.0])]
    for variation in ("motion", "visual/distractors", "language/other_object"):
        check_env(make_env(tasks=["spoon_on_towel"], variation=variation), push, n_episodes=2)


def test_all_plans_every_varied_episode_and_its_twin_once() -> None:
    plan_ = make_env(variation="all", n_episodes=2, seeds=[0, 3]).episodes()
    keys = [(s.task, s.index, s.seed, s.variation) for s in plan_]
    assert len(set(keys)) == len(keys) == len({s.id for s in plan_})
    twins = {key[:3] for key in keys if key[3] == "none"}
    assert {key[:3] for key in keys} == twins
    assert all(re.fullmatch(r"[a-z0-9_.-]+", s.id) for s in plan_)
    assert plan_[0].id == "spoon_on_towel-00-s0"
    assert "stack_cube-01-s3-motion.position.outside" in {s.id for s in plan_}


@pytest.mark.parametrize(
    ("text", "n_names"),
    [("none", 1), ("visual", 17), ("visual/lighting", 3), ("visual/lighting/dark", 1)],
)
def test_a_factor_means_all_its_levels_and_an_axis_all_its_factors(text: str, n_names: int) -> None:
    names = {spec.variation for spec in make_env(variation=text).episodes()}
    assert len(names) == n_names
    assert all(f"{name}/".startswith(f"{text}/") for name in names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "visual/lightning",
            "Unknown variation 'visual/lightning'. Did you mean 'visual/lighting'",
        ),
        ("visaul", "Unknown variation 'visaul'. Did you mean 'visual'?"),
        ("", "Unknown variation ''. Valid: all, "),
    ],
)
def test_a_misspelt_variation_is_answered_with_the_nearest_one(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_env(variation=text)


def test_what_cannot_be_varied_in_a_task_is_left_out_or_refused() -> None:
    other = "visual/object_color/other"  # the blocks are told apart by their colours
    tasks = {spec.task for spec in make_env(variation=other).episodes()}
    assert tasks == {"spoon_on_towel", "carrot_on_plate", "eggplant_in_basket"}
    with pytest.raises(ConfigError, match="has nothing to vary in stack_cube"):
        make_env(tasks=["stack_cube"], variation=other)
    with pytest.raises(ConfigError, match="has nothing to vary in stack_cube"):
        make_env().reset(spec_of("stack_cube", other))


def test_models_are_kept_where_only_words_or_places_change() -> None:
    env = make_env(tasks=["stack_cube"])
    env.reset(spec_of("stack_cube", "none"))
    nominal = env.world
    for name in ("motion/position/outside", "language/paraphrase/polite", "language/relation/side"):
        env.reset(spec_of("stack_cube", name))
        assert env.world is nominal
    env.reset(spec_of("stack_cube", "physical/mass/heavy"))
    assert env.world is not nominal


def test_unseen_positions_are_outside_and_unseen_yaws_away_from_the_official_ones() -> None:
    for task, index in itertools.product(TASKS, range(0, 24, 5)):
        far = plan(task).start(spec_of(task, "motion/position/outside", index))
        turned = plan(task).start(spec_of(task, "motion/orientation/unseen", index))
        movable = [name for name, kind in TASKS[task].objects.items() if not kind.fixed]
        for name in movable:
            region = region_of(TASKS[task], name)
            x, y, _ = far.layout[name].position
            assert not region.contains(x, y, 0.0149)
            yaws = [yaw_of(layout[name]) for layout in TASKS[task].layouts]
            away = [yaw_of(turned.layout[name]) - yaw for yaw in yaws]
            nearest = min(abs(math.remainder(a, region.period)) for a in away)
            assert nearest > math.radians(14.9)
            assert turned.layout[name].position == TASKS[task].layouts[index][name].position


def test_no_instruction_can_mean_a_distractor_or_a_held_out_object() -> None:
    added = {kind.kind.replace("_", " ") for kind in (*DISTRACTORS, *(h.kind for h in HELD_OUT))}
    for task in EVERY_TASK.values():
        for asked in (task, *task.turns):
            assert not any(re.search(rf"\b{name}\b", asked.instruction) for name in added)


def test_objects_that_an_instruction_calls_by_colour_keep_that_colour() -> None:
    colors = r"\b(red|blue|green|yellow|pink|purple|white|orange|brown|black)\b"
    for variation, varied in applicable():
        if variation.name == "visual/object_color/other":
            dyed = [n for n, kind in varied.objects.items() if kind.specimen.color is not None]
            assert dyed
            assert not any(re.search(colors, n.replace("_", " ")) for n in dyed)
            assert {varied.objects[n].kind for n in dyed} <= OTHER_COLORS.keys()


def test_every_varied_instruction_is_a_sentence_of_its_own() -> None:
    rng = random.Random(0)
    nominal = {asked.instruction for task in EVERY_TASK.values() for asked in (task, *task.turns)}
    for variation, varied in applicable():
        if variation.axis in ("language", "semantic") and varied.layouts:
            layout = variation.layout(varied, varied.layouts[0], rng)
            said = variation.instruction(varied, layout)
            assert re.fullmatch(r"[a-z0-9'-]+( [a-z0-9'-]+)+\??", said), said
            assert (said in nominal) is (Aspect.INSTRUCTION not in variation.changes)


@pytest.mark.parametrize(("index", "where"), [(0, "to the left of"), (6, "to the right of")])
def test_places_are_told_as_the_robot_sees_them(index: int, where: str) -> None:
    """Official state 0 has the carrot at y = -0.075: the robot looks along -x, so on its left."""
    told = plan("carrot_on_plate").start(
        spec_of("carrot_on_plate", "language/relation/side", index)
    )
    assert told.task.instruction == f"put the object {where} the plate on plate"


def test_a_second_instruction_is_varied_as_the_first() -> None:
    staged = replace(TASKS["stack_cube"], then=Then("put the spoon on the towel", after=3))
    start = Plan({"stack_cube": staged}, 1, [0], "official").start(
        spec_of("stack_cube", "language/paraphrase/polite")
    )
    assert start.task.told(0) == "could you please stack the green block on the yellow block?"
    assert start.task.told(4) == "could you please put the spoon on the towel?"


@pytest.mark.parametrize("layouts", ["random", "wide"])
def test_random_layouts_are_inside_the_region_apart_and_at_rest(layouts: str) -> None:
    env = make_env(tasks=["stack_cube", "carrot_on_plate"], n_episodes=6, layouts=layouts)
    for spec in env.episodes():
        env.reset(spec)
        world = env.world
        assert np.abs(world.data.qvel).max() < STILL[1]
        layout = plan(spec.task, layouts=layouts).start(spec).layout
        movable = [name for name, kind in world.objects.items() if not kind.fixed]
        margin = 1e-9 + (TASKS[spec.task].reach.wide if layouts == "wide" else 0.0)
        for name in movable:
            x, y, _ = layout[name].position
            assert region_of(TASKS[spec.task], name).contains(x, y, margin)
            np.testing.assert_allclose(world.frame(name)[0][:2], (x, y), atol=0.012)
        bodies = {world.model.body(name).id for name in movable}
        touching = [
            set(world.model.geom_bodyid[contact.geom].tolist())
            for contact in world.data.contact[: world.data.ncon]
        ]
        assert not any(pair <= bodies for pair in touching)


@pytest.mark.parametrize("name", ["spoon_on_towel", "stack_cube"])
def test_wide_layouts_surround_the_official_ones(name: str) -> None:
    made, task = plan(name, layouts="wide"), TASKS[name]
    drawn = [made.start(spec_of(name, "none", index, 0)).layout for index in range(200)]
    for moved in loose(task, task.layouts[0]):
        x_low, x_high, y_low, y_high = region_of(task, moved).area
        xs, ys = zip(*(layout[moved].position[:2] for layout in drawn))
        assert min(xs) < x_low < x_high < max(xs)
        assert min(ys) < y_low < y_high < max(ys)


def test_random_layouts_follow_from_index_and_seed_and_are_shared_with_twins() -> None:
    made = plan("carrot_on_plate", layouts="random")
    drawn = [
        made.start(spec_of("carrot_on_plate", variation, index, seed)).layout
        for variation, index, seed in [
            ("none", 0, 0),
            ("none", 0, 0),
            ("visual/table/stone", 0, 0),
            ("none", 1, 0),
            ("none", 0, 1),
            ("none", 1000, 0),
        ]
    ]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len({repr(layout) for layout in drawn}) == 4


def test_random_layouts_are_as_many_as_asked_for() -> None:
    env = make_env(tasks=["stack_cube"], n_episodes=300, layouts="random")
    assert len(env.episodes()) == 300
    assert "region" in env.card["layouts"]
    with pytest.raises(ConfigError, match="random layouts need to know how many"):
        make_env(n_episodes=None, layouts="random")
    with pytest.raises(ConfigError, match=r"Unknown layouts 'randm'\. Did you mean 'random'"):
        make_env(layouts="randm")
    easy = "put_eggplant_into_pot_easy"
    with pytest.raises(ConfigError, match=f"layouts=random is not possible for {easy}"):
        make_env(tasks=[easy], layouts="random")
    with pytest.raises(ConfigError, match="layouts=wide is not possible for eggplant_in_basket:"):
        make_env(layouts="wide")


def test_the_card_tells_what_each_planned_variation_is() -> None:
    card = make_env(variation="visual/lighting").card
    assert card["variations"] == {
        "visual/lighting/dark": "all light at 50 %",
        "visual/lighting/bright": "all light at 150 %",
        "visual/lighting/side": "the main light shines flat from the side",
    }


def test_a_stretched_shape_has_the_stretched_size() -> None:
    factors = (2.0, 1.0, 0.5)
    along_x = (math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0)
    capsule = stretched(Solid("capsule", (0.1, 0.4), (1.0, 1.0, 1.0), along_x), factors)
    np.testing.assert_allclose(capsule.size, (0.1 * math.sqrt(0.5), 0.8))
    np.testing.assert_allclose(capsule.position, (2.0, 1.0, 0.5))
    ball = stretched(Solid("sphere", (0.1,)), factors)
    assert ball.kind == "ellipsoid"
    np.testing.assert_allclose(ball.size, (0.2, 0.1, 0.05))
    assert stretched(Solid("sphere", (0.1,)), (2.0, 2.0, 2.0)).kind == "sphere"


def test_a_heavier_specimen_weighs_more_and_is_else_the_same() -> None:
    env = make_env(tasks=["carrot_on_plate"])
    found = {}
    for name in ("none", "physical/mass/heavy", "physical/size/large"):
        env.reset(spec_of("carrot_on_plate", name))
        found[name] = env.world.physics("carrot")
    np.testing.assert_allclose(found["physical/mass/heavy"][0], 4 * found["none"][0])
    np.testing.assert_array_equal(found["physical/mass/heavy"][1:], found["none"][1:])
    np.testing.assert_allclose(found["physical/size/large"][0], found["none"][0])
    assert Specimen() == TASKS["carrot_on_plate"].objects["carrot"].specimen
