"""`vla-bench list`: what there is to choose from, each with the first line of its YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vla_bench.errors import ConfigError

_GROUPS = {"policy": "policy=", "env": "env=", "experiment": "+experiment="}


def print_listing(arguments: Sequence[str]) -> None:
    """Print every policy, env and experiment; ``--config-dir FOLDER`` adds the user's own."""
    roots: list[Traversable] = [files("vla_bench.conf")]
    match [part for argument in arguments for part in argument.split("=", 1)]:
        case []:
            pass
        case ["--config-dir", folder] if Path(folder).is_dir():
            roots.append(Path(folder))
        case ["--config-dir", folder]:
            raise ConfigError(
                f"--config-dir: expected a folder with policy/ or env/, got {folder!r}."
            )
        case _:
            raise ConfigError(f"Expected `vla-bench list [--config-dir FOLDER]`, got {arguments}.")
    console = Console()
    for group, prefix in _GROUPS.items():
        table = Table("choose with", "what", title=group, title_justify="left", box=None)
        for root in roots:
            for name, line in sorted(_described(root / group)):
                table.add_row(f"{prefix}{name}", line)
        if table.row_count:
            console.print(table)


def _described(folder: Traversable) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name.endswith(".yaml"):
            lines = entry.read_text().splitlines()
            first = next(line for line in lines if line != "# @package _global_")
            yield entry.name.removesuffix(".yaml"), first.removeprefix("#").strip()
