"""What every form of the report says, before anyone says how it looks."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vla_bench import table
from vla_bench.comparison import comparison_table, detectable_table
from vla_bench.generalization import NOMINAL, drop_table
from vla_bench.merging import load
from vla_bench.report.published import Column, beside, columns
from vla_bench.report.wording import interval, plural, suite_title
from vla_bench.settings import settings_table, without_settings
from vla_bench.store import Run


@dataclass(frozen=True)
class Suite:
    """One env under one variation: what a single success table shows.

    Attributes:
        success: Its rows of `table.success_table`.
    """

    env: str
    variation: str
    success: pd.DataFrame

    @property
    def title(self) -> str:
        return suite_title(self.env, self.variation)

    @property
    def policies(self) -> list[str]:
        return list(self.success["policy"].unique())

    @property
    def tasks(self) -> list[str]:
        """In the order of the plan; `table.SUITE_MEAN` last where there are several."""
        return list(self.success["task"].unique())

    @property
    def headline(self) -> pd.DataFrame:
        """One row per policy: its suite mean, or its only task."""
        return self.success[self.success["task"] == self.tasks[-1]]

    def cell(self, task: str, policy: str) -> pd.Series:
        """The row of `success` for one task and policy."""
        rows = self.success
        return rows[(rows["task"] == task) & (rows["policy"] == policy)].iloc[0]


@dataclass(frozen=True)
class Drops:
    """One env's rows of `generalization.drop_table`: a policy per column, a variation per line."""

    env: str
    table: pd.DataFrame

    @property
    def policies(self) -> list[str]:
        return list(self.table["policy"].unique())

    def lines(self) -> Iterator[tuple[tuple[str, str, str], list[Any]]]:
        """(axis, factor, level), and per policy the row, or None where it was not run."""
        for where, rows in table.groups(self.table, ["axis", "factor", "level"]):
            of = {row.policy: row for row in table.rows(rows)}
            yield where, [of.get(policy) for policy in self.policies]


@dataclass(frozen=True)
class Settings:
    """One env's rows of `settings.settings_table`; `title` is what its card calls them."""

    env: str
    title: str
    table: pd.DataFrame

    @property
    def policies(self) -> list[str]:
        return list(self.table["policy"].unique())

    def blocks(self) -> Iterator[tuple[str, list[tuple[Line, list[Any]]]]]:
        """Setting by setting: its lines, and per policy the row, or None where it was not run."""
        for setting, rows in table.groups(self.table, "setting"):
            yield setting, list(self._lines(rows))

    def _lines(self, rows: pd.DataFrame) -> Iterator[tuple[Line, list[Any]]]:
        for where, same in table.groups(rows, ["group", "task", "apart"]):
            of = {row.policy: row for row in table.rows(same)}
            yield Line(*where), [of.get(policy) for policy in self.policies]


@dataclass(frozen=True)
class Line:
    """A row of a setting's table: a group of tasks, a task in it, or a variant that is apart."""

    group: str
    task: str
    apart: str


