"""SIMPLER's settings of the Google Robot's tasks: which variants there are, what each changes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from test_tabletop_google import make_env, solve

from vla_bench.envs.tabletop.scenes.counter import COUNTER_HEIGHT
from vla_bench.envs.tabletop.suites import GOOGLE_GROUPS
from vla_bench.envs.tabletop.tasks.google.catalog import GOOGLE_TASKS
from vla_bench.envs.tabletop.variations import check, registry
from vla_bench.envs.tabletop.variations.variant_aggregation import TILTS
from vla_bench.envs.tabletop.variations.variation import Aspect, Role
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import EnvError

AXES = ("visual_matching", "variant_aggregation")
SEEN = (  # one task of each scene and kind: the others share all that variants change
    "pick_horizontal_coke_can",
    "move_near",
    "open_top_drawer",
    "close_middle_drawer",
    "place_apple_in_closed_top_drawer",
)


def counts(variation: str) -> dict[str, int]:
    """Planned episodes by row of SIMPLER's table."""
    row_of = {task: row for row, tasks in GOOGLE_GROUPS.items() for task in tasks}
    planned = make_env(variation=variation).episodes()
    return dict(Counter(row_of[spec.task] for spec in planned))


def test_the_rows_of_simplers_table_hold_every_task_once() -> None:
    assert [task for tasks in GOOGLE_GROUPS.values() for task in tasks] == list(GOOGLE_TASKS)


def test_visual_matching_plans_simplers_numbers_of_episodes() -> None:
    """simpler.md §2.11."""
    assert counts("visual_matching") == {
        "pick coke can": 300,
        "move near": 240,
        "open drawer": 108,
        "close drawer": 108,
        "place apple": 108,
    }


def test_a_tilted_head_is_described_by_how_far_it_is_tilted() -> None:
    texts = [registry.VARIATIONS[f"variant_aggregation/camera/{level}"].text for level in TILTS]
    assert texts == [
        "the head tilted 8.6 degrees further down",
        "the head tilted 6.9 degrees further up",
    ]


def test_variant_aggregation_plans_simplers_numbers_of_episodes_and_cameras_beside_them() -> None:
    """simpler.md §2.11."""
    camera = counts("variant_aggregation/camera")
    everything = counts("variant_aggregation")
    averaged = {row: n - camera.get(row, 0) for row, n in everything.items()}
    assert averaged == {
        "pick coke can": 675,
        "move near": 480,
        "open drawer": 189,
        "close drawer": 189,
        "place apple": 189,
    }
    assert camera == {"pick coke can": 150, "move near": 120}


@pytest.mark.parametrize("axis", AXES)
def test_every_variant_changes_what_it_says_and_nothing_else(axis: str) -> None:
    findings = check.verify(make_env(variation=axis, n_episodes=1, tasks=list(SEEN)))
    planned = {spec.variation for spec in make_env(variation=axis).episodes()}
    assert {finding.episode.variation for finding in findings} == planned
    assert {finding.episode.task for finding in findings} == set(SEEN)


def test_the_default_arm_is_that_of_the_twin_to_the_last_bit() -> None:
    env = make_env(variation="visual_matching/arm_color/default", n_episodes=1)
    assert {finding.changed for finding in check.verify(env)} == {frozenset()}


def test_an_arm_that_is_not_recolored_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "visual_matching/arm_color/cabinet_1"
    plain = replace(registry.VARIATIONS[name], task=lambda task: task)
    monkeypatch.setitem(registry.VARIATIONS, name, plain)
    env = make_env(variation=name, n_episodes=1, tasks=["open_top_drawer"])
    with pytest.raises(EnvError, match=re.escape(f"none: does not change {Aspect.IMAGE.value}")):
        check.verify(env)


@pytest.mark.parametrize("axis", AXES)
def test_settings_are_no_axes_of_generalization(axis: str) -> None:
    mine = [v for v in registry.VARIATIONS.values() if v.axis == axis]
    assert all(v.role is not Role.DROP for v in mine)
    planned = {spec.variation for spec in make_env(variation="all").episodes()}
    assert not planned & {v.name for v in mine}
    assert "visual/lighting/dark" in planned


def test_the_card_says_what_is_averaged_whatever_is_planned() -> None:
    card = make_env(tasks=["move_near"], variation="visual_matching/arm_color/default").card
    assert card["settings"] == make_env().card["settings"]
    axes = card["settings"]["axes"]
    averaged = axes["visual_matching"]["averaged"]
    assert {task: len(names) for task, names in averaged.items()} == dict.fromkeys(GOOGLE_TASKS, 4)
    assert axes["visual_matching"]["apart"] == {}
    assert axes["variant_aggregation"]["apart"]["move_near"] == [
        "variant_aggregation/camera/down",
        "variant_aggregation/camera/up",
    ]
    assert "open_top_drawer" not in axes["variant_aggregation"]["apart"]


