"""Locks that processes of one machine, or of several on one file system, give way to."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, waits: bool) -> Iterator[None]:
    """Nobody else is inside with the same `path`; the system frees it when its holder dies.

    Raises BlockingIOError when somebody is and `waits` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
