"""Files of other projects that some suites draw: where they lie, and how they get there.

Nothing of them is in this repository. ``simpler_assets.csv`` has one row per file of
simpler-env/ManiSkill2_real2sim at `COMMIT`: its id as a git blob, its bytes (empty where unknown)
and its path. Knows no simulator.
"""

from __future__ import annotations

import csv
import hashlib
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from vla_bench.errors import MissingDependencyError, unknown_name

ENVIRONMENT = "VLA_BENCH_ASSETS"
COMMIT = "ef7a4d4fdf4b69f2c2154db5b15b9ac8dfe10682"


@dataclass(frozen=True)
class Asset:
    """One file: `blob` is git's SHA-1 of its content, `n_bytes` None where it is not known."""

    blob: str
    n_bytes: int | None
    path: str


@dataclass(frozen=True)
class Collection:
    """What ``vla-bench assets NAME`` brings; each asset's URL is `url`/`Asset.path`."""

    name: str
    url: str
    licence: str
    assets: tuple[Asset, ...]


def root() -> Path:
    """The folder that holds one folder per collection: VLA_BENCH_ASSETS, or the user's cache."""
    given = os.environ.get(ENVIRONMENT)
    return Path(given).expanduser() if given else user_cache() / "assets"


def user_cache() -> Path:
    """This project's folder for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vla-bench"


def asset(collection: str, path: str) -> Path:
    """The file `path` of a collection. Raises MissingDependencyError with what to type."""
    found = root() / collection / path
    if not found.is_file():
        raise MissingDependencyError(
            f"Expected the file {found}, which is not there. Download what is missing: "
            f"vla-bench assets {collection} --to {root()}. Or, if it lies elsewhere: "
            f"export {ENVIRONMENT}=FOLDER, the folder that contains {collection}/."
        )
    return found


def named_collection(name: str) -> Collection:
    """Raises ConfigError with the valid names."""
    if name != "simpler":
        raise unknown_name("assets", name, ["simpler"])
    return Collection(
        name="simpler",
        url=f"https://raw.githubusercontent.com/simpler-env/ManiSkill2_real2sim/{COMMIT}",
        licence="Apache-2.0 (the repository's; its files name no other origin or licence)",
        assets=_simpler_assets(),
    )


def git_blob_id(path: Path) -> str:
    """Git's SHA-1 of a file: what a commit pins."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _simpler_assets() -> tuple[Asset, ...]:
    text = (files("vla_bench") / "simpler_assets.csv").read_text()
    return tuple(
        Asset(row["blob"], int(row["bytes"]) if row["bytes"] else None, row["path"])
        for row in csv.DictReader(text.splitlines())
    )
