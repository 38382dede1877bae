"""The success tables as plain text, for a terminal."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator

from vla_bench.report.contents import Contents, Suite
from vla_bench.report.wording import (
    DAGGER,
    DOUBLE_DAGGER,
    PRIVILEGED,
    PUBLISHED,
    count,
    interval,
    is_complete,
    percent,
)

_WIDTH = 120


def render(contents: Contents) -> str:
    parts = [_suite(suite, contents) for suite in contents.suites()]
    if contents.privileged:
        parts.append(f"{DAGGER} {PRIVILEGED}")
    if len(contents.published):
        parts.append(f"{DOUBLE_DAGGER} {PUBLISHED}")
    return "\n".join([*parts, contents.summary])


def _suite(suite: Suite, contents: Contents) -> str:
    """One line per task and policy: a grid of many policies would not fit a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    grid = Table(title=suite.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    grid.add_column("task")
    grid.add_column("policy")
    grid.add_column("success", justify="right", no_wrap=True)
    grid.add_column("95 % interval", justify="right", no_wrap=True)
    grid.add_column("episodes")
    for line in _lines(suite, contents):
        grid.add_row(*line)
    stream = io.StringIO()
    Console(file=stream, width=_WIDTH, color_system=None, markup=False).print(grid, markup=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines()) + "\n"


def _lines(suite: Suite, contents: Contents) -> Iterator[tuple[str, str, str, str, str]]:
    """Task (at its first line alone), policy, rate, interval, episodes."""
    published = contents.published_columns(suite)
    for task in suite.tasks:
        for policy in suite.policies:
            cell = suite.cell(task, policy)
            name = f"{policy} {DAGGER}" if policy in contents.privileged else policy
            shown = task if policy == suite.policies[0] else ""
            if is_complete(cell):
                rate, _, bounds = interval(cell["rate"], cell["low"], cell["high"]).partition(" [")
                yield shown, name, rate, f"[{bounds}", count(cell)
            else:
                yield shown, name, "–", "", cell["status"]
        for column in published:
            if not math.isnan(share := column.rate(task)):
                name = f"{column.title} {DOUBLE_DAGGER}"
                yield "", name, f"{percent(share)} %", "published", column.n(task)
