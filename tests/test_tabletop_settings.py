"""SIMPLER's settings of the Google Robot's tasks: which variants there are, what each changes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from test_tabletop_google import make_env

from vla_bench.envs.tabletop.suites import GOOGLE_GROUPS
from vla_bench.envs.tabletop.tasks.google.catalog import GOOGLE_TASKS
from vla_bench.envs.tabletop.variations import check, registry
from vla_bench.envs.tabletop.variations.variation import Aspect, Role
from vla_bench.errors import EnvError

AXES = ("visual_matching",)


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


@pytest.mark.parametrize("axis", AXES)
def test_every_variant_changes_what_it_says_and_nothing_else(axis: str) -> None:
    findings = check.verify(make_env(variation=axis, n_episodes=1))
    planned = {spec.variation for spec in make_env(variation=axis).episodes()}
    assert {finding.episode.variation for finding in findings} == planned
    assert {finding.episode.task for finding in findings} == set(GOOGLE_TASKS)


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
    averaged = card["settings"]["axes"]["visual_matching"]["averaged"]
    assert {task: len(names) for task, names in averaged.items()} == dict.fromkeys(GOOGLE_TASKS, 4)
