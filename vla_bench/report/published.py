"""Published success rates set beside those of a run: shown, never computed with.

The CSV files of results/published are installed as `vla_bench.published`. Their tasks.csv says
which published row each of our tasks stands for; what the columns mean is in their README.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

from vla_bench import table
from vla_bench.errors import ConfigError, unknown_name
from vla_bench.generalization import NOMINAL
from vla_bench.table import SUITE_MEAN

COLUMNS = ["env", "task", "table", "policy", "rate", "n", "stderr", "metric"]
COLUMNS += ["benchmark", "published_group", "published_task", "source", "status", "note"]
_TASKS = "tasks"
_KEY = ["benchmark", "group", "published_task"]


@dataclass(frozen=True)
class Column:
    """One published policy beside one suite.

    Attributes:
        name: The policy's, after its table's where the report shows several tables.
        rows: Its rows of `beside`, one per task of the suite that has a published one.
    """

    name: str
    rows: pd.DataFrame

    @property
    def doubts(self) -> str:
        """What its rows are other than verified: ``third-party run``; empty if nothing."""
        return ", ".join(sorted({str(s) for s in self.rows["status"]} - {"verified"}))

    @property
    def title(self) -> str:
        return f"{self.name} ({self.doubts})" if self.doubts else self.name

    def rate(self, task: str) -> float:
        """As published, in [0, 1]; NaN where nothing is."""
        found = self.rows.loc[self.rows["task"] == task, "rate"]
        return math.nan if found.empty else float(found.iloc[0])

    def n(self, task: str) -> str:
        """``n = 10``, the number of published episodes; empty where it is not known."""
        found = self.rows.loc[self.rows["task"] == task, "n"]
        return "" if found.empty or math.isnan(found.iloc[0]) else f"n = {found.iloc[0]:.0f}"


def names() -> list[str]:
    """The tables of success rates that a report can be given."""
    return sorted(name for name in _stems() if name != _TASKS and "policy" in _read(name).columns)


def beside(tables: Sequence[str], success: pd.DataFrame) -> pd.DataFrame:
    """The rows of `tables` that stand for tasks of `success`, a `table.success_table`: `COLUMNS`.

    ``rate`` is in [0, 1]. A published mean is given only where it is over the same tasks as the
    suite's. Raises ConfigError for a name that is no table, and for a table that has nothing to
    say about any of the envs.
    """
    found = [pd.DataFrame(columns=COLUMNS)]
    nominal = success[success["variation"] == NOMINAL]
    for name in tables:
        if name not in names():
            raise unknown_name("published table", name, names())
        rows = [_of_env(name, env, here) for env, here in table.groups(nominal, "env")]
        if all(part.empty for part in rows):
            envs = sorted(success["env"].unique())
            fitting = [other for other in names() if any(_knows(other, env) for env in envs)]
            raise ConfigError(
                f"published={name} has no row for any task of {', '.join(envs)}. "
                f"Tables that have: {', '.join(fitting) or 'none'}."
            )
        found += rows
    return pd.concat([part for part in found if len(part)] or found)[COLUMNS]


def columns(rows: pd.DataFrame, env: str) -> list[Column]:
    """One per table and published policy that has rows for `env`: of `beside`."""
    here, several = rows[rows["env"] == env], rows["table"].nunique() > 1
    return [
        Column(f"{name}: {policy}" if several else policy, part)
        for (name, policy), part in table.groups(here, ["table", "policy"])
    ]


def _of_env(name: str, env: str, success: pd.DataFrame) -> pd.DataFrame:
    mapping = _mapping(env)
    planned, mapped = (set(frame["task"]) - {SUITE_MEAN} for frame in (success, mapping))
    rows = mapping.merge(_rates(name), on=_KEY)
    rows = rows[rows["task"].isin(planned | {SUITE_MEAN})]
    is_mean = rows["task"] == SUITE_MEAN
    n_tasks = rows["policy"].map(rows[~is_mean].groupby("policy").size()).fillna(0)
    rows = rows[~is_mean | ((n_tasks == len(mapped)) & (planned == mapped))]
    return rows.assign(env=env, table=name).rename(columns={"group": "published_group"})


def _knows(name: str, env: str) -> bool:
    return not _mapping(env).merge(_rates(name), on=_KEY).empty


def _mapping(env: str) -> pd.DataFrame:
    """The rows of tasks.csv for `env`, whatever its version."""
    tasks = _read(_TASKS)
    return tasks[tasks["env"] == env.rpartition("-v")[0]]


def _rates(name: str) -> pd.DataFrame:
    """The final success rates of a table; its other metrics (partial success) are left out."""
    rows = _read(name).rename(columns={"task": "published_task"})
    rows = rows[rows["metric"].str.startswith("success")]
    n = pd.to_numeric(rows["n"])
    scale = rows["unit"].map({"fraction": 1.0, "percent": 0.01}).fillna(1 / n)
    return rows.assign(rate=rows["value"].astype(float) * scale, n=n)


@cache
def _read(name: str) -> pd.DataFrame:
    with (files("vla_bench.published") / f"{name}.csv").open("rb") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def _stems() -> list[str]:
    found = (entry.name for entry in files("vla_bench.published").iterdir())
    return [name.removesuffix(".csv") for name in found if name.endswith(".csv")]
