r"""The tables of success and of settings in LaTeX, for ``\input``; needs only booktabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vla_bench.report.contents import Contents, Settings, Suite
from vla_bench.report.wording import (
    DOUBLE_DAGGER,
    INTERVALS,
    PRIVILEGED,
    PUBLISHED,
    SETTINGS,
    is_complete,
    limits,
    percent,
    published_sources,
    setting_line,
)
from vla_bench.table import SUITE_MEAN

_ESCAPES = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "†": "$^\\dagger$",
    "‡": "$^\\ddagger$",
    "–": "--",
}


def render(contents: Contents) -> str:
    tables = [_table(suite, contents) for suite in contents.suites()]
    tables += [_settings(each, contents.privileged) for each in contents.settings_by_env()]
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(tables)


def escape(text: str) -> str:
    """`text` so that LaTeX prints it as it is."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _table(suite: Suite, contents: Contents) -> str:
    privileged, published = contents.privileged, contents.published_columns(suite)
    names = _names(suite.policies, privileged)
    names += [f"\\emph{{{escape(column.title)}}}" for column in published]
    above = _group_heads(len(suite.policies), len(published))
    lines = _head(f"{suite.title}. {_caption(suite, contents)}", ["Task", *names], above)
    for task in suite.tasks:
        if task == SUITE_MEAN:
            lines.append("\\midrule")
        cells = [_cell(suite.cell(task, policy)) for policy in suite.policies]
        cells += [escape(percent(column.rate(task))) for column in published]
        lines.append(" & ".join([escape(task), *cells]) + " \\\\")
    return "\n".join([*lines, *_FOOT])


def _settings(settings: Settings, privileged: set[str]) -> str:
    caption = f"{settings.title}, {settings.env}. {SETTINGS.partition(';')[0]}."
    if privileged & set(settings.policies):
        caption += f" † {PRIVILEGED}"
    lines = _head(caption, ["Setting", *_names(settings.policies, privileged)])
    across = f"\\multicolumn{{{1 + len(settings.policies)}}}{{l}}"
    for number, (setting, rows) in enumerate(settings.blocks()):
        lines += ["\\midrule"] * (number > 0)
        lines.append(f"{across}{{{escape(setting)}}} \\\\")
        for line, cells in rows:
            name = "\\quad " * (2 if line.task else 1) + escape(setting_line(line))
            shown = [_cell(row) if row else "not run" for row in cells]
            lines.append(" & ".join([name, *shown]) + " \\\\")
    return "\n".join([*lines, *_FOOT])


def _names(policies: Sequence[str], privileged: set[str]) -> list[str]:
    return [escape(p) + ("$^\\dagger$" if p in privileged else "") for p in policies]


def _head(caption: str, columns: Sequence[str], above: Sequence[str] = ()) -> list[str]:
    """Everything before the first row; `above`: a line above the names of `columns`."""
    return [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escape(caption)}}}",
        f"\\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}",
        "\\toprule",
        *above,
        " & ".join(columns) + " \\\\",
        "\\midrule",
    ]


_FOOT = ("\\bottomrule", "\\end{tabular}", "\\end{table}", "")


def _group_heads(n_own: int, n_published: int) -> list[str]:
    """The line above the names that sets published columns apart."""
    if not n_published:
        return []
    first, last = n_own + 2, n_own + n_published + 1
    head = (
        f"\\multicolumn{{{n_published}}}{{c}}{{published, not comparable{escape(DOUBLE_DAGGER)}}}"
    )
    return [f"{'& ' * (n_own + 1)}{head} \\\\", f"\\cmidrule(l){{{first}-{last}}}"]


def _cell(cell: Any) -> str:
    if not is_complete(cell):
        return f"\\emph{{{escape(cell.status)}}}"
    bounds = escape(limits(cell.low, cell.high))
    return f"{percent(cell.rate)} {{\\footnotesize {bounds}}}"


def _caption(suite: Suite, contents: Contents) -> str:
    episodes = sorted({int(n) for n in suite.headline["n_planned"]})
    parts = [f"{INTERVALS.partition(', and')[0]}; {' or '.join(map(str, episodes))} episodes each."]
    if contents.privileged & set(suite.policies):
        parts.append(f"† {PRIVILEGED}")
    if columns := contents.published_columns(suite):
        rows = pd.concat([column.rows for column in columns])
        parts += [f"{DOUBLE_DAGGER} {PUBLISHED}", *published_sources(rows)]
    return " ".join(parts)
