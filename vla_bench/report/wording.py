"""How numbers are written, the same in every form of the report."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from vla_bench.store import Run
from vla_bench.table import COMPLETE, SUITE_MEAN

DAGGER = "†"
PRIVILEGED = "This policy is shown the simulator's state; no robot could run it."
INTERVALS = (
    "Success rates in percent with 95 % Wilson intervals, and successes out of episodes. The suite "
    "mean weighs every task equally; its interval is about these tasks, not about others."
)
FUNNEL_RULE = (
    "Share of all planned episodes that reached each sub-goal at any time. An episode counts for a "
    "sub-goal only if that sub-goal itself was recorded; reaching a later one implies nothing."
)
COMPARISONS = (
    "Mean over tasks of first minus second, in percentage points, on the same episodes "
    "(equal initial states, verified by the hash of the first image), with Newcombe's paired 95 % "
    "interval. p: exact McNemar test, adjusted by Holm's method over all pairs of this report. "
    "Solved alone: "
    "episodes that only the first, only the second policy solved. Interval and test "
    "answer slightly different questions and may disagree at the margin."
)
DROPS = (
    "Success rate of in-distribution episodes minus that of their varied twins (same task, initial "
    "state and seed), mean over tasks, in percentage points: what is lost. Intervals: Newcombe's "
    "paired 95 % for a level; a factor and an axis are means over what is below them, and their "
    "limits are the means of the limits, since the same episodes stand behind each level."
)
SETTINGS = (
    "Mean over a setting's variants of the success rate under each, in percent, with 95 % "
    "intervals; every variant and every task weighs the same. What stands apart is run but not "
    "averaged. An interval takes an initial state under all its variants for one observation: "
    "outcomes of one state go together, so that more variants do not make a mean as much surer "
    "as more states would."
)
TIMES = (
    "Mean wall time per control step, over finished episodes. A batch's time is divided among its "
    "episodes; times of different machines do not compare."
)
DOUBLE_DAGGER = "‡"
NOT_A_SCORE = "published, other robot or other benchmark: not comparable as a score"
PUBLISHED = (
    "Published for another robot or another benchmark, set beside by task: not comparable as a "
    "score. As printed, means too; it enters no interval, comparison or figure of this report."
)


def counted(run: Run) -> str:
    """``substituted_tokens 12 in 3 of 96 episodes``; empty where the policy counted nothing."""
    records = run.records.values()
    parts = []
    for name in sorted({name for record in records for name in record.counts}):
        counts = [record.counts[name] for record in records if record.counts.get(name)]
        parts.append(f"{name} {sum(counts)} in {len(counts)} of {len(records)} episodes")
    return ", ".join(parts)


def suite_title(env: str, variation: str) -> str:
    return env if variation == "none" else f"{env}, {variation}"


def percent(value: float) -> str:
    """``58.3``; an en dash where there is no number."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def points(value: float) -> str:
    """Signed percentage points, ``+4.2`` or ``−4.2`` with a proper minus."""
    return "–" if math.isnan(value) else f"{100 * value:+.1f}".replace("-", "−")


def limits(low: float, high: float) -> str:
    return f"[{percent(low)}, {percent(high)}]"


def signed_limits(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"[{points(low)}, {points(high)}]"


def variation_name(where: tuple[str, str, str]) -> str:
    """The name of an axis, a factor or a level below what it is part of."""
    return next(part for part in reversed(where) if part)


def drop(row: Any) -> str:
    """``+12.5 [+3.1, +21.0]``, or why there is none: a row of `generalization.drop_table`."""
    if row is None:
        return "not run"
    if row.status != COMPLETE:
        return str(row.status)
    return f"{points(row.drop)} {signed_limits(row.low, row.high)}"


def setting(row: Any) -> str:
    """``85.7 % [80.1, 89.9] (n = 300)``, or why not: a row of `settings.settings_table`."""
    if row is None:
        return "not run"
    if row.status != COMPLETE:
        return str(row.status)
    return f"{interval(row.rate, row.low, row.high)} (n = {row.n})"


def setting_line(line: Any) -> str:
    """What a line of a setting's table is about: a `contents.Line`."""
    if line.apart:
        return f"{line.group}, apart: {line.apart.partition('/')[2]}"
    return str(line.task or line.group)


def discordant(row: Any) -> str:
    """``7 / 2``: episodes that only the first, only the second policy solved."""
    return "–" if math.isnan(row.p) else f"{row.only_first:.0f} / {row.only_second:.0f}"


def method(row: Any) -> str:
    """``96 pairs``, or why there is no pairing: a row of `comparison.comparison_table`."""
    amount = {"paired": plural(row.n, "pair"), "unpaired": f"unpaired, n = {row.n}"}.get(row.method)
    return "; ".join(part for part in (amount, row.status) if part and part != COMPLETE)


def policy_share(row: Any) -> float:
    """Of the time of a step, the part spent in the policy: a row of `table.time_table`."""
    spent = row.policy_seconds + row.env_seconds
    return float(row.policy_seconds / spent) if spent else math.nan


def published_sources(rows: pd.DataFrame) -> list[str]:
    """Per source of published rows, where they are from and what they count."""
    kinds = rows[["table", "source", "metric", "status"]].drop_duplicates()
    return [f"{k.table}: {k.source}; {k.metric}; {k.status}." for k in kinds.itertuples()]


def interval(estimate: float, low: float, high: float) -> str:
    """``58.3 % [38.8, 75.5]``."""
    return f"{percent(estimate)} % {limits(low, high)}"


def count(cell: pd.Series) -> str:
    """``14/24``, or the number of episodes where successes are not simply added."""
    if cell["task"] == SUITE_MEAN:
        return f"n = {cell['n_planned']}"
    return f"{cell['n_successes']}/{cell['n_planned']}"


def is_complete(cell: Any) -> bool:
    """Whether a row of `table.success_table` or `settings.settings_table` has a rate."""
    return bool(cell.status == COMPLETE)


def score(cell: pd.Series) -> str:
    """``0.62 [0.50, 0.73]``; without limits where the bootstrap has none."""
    if math.isnan(cell["score"]):
        return "–"
    low, high = cell["score_low"], cell["score_high"]
    known = "" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]"
    return f"{cell['score']:.2f}{known}"


def p_value(p: float) -> str:
    """Three decimals; ``< 0.001`` below, en dash where nothing was tested."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def plural(n: int, noun: str) -> str:
    """``1 policy``, ``2 policies``."""
    if n == 1:
        return f"1 {noun}"
    return f"{n} {noun[:-1]}ies" if noun.endswith("y") else f"{n} {noun}s"


def detectable(row: Any) -> str:
    """What a suite's number of episodes can show: a row of `comparison.detectable_table`."""
    half, most = _points_or_none(row.from_50), _points_or_none(row.from_90)
    return (
        f"{suite_title(row.env, row.variation)}: with {row.n} episodes per policy, an unpaired "
        f"comparison at the 5 % level finds, with 80 % power, a difference of {half} from a rate "
        f"of 50 % and of {most} from 90 %; smaller ones cannot be told from noise. Pairing lowers "
        "this as far as outcomes are correlated."
    )


def _points_or_none(difference: float) -> str:
    return "none at all" if math.isnan(difference) else f"{100 * difference:.0f} points"
