"""Runs on disk -> one row per planned episode -> rates, funnels and times.

A rate is given only when every planned episode has finished; otherwise it is NaN and ``status``
says what is missing. Knows no policy and no simulator; how two policies are set against each
other is in `vla_bench.comparison`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any

import pandas as pd

from vla_bench import stats
from vla_bench.episode import EpisodeRecord, EpisodeSpec
from vla_bench.store import Run

SUITE_MEAN = "suite mean"
COMPLETE = "complete"
SUITE = ["env", "variation"]
"""What makes a suite: the tasks of one env under one variation. Suites are never averaged."""
_MISSING: dict[str, Any] = {
    "outcome": "missing",
    "success": None,
    "score": None,
    "events": {},
    "n_steps": 0,
    "n_inferences": 0,
    "policy_seconds": 0.0,
    "env_seconds": 0.0,
    "instruction": "",
    "first_image_sha256": "",
    "image_check": "",
    "fault": None,
    "error": None,
    "counts": {},
}


def episodes(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per planned episode, in the order of runs and plans.

    Columns: policy, privileged, env, the fields of `EpisodeSpec` and those of `EpisodeRecord`
    (without its actions), folder. ``outcome`` is also ``missing``; ``success`` is NA unless the
    episode finished; ``events`` maps a sub-goal to the control step that first reached it,
    ``counts`` what the policy counted to how often.
    """
    planned = [_row(run, spec, run.records.get(spec.id)) for run in runs for spec in run.plan]
    return pd.DataFrame(planned).astype({"success": "boolean", "score": "float64"})


def success_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Success rate and mean score with 95 % limits per env, variation, policy and task.

    Rates have Wilson limits. Each suite of several tasks ends in `SUITE_MEAN`: the unweighted
    mean over all tasks that any of the policies was to run (`stats.suite_mean`).
    """
    found = []
    for _, suite in groups(frame, SUITE):
        tasks = list(suite["task"].unique())
        for _, mine in groups(suite, "policy"):
            cells = {task: mine[mine["task"] == task] for task in tasks}
            head = mine.iloc[0][["env", "variation", "policy", "privileged"]].to_dict()
            found += [{**head, "task": task, **_cell([cells[task]])} for task in tasks]
            if len(tasks) > 1:
                found.append({**head, "task": SUITE_MEAN, **_cell(list(cells.values()))})
    return pd.DataFrame(found)


def funnel_table(frame: pd.DataFrame, runs: Sequence[Run]) -> pd.DataFrame:
    """Share of episodes that reached each sub-goal, in the order of the env's card, then success.

    An episode counts for a sub-goal only if that sub-goal itself was recorded: reaching a later
    one implies nothing, so shares may rise along the funnel. Shares are NaN while episodes are
    missing. Tasks whose card lists no sub-goals have no rows.
    """
    columns = ["env", "variation", "policy", "task", "stage", "n_reached", "n_planned", "share"]
    found = []
    for env, card in cards(runs).items():
        here = frame[frame["env"] == env]
        for (variation, policy, task), cell in groups(here, ["variation", "policy", "task"]):
            listed = card.get("tasks", {}).get(task, {}).get("events", [])
            counts = [(name, sum(name in e for e in cell["events"])) for name in listed]
            if listed:
                counts.append(("success", int((cell["outcome"] == "success").sum())))
            whole = len(cell) if cell["success"].notna().all() else math.nan
            found += [
                (env, variation, policy, task, name, n, len(cell), n / whole) for name, n in counts
            ]
    return pd.DataFrame(found, columns=columns)


def time_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds per control step spent in policy and env, over finished episodes."""
    finished = frame[frame["success"].notna()]
    counted = ["n_steps", "n_inferences", "policy_seconds", "env_seconds"]
    total = finished.groupby(["env", "policy"], sort=False)[counted].sum().reset_index()
    total["policy_ms_per_step"] = 1000 * total["policy_seconds"] / total["n_steps"]
    total["env_ms_per_step"] = 1000 * total["env_seconds"] / total["n_steps"]
    total["policy_ms_per_inference"] = 1000 * total["policy_seconds"] / total["n_inferences"]
    total["steps_per_inference"] = total["n_steps"] / total["n_inferences"]
    return total


def cards(runs: Sequence[Run]) -> dict[str, Mapping[str, Any]]:
    """Env name -> its protocol card, with all tasks, seeds and variations that its runs list."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        card = run.identity["env"].get("card", {})
        seen = found.setdefault(run.identity["env"]["name"], dict(card))
        seen["tasks"] = {**card.get("tasks", {}), **seen.get("tasks", {})}
        if "variations" in card:
            seen["variations"] = {**card["variations"], **seen.get("variations", {})}
        if "seeds" in card:
            seen["seeds"] = sorted({*card["seeds"], *seen.get("seeds", ())})
    return dict(found)


def groups(frame: pd.DataFrame, by: str | list[str]) -> Iterator[tuple[Any, pd.DataFrame]]:
    """(key, rows) in order of appearance; a missing key is a key."""
    yield from frame.groupby(by, sort=False, dropna=False)


def rows(frame: pd.DataFrame) -> list[Any]:
    """Named tuples with the frame's columns."""
    return list(frame.itertuples(index=False))


def unfinished(cell: pd.DataFrame) -> str:
    """``3 missing, 1 error``; empty when every planned episode has finished."""
    n_missing, n_errors = (int((cell["outcome"] == o).sum()) for o in ("missing", "error"))
    parts = [f"{n_missing} missing"] if n_missing else []
    if n_errors:
        parts.append(f"{n_errors} error" + "s" * (n_errors > 1))
    return ", ".join(parts)


def _cell(tasks: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """One rate: of a single task, or the unweighted mean over several."""
    together = pd.concat(list(tasks))
    n_not_run = sum(len(task) == 0 for task in tasks)
    lacking = unfinished(together)
    if n_not_run:
        not_run = f"{n_not_run} of {len(tasks)} tasks not run" if len(tasks) > 1 else "not run"
        lacking = ", ".join(filter(None, [not_run, lacking]))
    rate = score = stats.Interval(math.nan, math.nan, math.nan)
    if not lacking:
        rate = stats.suite_mean([(int(t["success"].sum()), len(t)) for t in tasks])
        score = stats.bootstrap_mean([t["score"] for t in tasks])
    return {
        "n_planned": len(together),
        "n_finished": int(together["success"].notna().sum()),
        "n_errors": int((together["outcome"] == "error").sum()),
        "n_missing": int((together["outcome"] == "missing").sum()),
        "n_successes": int((together["outcome"] == "success").sum()),
        **dict(zip(("rate", "low", "high"), astuple(rate))),
        **dict(zip(("score", "score_low", "score_high"), astuple(score))),
        "status": f"incomplete: {lacking}" if lacking else COMPLETE,
    }


def _row(run: Run, spec: EpisodeSpec, record: EpisodeRecord | None) -> dict[str, Any]:
    happened = _MISSING if record is None else {**record.to_dict(), "success": record.success}
    return {
        "policy": run.identity["policy"]["name"],
        "privileged": bool(run.identity["policy"].get("privileged", False)),
        "env": run.identity["env"]["name"],
        **asdict(spec),
        **{name: happened[name] for name in _MISSING},
        "folder": str(run.folder),
    }