@dataclass(frozen=True)
class Contents:
    """The frames of `table`, `comparison` and the other modules for one set of runs."""

    runs: tuple[Run, ...]
    episodes: pd.DataFrame
    success: pd.DataFrame
    comparisons: pd.DataFrame
    detectable: pd.DataFrame
    settings: pd.DataFrame
    drops: pd.DataFrame
    funnel: pd.DataFrame
    times: pd.DataFrame
    published: pd.DataFrame

    @classmethod
    def of(cls, folders: Sequence[Path], tables: Sequence[str] = ()) -> Contents:
        """`tables`: published ones to set beside the runs.

        Raises StoreError when the runs cannot stand in one table, ConfigError for `tables`.
        """
        runs = load(folders)
        episodes, cards = table.episodes(runs), table.cards(runs)
        success = table.success_table(episodes)
        return cls(
            runs,
            episodes,
            success=success,
            comparisons=comparison_table(episodes),
            detectable=detectable_table(episodes),
            settings=settings_table(episodes, cards),
            drops=drop_table(without_settings(episodes, cards)),
            funnel=table.funnel_table(episodes, runs),
            times=table.time_table(episodes),
            published=beside(tables, success),
        )

    def frames(self) -> dict[str, pd.DataFrame]:
        """Name -> frame as it goes into a CSV file."""
        flat = self.episodes.copy()
        for name in ("events", "counts"):
            flat[name] = [json.dumps(each, sort_keys=True) for each in flat[name]]
        shown = {"published": self.published} if len(self.published) else {}
        return {
            "episodes": flat,
            "success": self.success,
            "comparisons": self.comparisons,
            "settings": self.settings,
            "drops": self.drops,
            "funnel": self.funnel,
            "times": self.times,
            **shown,
        }

    def published_columns(self, suite: Suite) -> list[Column]:
        """What stands beside `suite`: nothing where it is varied."""
        return columns(self.published, suite.env) if suite.variation == NOMINAL else []

    def suites(self) -> Iterator[Suite]:
        for (env, variation), rows in table.groups(self.success, table.SUITE):
            yield Suite(env, variation, rows)

    def is_folded(self, suite: Suite) -> bool:
        """Whether a page hides `suite` at first: its drop is shown, and there may be dozens."""
        return suite.variation != NOMINAL and len(self.envs) < len(list(self.suites()))

    def steps(self, suite: Suite) -> pd.DataFrame:
        """The funnel's rows for `suite`; empty where its card lists no sub-goals."""
        rows = self.funnel
        return rows[(rows["env"] == suite.env) & (rows["variation"] == suite.variation)]

    def funnel_rows(self, suite: Suite) -> Iterator[tuple[str, str, list[float]]]:
        """Task, sub-goal, and its share for each of ``suite.policies``, NaN where not run."""
        for (task, stage), rows in table.groups(self.steps(suite), ["task", "stage"]):
            shares = dict(zip(rows["policy"], rows["share"]))
            yield task, stage, [shares.get(policy, math.nan) for policy in suite.policies]

    def comparisons_by_suite(self) -> Iterator[tuple[str, list[Any]]]:
        for (env, variation), rows in table.groups(self.comparisons, table.SUITE):
            yield suite_title(env, variation), table.rows(rows)

    def settings_by_env(self) -> Iterator[Settings]:
        cards = table.cards(self.runs)
        for env, rows in table.groups(self.settings, "env"):
            yield Settings(env, cards[env]["settings"]["title"], rows)

    def drops_by_env(self) -> Iterator[Drops]:
        for env, rows in table.groups(self.drops, "env"):
            yield Drops(env, rows)

    def times_by_env(self) -> Iterator[tuple[str, list[Any]]]:
        for env, rows in table.groups(self.times, "env"):
            yield env, table.rows(rows)

    @property
    def policies(self) -> list[str]:
        return list(self.episodes["policy"].unique())

    @property
    def envs(self) -> list[str]:
        return list(self.episodes["env"].unique())

    @property
    def privileged(self) -> set[str]:
        """Names of the policies that were shown the simulator's state."""
        return set(self.episodes.loc[self.episodes["privileged"], "policy"])

    @property
    def title(self) -> str:
        return f"{plural(len(self.policies), 'policy')} on {', '.join(self.envs)}"

    @property
    def summary(self) -> str:
        """One sentence: how much was run, what came out on top, what of it is distinguishable."""
        n = len(self.episodes)
        finished = int(self.episodes["success"].notna().sum())
        lacking = table.unfinished(self.episodes)
        amount = f"{finished} of {plural(n, 'planned episode')} finished"
        parts = [f"{amount} ({lacking})" if lacking else amount]
        suites = list(self.suites())
        if len(suites) == 1:
            parts += self._highest(suites[0])
        tested = self.comparisons[self.comparisons["p_holm"].notna()]
        if len(tested):
            apart = int((tested["p_holm"] < 0.05).sum())
            pairs = plural(len(tested), "paired comparison")
            parts.append(f"{apart} of {pairs} significant at the 5 % level after Holm's correction")
        return "; ".join(parts) + "."

    def _highest(self, suite: Suite) -> list[str]:
        """The best measured rate among the policies that a robot could run, if any is complete."""
        rated = suite.headline[suite.headline["rate"].notna()]
        fair = rated[~rated["privileged"]]
        if fair.empty:
            return []
        best = fair.iloc[int(fair["rate"].argmax())]
        text = f"{best['policy']}, {interval(best['rate'], best['low'], best['high'])}"
        if suite.headline["privileged"].eq(False).sum() == 1:
            return [f"success rate: {text}"]
        among = " without privileged information" if self.privileged else ""
        return [f"highest success rate{among}: {text}"]
