"""A drawing surface in CSS pixels that becomes SVG, and the colours of every figure.

Colours are Okabe & Ito's (jfly.uni-koeln.de/color), told apart by every kind of colour vision.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUND, INK, MUTED, RULE = "#ffffff", "#1f2328", "#65707b", "#d5dae0"
SERIES = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#999999", "#b8a800")
_MARKERS = "osD^vPX*"
CHARACTER = 7.2  # px, mean width of a letter at 12 px in DejaVu Sans, the widest of its kind


def inline(svg: str, prefix: str, label: str) -> str:
    """`svg` for our page: coloured by its style sheet, ids unique to it, read out as `label`."""
    names = {f"series-{i}": color for i, color in enumerate(SERIES)}
    names |= {"ground": GROUND, "ink": INK, "muted": MUTED, "rule": RULE}
    for name, color in names.items():
        svg = svg.replace(color, f"var(--{name})")
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    label = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def blank(width: int, height: int) -> Axes:
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


def to_svg(axes: Axes) -> str:
    """Without fonts, dates and random ids: the same figure is the same text."""
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


def write(axes: Axes, place: tuple[float, float], words: str, **style: Any) -> None:
    """Put `words` at `place` (x, y), vertically centred; `style` as for matplotlib's text."""
    style = {"fontsize": 12, "color": INK, "va": "center_baseline", **style}
    axes.text(*place, words, parse_math=False, **style)


def color_of(policies: Sequence[str], policy: str) -> str:
    """The policy's colour, by its place among all `policies` of the report."""
    return SERIES[policies.index(policy) % len(SERIES)]


def marker_of(policies: Sequence[str], policy: str) -> dict[str, Any]:
    """Keywords of a line whose points carry the policy's marker."""
    number = policies.index(policy)
    style = {"marker": _MARKERS[number % len(_MARKERS)], "markersize": 7}
    return {**style, "color": SERIES[number % len(SERIES)], "markeredgecolor": GROUND}


def shortened(text: str, width: float) -> str:
    """`text`, its middle left out where it would be wider than `width` pixels."""
    n = int(width / CHARACTER) - 1
    return text if len(text) <= n else f"{text[: n - n // 2 - 1]}…{text[len(text) - n // 2 :]}"
