"""Figures as SVG text: success bars with intervals, and how far episodes get.

One unit of a figure is one CSS pixel, so that a page shows 12 px labels as 12 px. Colours are Okabe
& Ito's (jfly.uni-koeln.de/color), told apart by every kind of colour vision; bars also carry their
policy's name, lines their own marker.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from vla_bench.report.contents import Contents, Suite
from vla_bench.report.wording import is_complete, percent
from vla_bench.table import SUITE_MEAN, groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, NARROW = 950, 340  # px: a page's column, a phone
GROUND, INK, MUTED, RULE = "#ffffff", "#1f2328", "#65707b", "#d5dae0"
SERIES = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
_MARKERS = "osD^vPX*"
_CHARACTER = 7.2  # px, mean width of a letter at 12 px in DejaVu Sans, the widest of its kind
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
    return drawn


def inline(svg: str, prefix: str, label: str) -> str:
    """`svg` for our page: coloured by its style sheet, ids unique to it, read out as `label`."""
    names = {f"series-{i}": color for i, color in enumerate(SERIES)}
    names |= {"ground": GROUND, "ink": INK, "muted": MUTED, "rule": RULE}
    for name, color in names.items():
        svg = svg.replace(color, f"var(--{name})")
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    label = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def success(suite: Suite, policies: Sequence[str], width: int) -> str:
    """One bar per task and policy, from 0 to its rate, with its 95 % interval.

    `policies` fixes each policy's colour, the same in all figures of a report.
    """
    many = len(suite.tasks) * len(suite.policies) > _MOST_BARS
    tasks = suite.tasks[-1:] if many else suite.tasks
    row, head, gap, foot = 20, 26, 10, 26
    height = len(tasks) * (head + gap + row * len(suite.policies)) + foot
    left = min(max(map(len, suite.policies)) * _CHARACTER + 10, 0.4 * width)
    span = (left, width - 44)
    axes = _canvas(width, height)
    for rate in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _at(span, rate)
        axes.plot([x, x], [head, height - foot], color=RULE, lw=0.8, zorder=0)
        _text(axes, (x, height - foot / 2), f"{100 * rate:.0f} %", color=MUTED, ha="center")
    y = 0.0
    for task in tasks:
        _text(axes, (0, y + head / 2 + 2), _shortened(task, 0.9 * width), fontweight="bold")
        y += head
        for policy in suite.policies:
            color = _color(policies, policy)
            _text(axes, (left - 8, y + row / 2), _shortened(policy, left), ha="right")
            _bar(axes, (y + row / 2, color), span, suite.cell(task, policy))
            y += row
        y += gap
    return _svg(axes)


def funnel(steps: pd.DataFrame, policies: Sequence[str], width: int) -> str:
    """One panel per task: the share of episodes that reached each sub-goal, a line per policy.

    `steps`: the rows of `table.funnel_table` for one suite.
    """
    shown = list(steps["policy"].unique())
    tasks = list(steps["task"].unique())
    n_across = 1 if width <= NARROW else min(3 if len(tasks) % 3 == 0 else 2, len(tasks))
    per_line = max(1, int(width // (max(map(len, shown)) * _CHARACTER + 48)))
    legend = 22 * -(-len(shown) // per_line) + 8
    across, down = width / n_across, 214
    axes = _canvas(width, int(legend + down * -(-len(tasks) // n_across)))
    for i, policy in enumerate(shown):
        x, y = (i % per_line) * width / per_line, 12 + 22 * (i // per_line)
        axes.plot([x, x + 26], [y, y], color=_color(policies, policy), lw=2)
        axes.plot(x + 13, y, **_marker(policies, policy))
        _text(axes, (x + 34, y), _shortened(policy, width / per_line - 34))
    for i, task in enumerate(tasks):
        corner = (across * (i % n_across), legend + down * (i // n_across))
        _panel(axes, (*corner, across, down), steps[steps["task"] == task], policies)
    return _svg(axes)


def _panel(
    axes: Axes,
    box: tuple[float, float, float, float],
    steps: pd.DataFrame,
    policies: Sequence[str],
) -> None:
    """Draw one task of the funnel into `box`: left, top, width, height."""
    left, top, width, height = box
    stages = list(steps["stage"].unique())
    low, high = top + height - 50, top + 36
    first, pitch = left + 74, (width - 108) / max(len(stages) - 1, 1)
    title = _shortened(steps.iloc[0]["task"], 0.9 * width)
    _text(axes, (left, top + 16), title, fontweight="bold")
    for share in (0.0, 0.5, 1.0):
        y = low + share * (high - low)
        axes.plot([left + 48, left + width - 8], [y, y], color=RULE, lw=0.8, zorder=0)
        _text(axes, (left + 42, y), f"{100 * share:.0f} %", color=MUTED, ha="right")
    for i, stage in enumerate(stages):
        for below, word in enumerate(stage.split("_")):
            place = (first + i * pitch, low + 16 + 14 * below)
            _text(axes, place, word, color=MUTED, ha="center")
    for policy, line in groups(steps, "policy"):
        y_of = low + line["share"].to_numpy() * (high - low)
        x_of = [first + stages.index(stage) * pitch for stage in line["stage"]]
        axes.plot(x_of, y_of, color=_color(policies, policy), lw=2, alpha=0.85)
        axes.plot(x_of, y_of, **_marker(policies, policy))


def _bar(
    axes: Axes, row: tuple[float, str], span: tuple[float, float], cell: pd.Series[Any]
) -> None:
    y, color = row
    if not is_complete(cell):
        _text(axes, (span[0] + 6, y), "incomplete", color=MUTED, style="italic")
        return
    start, end, low, high = (_at(span, x) for x in (0, cell["rate"], cell["low"], cell["high"]))
    axes.barh(y, end - start, 13, left=start, color=color, alpha=0.75, lw=0)
    axes.plot([low, high], [y, y], color=INK, lw=1.4, solid_capstyle="butt")
    for x in (low, high):
        axes.plot([x, x], [y - 3.5, y + 3.5], color=INK, lw=1.4, solid_capstyle="butt")
    weight = "bold" if cell["task"] == SUITE_MEAN else "normal"
    text = percent(cell["rate"])
    _text(axes, (span[1] + 44, y), text, ha="right", fontweight=weight)


def _canvas(width: int, height: int) -> Axes:
    """Axes over a whole figure, in pixels, y downwards."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor=GROUND)
    FigureCanvasSVG(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return axes


def _svg(axes: Axes) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    assert isinstance(axes.figure, Figure)
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "vla-bench"}):
        axes.figure.savefig(stream, format="svg", metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg ") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>|\s*<style .*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(width|height)="([\d.]+)pt"', r'\1="\2"', svg, count=2)
    svg = re.sub(r" font-family: [^;]*;", "", svg)
    return svg.replace("<svg ", '<svg font-family="system-ui, sans-serif" ', 1)


def _text(axes: Axes, place: tuple[float, float], words: str, **style: Any) -> None:
    style = {"fontsize": 12, "color": INK, "va": "center_baseline", **style}
    axes.text(*place, words, parse_math=False, **style)


def _at(span: tuple[float, float], share: float) -> float:
    return span[0] + share * (span[1] - span[0])


def _color(policies: Sequence[str], policy: str) -> str:
    return SERIES[policies.index(policy) % len(SERIES)]


def _marker(policies: Sequence[str], policy: str) -> dict[str, Any]:
    number = policies.index(policy)
    style = {"marker": _MARKERS[number % len(_MARKERS)], "markersize": 7}
    return {**style, "color": SERIES[number % len(SERIES)], "markeredgecolor": GROUND}


def _shortened(text: str, width: float) -> str:
    """`text`, its middle left out where it would be wider than `width` pixels."""
    n = int(width / _CHARACTER) - 1
    return text if len(text) <= n else f"{text[: n - n // 2 - 1]}…{text[len(text) - n // 2 :]}"
