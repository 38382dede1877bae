r"""The success tables in LaTeX, for ``\input``; needs only booktabs."""

from __future__ import annotations

import pandas as pd

from vla_bench.report.contents import Contents, Suite
from vla_bench.report.wording import INTERVALS, PRIVILEGED, is_complete, limits, percent
from vla_bench.table import SUITE_MEAN

_ESCAPES = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "†": "$^\\dagger$",
    "–": "--",
}


def render(contents: Contents) -> str:
    tables = [_table(suite, contents.privileged) for suite in contents.suites()]
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(tables)


def escape(text: str) -> str:
    """`text` so that LaTeX prints it as it is."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _table(suite: Suite, privileged: set[str]) -> str:
    names = [escape(p) + ("$^\\dagger$" if p in privileged else "") for p in suite.policies]
    lines = [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escape(suite.title)}. {escape(_caption(suite, privileged))}}}",
        f"\\begin{{tabular}}{{l{'c' * len(names)}}}",
        "\\toprule",
        " & ".join(["Task", *names]) + " \\\\",
        "\\midrule",
    ]
    for task in suite.tasks:
        if task == SUITE_MEAN:
            lines.append("\\midrule")
        cells = [_cell(suite.cell(task, policy)) for policy in suite.policies]
        lines.append(" & ".join([escape(task), *cells]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}", ""])


def _cell(cell: pd.Series) -> str:
    if not is_complete(cell):
        return f"\\emph{{{escape(cell['status'])}}}"
    bounds = escape(limits(cell["low"], cell["high"]))
    return f"{percent(cell['rate'])} {{\\footnotesize {bounds}}}"


def _caption(suite: Suite, privileged: set[str]) -> str:
    episodes = sorted({int(n) for n in suite.headline["n_planned"]})
    text = f"{INTERVALS.partition(', and')[0]}; {' or '.join(map(str, episodes))} episodes each."
    return f"{text} † {PRIVILEGED}" if privileged & set(suite.policies) else text
