"""How every benchmark begins and ends: its arguments; figures, as a table, as JSON, in a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vla_bench import provenance, store

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference"


def arguments(document: str, keeps: bool = True) -> argparse.ArgumentParser:
    """A parser whose --help prints `document`; with --write for a benchmark that keeps figures."""
    parser = argparse.ArgumentParser(
        description=document,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if keeps:
        parser.add_argument("--write", action="store_true", help="keep it in results/reference")
    return parser


def finish(name: str, figures: Mapping[str, float], write: bool) -> None:
    """Print `figures`; to `write` is to keep them in ``results/reference/<name>.json``."""
    width = max(map(len, figures))
    for what, value in figures.items():
        print(f"{what:{width}}  {value:.4g}")
    conclude(name, {what: float(f"{value:.4g}") for what, value in figures.items()}, write)


def conclude(name: str, figures: Mapping[str, Any], write: bool) -> None:
    """Print JSON; to `write` is to keep it in ``results/reference/<name>.json``."""
    result = {"benchmark": name, "figures": figures, **provenance.session()}
    if write:
        store.write_json(REFERENCE / f"{name}.json", result)
    print(json.dumps(result))
