"""How much success is lost where episodes differ from their in-distribution twins.

An episode's twin has the same policy, env, task, index and seed, and no variation. What a variation
changes is on purpose, so images are not compared here as `comparison` does; that a variation
changes what it says, and nothing else, is for the env to show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import pandas as pd

from vla_bench import stats
from vla_bench.table import COMPLETE, groups, unfinished

NOMINAL = "none"
EPISODE = ["task", "index", "seed"]
"""What an episode and its twin have in common, within one policy and env."""

_NUMBERS = ("nominal", "varied", "drop", "low", "high")
_NAMES = ("env", "policy", "privileged", "axis", "factor", "level")
_COLUMNS = (*_NAMES, "n", "n_tasks", "only_nominal", "only_varied", *_NUMBERS, "status")


def drop_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Success rate of the twins minus that of the varied episodes, per axis, factor and level.

    A level's drop is `stats.paired_difference` over its pairs. A factor's is the mean over its
    levels, an axis's the mean over its factors, and so are their limits: the same twins stand in
    every level, so errors may go together, and this is the widest that they can make the mean's. An
    axis has empty ``factor`` and ``level``, a factor an empty ``level``. ``n`` counts pairs.
    """
    found: list[dict[str, Any]] = []
    for (env, policy), mine in groups(frame, ["env", "policy"]):
        nominal = mine[mine["variation"] == NOMINAL]
        head = {"env": env, "policy": policy, "privileged": bool(mine.iloc[0]["privileged"])}
        levels = []
        for name, varied in groups(mine[mine["variation"] != NOMINAL], "variation"):
            axis, factor, level = [*str(name).split("/"), "", ""][:3]
            where = {"axis": axis, "factor": factor, "level": level}
            levels.append({**head, **where, **_drop(nominal, varied)})
        found += _with_means(levels)
    table = pd.DataFrame(found, columns=list(_COLUMNS))
    return table.astype(dict.fromkeys(_NUMBERS, "float64"))


def _drop(nominal: pd.DataFrame, varied: pd.DataFrame) -> dict[str, Any]:
    """One level: every varied episode against its twin."""
    pairs = varied.merge(
        nominal, on=EPISODE, how="left", suffixes=("", "_of_twin"), validate="one_to_one"
    )
    n_alone = int(pairs["outcome_of_twin"].isna().sum())
    lacking = f"{n_alone} of {len(pairs)} without a twin" if n_alone else _lacking(pairs)
    counts = {"n": len(pairs), "n_tasks": pairs["task"].nunique()}
    if lacking:
        return {**counts, "status": f"incomplete: {lacking}"}
    tasks = [
        stats.PairedCounts.of(task["success_of_twin"], task["success"])
        for _, task in groups(pairs, "task")
    ]
    gap = stats.paired_difference(tasks)
    return {
        **counts,
        "only_nominal": sum(task.only_first for task in tasks),
        "only_varied": sum(task.only_second for task in tasks),
        "nominal": sum((task.both + task.only_first) / task.n for task in tasks) / len(tasks),
        "varied": sum((task.both + task.only_second) / task.n for task in tasks) / len(tasks),
        **dict(zip(("drop", "low", "high"), astuple(gap))),
        "status": COMPLETE,
    }


def _lacking(pairs: pd.DataFrame) -> str:
    """What of the varied episodes, or else of their twins, has not finished."""
    twins = pd.DataFrame({"outcome": pairs["outcome_of_twin"]})
    of_twins = unfinished(twins)
    return unfinished(pairs) or (f"of the twins {of_twins}" if of_twins else "")


def _with_means(levels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Axis by axis: its mean, then each factor's mean before its levels."""
    found: list[dict[str, Any]] = []
    for axis in dict.fromkeys(row["axis"] for row in levels):
        factors = []
        below: list[dict[str, Any]] = []
        mine = [row for row in levels if row["axis"] == axis]
        for factor in dict.fromkeys(row["factor"] for row in mine):
            rows = [row for row in mine if row["factor"] == factor]
            factors.append({**_mean(rows), "level": ""})
            below += [factors[-1], *rows]
        found += [{**_mean(factors), "factor": "", "level": ""}, *below]
    return found


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The unweighted mean of `rows`, complete if all of them are."""
    lacking = next((row["status"] for row in rows if row["status"] != COMPLETE), None)
    total = {name: sum(row[name] for row in rows) for name in ("n",)}
    mean = {
        name: math.nan if lacking else sum(row[name] for row in rows) / len(rows)
        for name in _NUMBERS
    }
    for name in ("only_nominal", "only_varied"):
        mean[name] = math.nan if lacking else sum(row[name] for row in rows)
    n_tasks = max(row["n_tasks"] for row in rows)
    return {**rows[0], **total, **mean, "n_tasks": n_tasks, "status": lacking or COMPLETE}
