"""Figures as SVG text: success bars with intervals, and how far episodes get.

One unit of a figure is one CSS pixel, so that a page shows 12 px labels as 12 px. Nothing is told
by colour alone: bars carry their policy's name, lines their own marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from vla_bench.report import canvas, drops
from vla_bench.report.canvas import CHARACTER, INK, MUTED, RULE, color_of, marker_of, shortened
from vla_bench.report.contents import Contents, Suite
from vla_bench.report.wording import is_complete, percent
from vla_bench.table import SUITE_MEAN, groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, NARROW = 950, 340  # px: a page's column, a phone
_MOST_BARS = 120  # more do not fit a page; then only the suite means are drawn


def files(contents: Contents) -> dict[str, str]:
    """File name without suffix -> SVG on a white ground, for documents other than our page."""
    drawn = {}
    for i, suite in enumerate(contents.suites()):
        number = "" if i == 0 else f"-{i + 1}"
        drawn[f"success{number}"] = success(suite, contents.policies, WIDE)
        steps = contents.steps(suite)
        if len(steps):
            drawn[f"funnel{number}"] = funnel(steps, contents.policies, WIDE)
    for i, env in enumerate(contents.drops_by_env()):
        number = "" if i == 0 else f"-{i + 1}"
        drawn[f"generalization{number}"] = drops.forest(env, contents.policies, WIDE)
    return drawn


def success(suite: Suite, policies: Sequence[str], width: int) -> str:
    """One bar per task and policy, from 0 to its rate, with its 95 % interval.

    `policies` fixes each policy's colour, the same in all figures of a report.
    """
    many = len(suite.tasks) * len(suite.policies) > _MOST_BARS
    tasks = suite.tasks[-1:] if many else suite.tasks
    row, head, gap, foot = 20, 26, 10, 26
    height = len(tasks) * (head + gap + row * len(suite.policies)) + foot
    left = min(max(map(len, suite.policies)) * CHARACTER + 10, 0.4 * width)
    span = (left, width - 44)
    axes = canvas.blank(width, height)
    for rate in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _at(span, rate)
        axes.plot([x, x], [head, height - foot], color=RULE, lw=0.8, zorder=0)
        canvas.write(axes, (x, height - foot / 2), f"{100 * rate:.0f} %", color=MUTED, ha="center")
    y = 0.0
    for task in tasks:
        canvas.write(axes, (0, y + head / 2 + 2), shortened(task, 0.9 * width), fontweight="bold")
        y += head
        for policy in suite.policies:
            canvas.write(axes, (left - 8, y + row / 2), shortened(policy, left), ha="right")
            _bar(axes, (y + row / 2, color_of(policies, policy)), span, suite.cell(task, policy))
            y += row
        y += gap
    return canvas.to_svg(axes)


def funnel(steps: pd.DataFrame, policies: Sequence[str], width: int) -> str:
    """One panel per task: the share of episodes that reached each sub-goal, a line per policy.

    `steps`: the rows of `table.funnel_table` for one suite.
    """
    shown = list(steps["policy"].unique())
    tasks = list(steps["task"].unique())
    n_across = 1 if width <= NARROW else min(3 if len(tasks) % 3 == 0 else 2, len(tasks))
    panel = _Panel(
        width / n_across, [list(rows["stage"].unique()) for _, rows in groups(steps, "task")]
    )
    per_line = max(1, int(width // (max(map(len, shown)) * CHARACTER + 48)))
    legend = 22 * -(-len(shown) // per_line) + 8
    axes = canvas.blank(width, int(legend + panel.height * -(-len(tasks) // n_across)))
    for i, policy in enumerate(shown):
        x, y = (i % per_line) * width / per_line, 12 + 22 * (i // per_line)
        axes.plot([x, x + 26], [y, y], color=color_of(policies, policy), lw=2)
        axes.plot(x + 13, y, **marker_of(policies, policy))
        canvas.write(axes, (x + 34, y), shortened(policy, width / per_line - 34))
    for i, task in enumerate(tasks):
        corner = (panel.width * (i % n_across), legend + panel.height * (i // n_across))
        _draw_panel(axes, panel, corner, steps[steps["task"] == task], policies)
    return canvas.to_svg(axes)


@dataclass(frozen=True)
class _Panel:
    """Measures, in pixels, that all panels of a funnel share. `stages`: those of each task."""

    width: float
    stages: Sequence[Sequence[str]]

    @property
    def pitch(self) -> float:
        """From one sub-goal to the next."""
        return (self.width - 108) / max(1, *(len(stages) - 1 for stages in self.stages))

    @property
    def drop(self) -> int:
        """How much lower every second label hangs: 0 where neighbours have room."""
        words = [stage.split("_") for stages in self.stages for stage in stages]
        crowded = max(len(w) for ws in words for w in ws) * CHARACTER > self.pitch
        return 14 * max(map(len, words)) + 4 if crowded else 0

    @property
    def height(self) -> int:
        n_lines = max(len(stage.split("_")) for stages in self.stages for stage in stages)
        return 186 + 14 * n_lines + self.drop


def _draw_panel(
    axes: Axes,
    panel: _Panel,
    corner: tuple[float, float],
    steps: pd.DataFrame,
    policies: Sequence[str],
) -> None:
    left, top = corner
    stages = list(steps["stage"].unique())
    high, low = top + 36, top + 164
    first = left + 74
    title = shortened(steps.iloc[0]["task"], 0.9 * panel.width)
    canvas.write(axes, (left, top + 16), title, fontweight="bold")
    for share in (0.0, 0.5, 1.0):
        y = low + share * (high - low)
        axes.plot([left + 48, left + panel.width - 8], [y, y], color=RULE, lw=0.8, zorder=0)
        canvas.write(axes, (left + 42, y), f"{100 * share:.0f} %", color=MUTED, ha="right")
    for i, stage in enumerate(stages):
        for line, word in enumerate(stage.split("_")):
            place = (first + i * panel.pitch, low + 16 + 14 * line + panel.drop * (i % 2))
            canvas.write(axes, place, shortened(word, 2 * panel.pitch), color=MUTED, ha="center")
    for policy, rows in groups(steps, "policy"):
        y_of = low + rows["share"].to_numpy() * (high - low)
        x_of = [first + stages.index(stage) * panel.pitch for stage in rows["stage"]]
        axes.plot(x_of, y_of, color=color_of(policies, policy), lw=2, alpha=0.85)
        axes.plot(x_of, y_of, **marker_of(policies, policy))


def _bar(
    axes: Axes, row: tuple[float, str], span: tuple[float, float], cell: pd.Series[Any]
) -> None:
    y, color = row
    if not is_complete(cell):
        canvas.write(axes, (span[0] + 6, y), "incomplete", color=MUTED, style="italic")
        return
    start, end, low, high = (_at(span, x) for x in (0, cell["rate"], cell["low"], cell["high"]))
    axes.barh(y, end - start, 13, left=start, color=color, alpha=0.75, lw=0)
    axes.plot([low, high], [y, y], color=INK, lw=1.4, solid_capstyle="butt")
    for x in (low, high):
        axes.plot([x, x], [y - 3.5, y + 3.5], color=INK, lw=1.4, solid_capstyle="butt")
    weight = "bold" if cell["task"] == SUITE_MEAN else "normal"
    canvas.write(axes, (span[1] + 44, y), percent(cell["rate"]), ha="right", fontweight=weight)


def _at(span: tuple[float, float], share: float) -> float:
    return span[0] + share * (span[1] - span[0])
