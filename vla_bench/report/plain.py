"""The success tables as plain text, for a terminal."""

from __future__ import annotations

import io

from vla_bench.report.contents import Contents, Suite
from vla_bench.report.wording import DAGGER, PRIVILEGED, count, interval, is_complete

_WIDTH = 120


def render(contents: Contents) -> str:
    parts = [_suite(suite, contents.privileged) for suite in contents.suites()]
    if contents.privileged:
        parts.append(f"{DAGGER} {PRIVILEGED}")
    return "\n".join([*parts, contents.summary])


def _suite(suite: Suite, privileged: set[str]) -> str:
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
    for task in suite.tasks:
        for policy in suite.policies:
            cell = suite.cell(task, policy)
            mark = f" {DAGGER}" if policy in privileged else ""
            shown = task if policy == suite.policies[0] else ""
            if is_complete(cell):
                rate, _, bounds = interval(cell["rate"], cell["low"], cell["high"]).partition(" [")
                grid.add_row(shown, policy + mark, rate, f"[{bounds}", count(cell))
            else:
                grid.add_row(shown, policy + mark, "–", "", cell["status"])
    stream = io.StringIO()
    Console(file=stream, width=_WIDTH, color_system=None, markup=False).print(grid, markup=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines()) + "\n"
