"""What a person reads at 3 a.m.: every error names what was expected, what came, what to type.

Knows no other module. `VlaBenchError` is what the command line prints without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VlaBenchError(Exception):
    """Base of every error whose text is written for the user."""


class ConfigError(VlaBenchError):
    """A name, override or value that the configuration does not allow."""


class ActionSpecError(VlaBenchError):
    """Policy and env disagree on what an action means."""


class PolicyError(VlaBenchError):
    """A policy broke its contract (shape, NaN, blindness)."""


class EnvError(VlaBenchError):
    """An env broke its contract, or its process crashed or hung."""


class StoreError(VlaBenchError):
    """A results folder cannot be used: other configuration, locked, disk full, damaged."""


class MissingDependencyError(VlaBenchError):
    """An optional package or system library is absent; the text gives the install line."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> ConfigError:
    """Error for a misspelt `name`: the nearest valid one first, then all of them."""
    names = sorted(valid)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return ConfigError(f"Unknown {kind} {name!r}.{hint} Valid: {', '.join(names) or 'none'}.")
