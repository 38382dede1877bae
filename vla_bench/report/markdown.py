"""The report in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from vla_bench.report import wording
from vla_bench.report.contents import Contents, Suite
from vla_bench.report.wording import (
    DAGGER,
    DOUBLE_DAGGER,
    count,
    interval,
    is_complete,
    p_value,
    percent,
    points,
)
from vla_bench.table import SUITE_MEAN
from vla_bench.table import rows as rows_of


def render(contents: Contents, figures: Sequence[str]) -> str:
    """`figures`: file names of the figures, relative to the document."""
    sections = [
        f"# {contents.title}\n\n{contents.summary}",
        "## Success\n\n" + wording.INTERVALS,
        *(_success(suite, contents) for suite in contents.suites()),
    ]
    if contents.privileged:
        sections.append(f"{DAGGER} {wording.PRIVILEGED}")
    if len(contents.published):
        sections.append(_published(contents))
    sections += [f"![{name.removesuffix('.svg')}]({name})" for name in figures]
    if not contents.settings.empty:
        sections.append(_settings(contents))
    if not contents.drops.empty:
        sections.append(_drops(contents))
    sections += [_comparisons(contents), _funnel(contents), _times(contents), _runs(contents)]
    return "\n\n".join(sections) + "\n"


def _success(suite: Suite, contents: Contents) -> str:
    privileged, published = contents.privileged, contents.published_columns(suite)
    names = [f"{_code(p)}{' ' + DAGGER if p in privileged else ''}" for p in suite.policies]
    names += [f"*published {DOUBLE_DAGGER}: {column.title}*" for column in published]
    rows = [
        [
            _task(task),
            *(_cell(suite.cell(task, policy)) for policy in suite.policies),
            *(percent(column.rate(task)) for column in published),
        ]
        for task in suite.tasks
    ]
    return f"### {suite.title}\n\n" + _table(["task", *names], rows)


def _published(contents: Contents) -> str:
    sources = "\n".join(f"- {line}" for line in wording.published_sources(contents.published))
    return f"{DOUBLE_DAGGER} {wording.PUBLISHED}\n\n{sources}"


def _cell(cell: pd.Series) -> str:
    if not is_complete(cell):
        return f"{cell['status']}"
    return f"{interval(cell['rate'], cell['low'], cell['high'])} ({count(cell)})"


def _comparisons(contents: Contents) -> str:
    rows = [
        [
            wording.suite_title(row.env, row.variation),
            *(_code(row.first), _code(row.second), points(row.difference)),
            wording.signed_limits(row.low, row.high),
            *(wording.discordant(row), p_value(row.p), p_value(row.p_holm), wording.method(row)),
        ]
        for row in rows_of(contents.comparisons)
    ]
    header = ["suite", "first", "second", "difference", "95 % interval"]
    header += ["solved alone", "p", "p (Holm)", "episodes"]
    shown = _table(header, rows) if rows else "Only one policy: nothing to compare."
    notes = "\n".join(f"- {wording.detectable(row)}" for row in rows_of(contents.detectable))
    return f"## Comparisons\n\n{wording.COMPARISONS}\n\n{shown}\n\n{notes}"


def _settings(contents: Contents) -> str:
    parts = ["## Settings", wording.SETTINGS]
    for settings in contents.settings_by_env():
        header = ["setting", *map(_code, settings.policies)]
        rows = []
        for setting, lines in settings.blocks():
            rows.append([f"**{setting}**", *[""] * len(settings.policies)])
            for line, cells in lines:
                name = "&emsp;" * (2 if line.task else 1) + wording.setting_line(line)
                rows.append([name, *map(wording.setting, cells)])
        parts.append(f"### {settings.title}, {settings.env}\n\n" + _table(header, rows))
    return "\n\n".join(parts)


def _drops(contents: Contents) -> str:
    parts = ["## Generalization", wording.DROPS]
    for drops in contents.drops_by_env():
        rows = [
            [_indented(where), *(wording.drop(row) for row in cells)]
            for where, cells in drops.lines()
        ]
        header = ["drop, points", *map(_code, drops.policies)]
        parts.append(f"### {drops.env}\n\n" + _table(header, rows))
    return "\n\n".join(parts)


def _indented(where: tuple[str, str, str]) -> str:
    name = wording.variation_name(where)
    depth = sum(map(bool, where)) - 1
    return f"**{name}**" if depth == 0 else "&emsp;" * depth + name


def _funnel(contents: Contents) -> str:
    parts = ["## Where episodes fail", wording.FUNNEL_RULE]
    for suite in contents.suites():
        rows = [
            [_code(task), _code(stage), *map(percent, shares)]
            for task, stage, shares in contents.funnel_rows(suite)
        ]
        if rows:
            header = ["task", "sub-goal, %", *map(_code, suite.policies)]
            parts.append(f"### {suite.title}\n\n" + _table(header, rows))
    if contents.funnel.empty:
        parts.append("No env lists sub-goals on its card.")
    return "\n\n".join(parts)


def _times(contents: Contents) -> str:
    rows = [
        [
            *(_code(x) for x in (row.env, row.policy)),
            *(f"{x:.1f}" for x in (row.policy_ms_per_step, row.env_ms_per_step)),
            f"{row.policy_ms_per_inference:.1f}",
        ]
        for row in rows_of(contents.times)
    ]
    header = ["env", "policy", "policy, ms/step", "env, ms/step", "policy, ms/inference"]
    shown = _table(header, rows) if rows else "No episode has finished."
    return f"## Time\n\n{wording.TIMES}\n\n{shown}"


def _runs(contents: Contents) -> str:
    lines = []
    for run in contents.runs:
        checked = run.identity.get("image_check", "unknown")
        counted = wording.counted(run)
        lines.append(
            f"- {_code(run.identity['policy']['name'])} on {_code(run.identity['env']['name'])}: "
            + "; ".join(
                f"commit {session.get('commit') or 'unknown'}"
                f"{' with **uncommitted changes**' if session.get('dirty') else ''}, "
                f"image check {checked}, command {_code(str(session.get('command', 'unknown')))}"
                for session in run.sessions or ({},)
            )
            + (f"; the policy counted: {counted}" if counted else "")
        )
    return "## Runs\n\n" + "\n".join(lines)


def _task(task: str) -> str:
    return f"**{task}**" if task == SUITE_MEAN else _code(task)


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
