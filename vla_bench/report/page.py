"""The report as one HTML page that needs no other file and no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

import vla_bench
from vla_bench import table
from vla_bench.report import canvas, drops, figures, videos, wording
from vla_bench.report.contents import Contents, Drops, Suite

_SHOWN_ON_CARD = ("tasks", "description", "settings")  # these have places of their own
_LABELS = {
    "control_hz": "control rate, Hz",
    "image_size": "image, px",
    "success": "success rule",
    "look": "appearance",
}


@dataclass(frozen=True)
class Complaint:
    """Errors that ended in the same line.

    Attributes:
        ids: The episodes.
        line: Last line of the traceback.
        trace: Whole traceback of the first of them.
    """

    policy: str
    env: str
    fault: str
    line: str
    ids: Sequence[str]
    trace: str


def render(contents: Contents, folder: Path) -> str:
    """`folder`: where the page will lie; links to videos too large to embed start there."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        breakable=_breakable,
        typeset=_typeset,
        json=_json,
        rows=table.rows,
        plural=wording.plural,
    )
    return environment.get_template("page.html.jinja").render(
        contents=contents,
        complaints=complaints(contents.episodes),
        cards=table.cards(contents.runs),
        card_lines=card_lines,
        clips=_grouped_clips(contents, folder),
        figure=_Figures(contents),
        limits={"per_outcome": videos.PER_OUTCOME, "megabytes": videos.EMBEDDED_BYTES // 10**6},
        style=Markup(_resource("page.css")),
        version=vla_bench.__version__,
        suite_mean=table.SUITE_MEAN,
        wording=wording,
    )


def complaints(episodes: pd.DataFrame) -> list[Complaint]:
    """The errors, most frequent first, put together where policy, fault and last line agree."""
    failed = episodes[episodes["outcome"] == "error"]
    lines = [(str(e).strip().splitlines() or ["(no text)"])[-1] for e in failed["error"]]
    found = [
        Complaint(policy, env, fault, line, list(rows["id"]), str(rows["error"].iloc[0]))
        for (policy, env, fault, line), rows in table.groups(
            failed.assign(line=lines), ["policy", "env", "fault", "line"]
        )
    ]
    return sorted(found, key=lambda c: -len(c.ids))


def card_lines(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Whatever an env says about itself, as (label, text); nothing is assumed to be there."""
    return [
        (_LABELS.get(key, key.replace("_", " ")), _words(key, value))
        for key, value in card.items()
        if key not in _SHOWN_ON_CARD
    ]


class _Figures:
    """Draws each figure twice, for a wide page and for a phone; the style sheet shows one."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._n = 0

    def success(self, suite: Suite) -> Markup:
        label = f"Success rates with 95 % intervals on {suite.title}; the numbers are in the table."
        return self._both(
            label, lambda width: figures.success(suite, self._contents.policies, width)
        )

    def funnel(self, suite: Suite) -> Markup:
        steps = self._contents.steps(suite)
        label = f"Share of episodes that reached each sub-goal on {suite.title}; see the table."
        return self._both(
            label, lambda width: figures.funnel(steps, self._contents.policies, width)
        )

    def drops(self, env: Drops) -> Markup:
        label = f"Success lost under each variation of {env.env}; the numbers are in the table."
        return self._both(label, lambda width: drops.forest(env, self._contents.policies, width))

    def _both(self, label: str, draw: Any) -> Markup:
        shown = []
        for kind, width in (("wide", figures.WIDE), ("narrow", figures.NARROW)):
            self._n += 1
            svg = canvas.inline(draw(width), f"figure{self._n}", label)
            shown.append(f'<div class="{kind}">{svg}</div>')
        return Markup("".join(shown))


def _grouped_clips(
    contents: Contents, folder: Path
) -> list[tuple[tuple[str, str], list[videos.Clip]]]:
    """((env, task), clips) in the order of the success tables."""
    order = {
        key: i
        for i, key in enumerate(contents.episodes.groupby(["env", "task"], sort=False).groups)
    }

    def key(clip: videos.Clip) -> tuple[str, str]:
        return clip.env, clip.record.spec.task

    found = sorted(videos.clips(contents.runs, folder), key=lambda clip: order[key(clip)])
    return [(name, list(group)) for name, group in groupby(found, key=key)]


def _words(key: str, value: Any) -> str:
    if key == "image_size" and isinstance(value, list):
        return " × ".join(map(str, value))
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(v, (str, int, float)) for v in value):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(name, part)}" for name, part in value.items())
    return json.dumps(value)


def _breakable(text: str) -> Markup:
    """Lets a browser break long names after underscores, slashes and hyphens."""
    marked = escape(text)
    for sign in "_/":
        marked = marked.replace(sign, Markup(sign + "<wbr>"))
    return marked


def _typeset(text: str) -> str:
    """Keeps a number and its percent sign on one line; typographic apostrophes."""
    return text.replace(" %", "\u00a0%").replace("'", "’")


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, default=str)


def _resource(name: str) -> str:
    return (files("vla_bench.report") / name).read_text(encoding="utf-8")
