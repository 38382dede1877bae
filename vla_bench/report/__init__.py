"""Tables, figures and the page made from runs on disk.

Needs neither torch nor a simulator, nor the machine that ran the episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Report:
    """What `write` wrote.

    Attributes:
        html: One self-contained page: style, figures and (up to a limit) videos are inside.
        md: The same in Markdown, with the figures beside it.
        tex: The tables of success and settings, for a LaTeX document that uses booktabs.
        csv: Name of a data frame -> its file: episodes, success, comparisons, settings,
            drops, funnel, times, and published where asked for.
        figures: The figures as SVG files.
        table: The success tables as plain text, for a terminal.
    """

    html: Path
    md: Path
    tex: Path
    csv: Mapping[str, Path]
    figures: tuple[Path, ...]
    table: str


def write(folders: Sequence[Path], output: Path, published: Sequence[str] = ()) -> Report:
    """Report on the runs in `folders` together; writes into `output`, which is made if absent.

    `published`: tables of results/published to set beside the runs. Raises StoreError when a
    folder is no run or when the runs cannot stand in one table, ConfigError for a table that is
    unknown or has no row for these envs.
    """
    from vla_bench.report import figures, latex, markdown, page, plain
    from vla_bench.report.contents import Contents

    contents = Contents.of(folders, published)
    output.mkdir(parents=True, exist_ok=True)
    csv = {}
    for name, frame in contents.frames().items():
        csv[name] = output / f"{name}.csv"
        frame.to_csv(csv[name], index=False)
    drawn = {output / f"{name}.svg": svg for name, svg in figures.files(contents).items()}
    html, md, tex = (output / f"report.{kind}" for kind in ("html", "md", "tex"))
    texts = {
        html: page.render(contents, output),
        md: markdown.render(contents, [path.name for path in drawn]),
        tex: latex.render(contents),
        **drawn,
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return Report(html, md, tex, csv, tuple(drawn), plain.render(contents))


def success_text(folders: Sequence[Path]) -> str:
    """The success tables of runs as plain text; writes nothing. Raises as `write` does."""
    from vla_bench.report import plain
    from vla_bench.report.contents import Contents

    return plain.render(Contents.of(folders))
