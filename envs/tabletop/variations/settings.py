"""What the card tells the report of a benchmark's settings: what is averaged, and what is apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations.registry import VARIATIONS, applies
from vla_bench.envs.tabletop.variations.variation import Role, Variation

TITLE = "SIMPLER settings"  # no other benchmark here averages over variants


def settings_card(groups: Mapping[str, Sequence[str]], tasks: Mapping[str, Task]) -> dict[str, Any]:
    """The card's ``settings``, as `vla_bench.settings` reads them; the same for any selection.

    `groups`: name of a row of the benchmark's table -> the `tasks` that it is the mean of.
    """
    axes = {v.axis: None for v in VARIATIONS.values() if v.role is not Role.DROP}
    found = {axis: _of_axis(axis, tasks) for axis in axes}
    return {
        "title": TITLE,
        "groups": {name: list(members) for name, members in groups.items()},
        "axes": {axis: names for axis, names in found.items() if names["averaged"]},
    }


def _of_axis(axis: str, tasks: Mapping[str, Task]) -> dict[str, dict[str, list[str]]]:
    """``averaged`` and ``apart``: task -> the variations of `axis` that it has."""
    mine = [variation for variation in VARIATIONS.values() if variation.axis == axis]
    return {
        name: _by_task([variation for variation in mine if variation.role is role], tasks)
        for name, role in (("averaged", Role.AVERAGED), ("apart", Role.APART))
    }


def _by_task(variations: Sequence[Variation], tasks: Mapping[str, Task]) -> dict[str, list[str]]:
    found = {
        name: [variation.name for variation in variations if applies(variation, task)]
        for name, task in tasks.items()
    }
    return {name: names for name, names in found.items() if names}
