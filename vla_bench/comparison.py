"""Is one policy better than another? Pairs of policies over the same episodes.

Two episodes form a pair when env, variation, task, index and seed agree *and* both policies were
shown the same first image. Otherwise nothing is paired and the table says so.
"""

from __future__ import annotations

import itertools
from dataclasses import astuple
from typing import Any

import pandas as pd

from vla_bench import stats
from vla_bench.table import COMPLETE, SUITE, groups, unfinished

EPISODE = [*SUITE, "task", "index", "seed"]
"""What two policies must share for their episodes to be the same."""

_NUMBERS = ("only_first", "only_second", "difference", "low", "high", "p", "p_holm")
_COLUMNS = (*SUITE, "first", "second", "method", "n", *_NUMBERS, "status")


def comparison_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Every pair of policies in every suite: suite mean of `first` minus that of `second`.

    ``paired``: `stats.paired_difference`, and McNemar's exact p over all
    episodes, Holm-adjusted over every p in the table. ``unpaired``: `stats.difference` of the
    suite means, no p. ``none``: NaN, and ``status`` says why. ``n`` counts episodes per policy.
    """
    rows = []
    for _, suite in groups(frame, SUITE):
        by_policy = [mine for _, mine in groups(suite, "policy")]
        rows += [_compare(a, b) for a, b in itertools.combinations(by_policy, 2)]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(dict.fromkeys(_NUMBERS, "float64"))
    tested = table["p"].notna()
    table.loc[tested, "p_holm"] = stats.holm(table.loc[tested, "p"])
    return table


def detectable_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Per suite: the difference that its smallest number of episodes per policy can detect.

    From a rate of 50 % and of 90 %, unpaired (`stats.detectable_difference`).
    """
    rows = []
    for suite, group in groups(frame, SUITE):
        n = int(group.groupby("policy").size().min())
        near = [stats.detectable_difference(n, rate) for rate in (0.5, 0.9)]
        rows.append((*suite, n, *near))
    return pd.DataFrame(rows, columns=[*SUITE, "n", "from_50", "from_90"])


def _compare(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    names = {"first": first.iloc[0]["policy"], "second": second.iloc[0]["policy"]}
    suite = {column: first.iloc[0][column] for column in SUITE}
    head = {**suite, **names}
    pairs = first.merge(second, on=EPISODE, suffixes=("", "_of_second"), validate="one_to_one")
    lacking = unfinished(first) or unfinished(second)
    if len(pairs):
        lacking = unfinished(_either(pairs))
    if lacking:
        return {**head, **_none(f"incomplete: {lacking}")}
    if pairs.empty:
        return {**head, **_unpaired(first, second, "no common episodes")}
    shown, shown_to_second = pairs["first_image_sha256"], pairs["first_image_sha256_of_second"]
    n_differ = int(((shown != shown_to_second) | (shown == "")).sum())
    if n_differ:
        reason = f"initial states differ in {n_differ} of {len(pairs)} episodes"
        return {**head, **_unpaired(first, second, reason)}
    return {**head, **_paired(pairs, len(first), len(second))}


def _either(pairs: pd.DataFrame) -> pd.DataFrame:
    """The worse outcome of each pair: an episode that either policy lacks is lacking."""
    mine, other = pairs["outcome"], pairs["outcome_of_second"]
    return pd.DataFrame({"outcome": mine.where(mine.isin(["missing", "error"]), other)})


def _paired(pairs: pd.DataFrame, n_first: int, n_second: int) -> dict[str, Any]:
    gap = stats.paired_difference([_counts(task) for _, task in groups(pairs, "task")])
    pooled = _counts(pairs)
    whole = n_first == n_second == len(pairs)
    return {
        "method": "paired",
        "n": len(pairs),
        "only_first": pooled.only_first,
        "only_second": pooled.only_second,
        **_limits(gap),
        "p": stats.mcnemar(pooled),
        "status": COMPLETE if whole else f"on {len(pairs)} common of {n_first} and {n_second}",
    }


def _counts(pairs: pd.DataFrame) -> stats.PairedCounts:
    return stats.PairedCounts.of(pairs["success"], pairs["success_of_second"])


def _unpaired(first: pd.DataFrame, second: pd.DataFrame, reason: str) -> dict[str, Any]:
    lacking = unfinished(first) or unfinished(second)
    if lacking or set(first["task"]) != set(second["task"]):
        return _none(f"{reason}; {lacking or 'different tasks'}")
    gap = stats.difference(_suite_mean(first), _suite_mean(second))
    return {
        "method": "unpaired",
        "n": min(len(first), len(second)),
        **_limits(gap),
        "status": reason,
    }


def _suite_mean(mine: pd.DataFrame) -> stats.Interval:
    tasks = [task["success"] for _, task in groups(mine, "task")]
    return stats.suite_mean([(int(task.sum()), len(task)) for task in tasks])


def _none(status: str) -> dict[str, Any]:
    return {"method": "none", "n": 0, "status": status}


def _limits(gap: stats.Interval) -> dict[str, float]:
    return dict(zip(("difference", "low", "high"), astuple(gap)))
