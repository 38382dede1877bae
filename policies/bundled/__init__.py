"""Weights that come with the package: small, and trained by us on demonstrations of our own envs.

One folder per model: its weights (bfloat16 but for what normalizes), its config, and `card.md`,
which says what it was trained on, by which command, and how well it does. A config asks for one as
``policy.checkpoint=bundled:NAME``.
"""

from __future__ import annotations

from pathlib import Path

from vla_bench.errors import unknown_name

PREFIX = "bundled:"
MAX_BYTES = 16_000_000
"""Of one model's weights; a wheel should stay a quick download."""

ROOT = Path(__file__).parent


def names() -> list[str]:
    """Models there are."""
    return sorted(path.parent.name for path in ROOT.glob("*/card.md"))


def checkpoint_folder(checkpoint: str) -> Path:
    """Where `checkpoint` is: ``bundled:NAME`` in this package, anything else is a path.

    Raises ConfigError for a name that is not bundled.
    """
    if not checkpoint.startswith(PREFIX):
        return Path(checkpoint).expanduser()
    name = checkpoint.removeprefix(PREFIX)
    if name not in names():
        raise unknown_name("bundled model", name, names())
    return ROOT / name
