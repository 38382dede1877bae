"""Rates in a benchmark's own settings: means over variants that an env's card declares.

A setting is an axis of variations whose rates are averaged instead of being held against twins. The
card's ``settings`` says which, so that no benchmark is known here::

    {"title": ...,                                  # heading of the table
     "groups": {row: [task, ...]},                  # a row is the mean over its tasks
     "axes": {axis: {"averaged": {task: [variation, ...]},
                     "apart": {task: [variation, ...]}}}}  # run, but not averaged
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import pandas as pd

from vla_bench import stats
from vla_bench.table import COMPLETE, groups, unfinished

Card = Mapping[str, Any]
Named = Mapping[str, Sequence[str]]
"""Task -> its variations."""

_NAMES = ("env", "policy", "privileged", "setting", "group", "task", "apart")
_COLUMNS = (*_NAMES, "n_variants", "n_states", "n", "rate", "low", "high", "status")


def settings_table(frame: pd.DataFrame, cards: Mapping[str, Card]) -> pd.DataFrame:
    """Mean success rate per env, policy, setting and group of tasks, with 95 % limits.

    A group's row has no ``task``; if it has several tasks, a row for each follows, then one for
    each variant that stands ``apart``. ``n_states`` counts initial states (times seeds) of all
    tasks, ``n`` episodes. The interval is `stats.mean_over_variants`; there is none until every
    variant has finished on the same initial states.
    """
    found: list[dict[str, Any]] = []
    for (env, policy), mine in groups(frame, ["env", "policy"]):
        head = {"env": env, "policy": policy, "privileged": bool(mine.iloc[0]["privileged"])}
        declared = cards[env].get("settings", {"axes": {}})
        for axis, parts in declared["axes"].items():
            here = mine[_axis_of(mine) == axis]
            for group, tasks in declared["groups"].items():
                rows = here[here["task"].isin(tasks)]
                if len(rows):
                    found += [
                        {**head, "setting": axis, "group": group, **row}
                        for row in _rows(rows, parts, tasks)
                    ]
    table = pd.DataFrame(found, columns=list(_COLUMNS))
    return table.astype(dict.fromkeys(("rate", "low", "high"), "float64"))


def without_settings(frame: pd.DataFrame, cards: Mapping[str, Card]) -> pd.DataFrame:
    """The episodes whose variation is no variant of a setting."""
    settings = {
        (env, axis)
        for env, card in cards.items()
        for axis in card.get("settings", {"axes": ()})["axes"]
    }
    keep = [key not in settings for key in zip(frame["env"], _axis_of(frame))]
    return frame[keep]


def _axis_of(frame: pd.DataFrame) -> pd.Series[str]:
    return frame["variation"].str.partition("/")[0]


def _rows(
    rows: pd.DataFrame, parts: Mapping[str, Named], tasks: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Of one group: its mean, that of each of its tasks, and what stands apart."""
    averaged = {task: parts["averaged"][task] for task in tasks if task in parts["averaged"]}
    yield {"task": "", "apart": "", **_mean(rows, averaged)}
    if len(averaged) > 1:
        for task, names in averaged.items():
            yield {"task": task, "apart": "", **_mean(rows, {task: names})}
    apart = {task: parts["apart"][task] for task in tasks if task in parts["apart"]}
    for name in dict.fromkeys(name for names in apart.values() for name in names):
        alone = {task: [name] for task, names in apart.items() if name in names}
        if (rows["variation"] == name).any():
            yield {"task": "", "apart": name, **_mean(rows, alone)}


def _mean(rows: pd.DataFrame, wanted: Named) -> dict[str, Any]:
    """One rate, over all `wanted` variants of all its tasks."""
    cells = {
        task: rows[(rows["task"] == task) & rows["variation"].isin(names)]
        for task, names in wanted.items()
    }
    together = pd.concat(list(cells.values()))
    outcomes = {
        task: cell.pivot(index=["index", "seed"], columns="variation", values="success")
        for task, cell in cells.items()
    }
    lacking = _lacking(together, wanted, outcomes)
    rate = stats.Interval(math.nan, math.nan, math.nan)
    if not lacking:
        rate = stats.mean_over_variants([each.astype(float) for each in outcomes.values()])
    return {
        "n_variants": together["variation"].nunique(),
        "n_states": sum(len(each) for each in outcomes.values()),
        "n": len(together),
        **dict(zip(("rate", "low", "high"), astuple(rate))),
        "status": f"incomplete: {lacking}" if lacking else COMPLETE,
    }


def _lacking(rows: pd.DataFrame, wanted: Named, outcomes: Mapping[str, pd.DataFrame]) -> str:
    """What has not been run or has not finished; empty if nothing."""
    absent = [task for task in wanted if outcomes[task].empty]
    if absent:
        return f"{len(absent)} of {len(wanted)} tasks not run" if len(wanted) > 1 else "not run"
    every = {name for names in wanted.values() for name in names}
    missing = {n for task, names in wanted.items() for n in names if n not in outcomes[task]}
    if missing:
        return f"{len(missing)} of {len(every)} variants not run"
    planned = [outcomes[task].shape[0] * len(names) for task, names in wanted.items()]
    if sum(planned) != len(rows):
        return "initial states differ between variants"
    return unfinished(rows)
