"""How every benchmark ends: a table, one line of JSON, and on --write a file that keeps it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vla_bench import provenance, store

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference"


def finish(name: str, figures: Mapping[str, float]) -> None:
    """Print `figures`; with --write also keep them in ``results/reference/<name>.json``."""
    width = max(map(len, figures))
    for what, value in figures.items():
        print(f"{what:{width}}  {value:.4g}")
    conclude(name, {what: float(f"{value:.4g}") for what, value in figures.items()})


def conclude(name: str, figures: Mapping[str, Any]) -> None:
    """Print JSON; with --write also keep it in ``results/reference/<name>.json``."""
    result = {"benchmark": name, "figures": figures, **provenance.session()}
    if "--write" in sys.argv:
        store.write_json(REFERENCE / f"{name}.json", result)
    print(json.dumps(result))