def bases(task: str) -> list[tuple[float, float]]:
    """Where the robot stands, looking straight ahead, per initial state of the cabinet's base."""
    env = make_env(tasks=[task], variation="variant_aggregation/base/apartment")
    found = []
    for spec in env.episodes():
        env.reset(spec)
        x, y, *_ = env.world.base_pose()
        turned = env.world.turned_to_base(np.eye(3))  # the robot looks along world -x
        np.testing.assert_allclose(turned, np.diag([-1.0, -1.0, 1.0]), atol=1e-12)
        found.append((round(float(x), 9), round(float(y), 9)))
    return found


def test_variants_of_a_drawer_have_the_robot_on_a_grid_of_their_own() -> None:
    """simpler.md §2.9; state by state near where visual matching has it."""
    assert bases("close_top_drawer") == [(x, y) for y in (-0.2, 0, 0.2) for x in (0.65, 0.75, 0.85)]
    assert bases("place_apple_in_closed_top_drawer") == [
        (0.65, y) for y in (-0.2, 0, 0.2) for _ in range(9)
    ]


def test_apples_of_variants_lie_where_those_of_visual_matching_do() -> None:
    env = make_env(tasks=["place_apple_in_closed_top_drawer"], variation="variant_aggregation")
    spec = next(s for s in env.episodes() if s.index == 13)
    env.reset(spec)
    there = env.world.frame("apple")[0]
    env.reset(replace(spec, variation="none"))
    np.testing.assert_allclose(env.world.frame("apple")[0], there, atol=1e-9)


@pytest.mark.parametrize(("level", "n"), [("less", 4), ("more", 6)])
@pytest.mark.parametrize("index", [0, 12, 24])
def test_distractors_lie_apart_as_the_can_does_and_at_rest(level: str, n: int, index: int) -> None:
    task = "pick_vertical_coke_can"
    env = make_env(tasks=[task])
    env.reset(EpisodeSpec("x", task, index, 0, f"variant_aggregation/distractors/{level}"))
    world = env.world
    assert len(world.objects) == 1 + n
    can, _ = world.frame("coke_can")
    for name in world.objects.keys() - {"coke_can"}:
        address = world.model.joint(f"{name}_free").dofadr[0]
        assert np.abs(world.data.qvel[address : address + 3]).max() < 1e-3
        place, rotation = world.frame(name)
        assert np.linalg.norm((place - can)[:2]) > 0.14
        assert place[2] > COUNTER_HEIGHT
        if name.endswith("_can"):
            assert abs(rotation[2, 1]) < 0.1  # its axis, which is y, is level
        touched = {other for other in world.objects if world.touches(name, other)}
        assert touched <= {name}


def test_moving_near_without_distractor_leaves_the_two_that_are_named() -> None:
    env = make_env(tasks=["move_near"])
    for index in (0, 13, 38):
        env.reset(EpisodeSpec("x", "move_near", index, 0, "variant_aggregation/distractors/none"))
        words = env.observe([], privileged=False).instruction
        named = {name for name in env.world.objects if name.replace("_", " ") in words}
        assert set(env.world.objects) == named
        assert len(named) == 2


@pytest.mark.parametrize(("level", "down"), [("down", 0.15), ("up", -0.12)])
def test_the_head_is_tilted_as_far_as_simplers(level: str, down: float) -> None:
    env = make_env(tasks=["move_near"])
    pitches = []
    for variation in ("none", f"variant_aggregation/camera/{level}"):
        env.reset(EpisodeSpec("x", "move_near", 0, 0, variation))
        camera = env.world.model.camera("overhead_camera").id
        pitches.append(np.arcsin(env.world.data.cam_xmat[camera].reshape(3, 3)[2, 2]))
    assert pitches[1] - pitches[0] == pytest.approx(down, abs=1e-6)


@pytest.mark.parametrize(
    ("task", "index", "level"),
    [
        ("pick_vertical_coke_can", 12, "distractors/more"),
        ("move_near", 31, "distractors/none"),
        ("open_bottom_drawer", 2, "base/apartment"),
        ("close_middle_drawer", 6, "base/apartment"),
        ("place_apple_in_closed_top_drawer", 22, "base/apartment"),
    ],
)
def test_the_expert_solves_what_variants_change_about_a_start(
    task: str, index: int, level: str
) -> None:
    """Measured: all episodes under these levels; the other levels change nothing but looks."""
    spec = EpisodeSpec("x", task, index, 0, f"variant_aggregation/{level}")
    assert solve(make_env(tasks=[task]), spec)[0].success
