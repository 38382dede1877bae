"""The figure of generalization: what each axis and factor costs, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vla_bench.report import canvas
from vla_bench.report.canvas import CHARACTER, INK, MUTED, RULE, color_of, marker_of, shortened
from vla_bench.report.contents import Drops
from vla_bench.report.wording import points, variation_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _GAP, _FOOT, _VALUE = 18, 8, 26, 84  # px
_TICK = 0.25


def forest(drops: Drops, policies: Sequence[str], width: int) -> str:
    """A line per axis and factor and policy: the drop and its 95 % limits.

    `policies` fixes each policy's colour and marker, the same in all figures of a report.
    """
    lines = [(where, cells) for where, cells in drops.lines() if not where[2]]
    shown = drops.policies
    per_line = max(1, int(width // (max(map(len, shown)) * CHARACTER + 48)))
    legend = 22 * -(-len(shown) // per_line) + 8
    block = _ROW * len(shown) + _GAP
    names = [variation_name(where) for where, _ in lines]
    left = min((max(map(len, names)) + 2) * CHARACTER + 10, 0.4 * width)
    axes = canvas.blank(width, legend + block * len(lines) + _FOOT)
    _draw_legend(axes, (shown, policies), width / per_line, per_line)
    scale = _Scale(lines, (left, width - _VALUE), (legend, legend + block * len(lines)))
    scale.draw(axes)
    for i, (where, cells) in enumerate(lines):
        top = legend + i * block
        _draw_name(axes, where, (left - 8, top + (block - _GAP) / 2))
        for j, row in enumerate(cells):
            if row is not None:
                _draw_drop(axes, scale, (row, top + (j + 0.5) * _ROW), policies)
    return canvas.to_svg(axes)


class _Scale:
    """From drops in [-1, 1] to pixels, as wide as the intervals need."""

    def __init__(
        self,
        lines: Sequence[tuple[Any, Sequence[Any]]],
        across: tuple[float, float],
        down: tuple[float, float],
    ) -> None:
        rows = [row for _, cells in lines for row in cells if row is not None]
        known = [row for row in rows if not math.isnan(row.drop)]
        low: float = min([0.0, *(row.low for row in known)])
        high: float = max([_TICK, *(row.high for row in known)])
        self._first, self._last = math.floor(low / _TICK), math.ceil(high / _TICK)
        self._across, self._down = across, down

    def x(self, drop: float) -> float:
        left, right = self._across
        share = (drop / _TICK - self._first) / (self._last - self._first)
        return left + share * (right - left)

    def draw(self, axes: Axes) -> None:
        top, bottom = self._down
        for tick in range(self._first, self._last + 1):
            x, color = self.x(tick * _TICK), INK if tick == 0 else RULE
            axes.plot([x, x], [top, bottom], color=color, lw=0.8, zorder=0)
            label = points(tick * _TICK).removesuffix(".0")
            place = (x, bottom + _FOOT / 2)
            canvas.write(axes, place, "0" if tick == 0 else label, color=MUTED, ha="center")
        place = (axes.get_xlim()[1], bottom + _FOOT / 2)
        canvas.write(axes, place, "points lost", color=MUTED, ha="right")


def _draw_legend(
    axes: Axes, names: tuple[Sequence[str], Sequence[str]], pitch: float, per_line: int
) -> None:
    shown, policies = names
    for i, policy in enumerate(shown):
        x, y = (i % per_line) * pitch, 12 + 22 * (i // per_line)
        axes.plot([x, x + 26], [y, y], color=color_of(policies, policy), lw=2)
        axes.plot(x + 13, y, **marker_of(policies, policy))
        canvas.write(axes, (x + 34, y), shortened(policy, pitch - 34))


def _draw_name(axes: Axes, where: tuple[str, str, str], place: tuple[float, float]) -> None:
    weight = "normal" if where[1] else "bold"
    name = shortened(variation_name(where), place[0])
    canvas.write(axes, place, name, ha="right", fontweight=weight)


def _draw_drop(axes: Axes, scale: _Scale, spot: tuple[Any, float], policies: Sequence[str]) -> None:
    row, y = spot
    if math.isnan(row.drop):
        canvas.write(axes, (scale.x(0.0) + 6, y), "incomplete", color=MUTED, style="italic")
        return
    color = color_of(policies, row.policy)
    axes.plot([scale.x(row.low), scale.x(row.high)], [y, y], color=color, lw=2)
    axes.plot(scale.x(row.drop), y, **marker_of(policies, row.policy))
    weight = "normal" if row.factor else "bold"
    end = axes.get_xlim()[1]
    canvas.write(axes, (end, y), points(row.drop), ha="right", fontweight=weight)
