"""A run on disk: the only hand-over between running and reporting.

    results/mine/
        run.json        identity (what was asked), plan, one entry per session (provenance)
        episodes.jsonl  one `EpisodeRecord` a line, appended and flushed as episodes finish
        actions/        <episode id>.npy, (n_steps, dim) float64
        videos/         <episode id>.mp4, for a few episodes

A torn last line (the process was killed while writing) is dropped and its episode runs again.
Where an episode has several lines, the last one counts: errors are retried on resume.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vla_bench.episode import EpisodeRecord, EpisodeSpec, Outcome
from vla_bench.errors import StoreError

FORMAT = 1
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=,+-]*")


@dataclass(frozen=True)
class Run:
    """A run as read from disk. `records` holds the last record of each episode, by id."""

    folder: Path
    identity: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]
    plan: tuple[EpisodeSpec, ...]
    records: Mapping[str, EpisodeRecord]

    @property
    def pending(self) -> tuple[EpisodeSpec, ...]:
        """Planned episodes without an outcome yet: never run, or ended in an error."""
        done = {i for i, r in self.records.items() if r.outcome is not Outcome.ERROR}
        return tuple(spec for spec in self.plan if spec.id not in done)

    def video(self, episode_id: str) -> Path:
        """Where the episode's video is, if it has one."""
        return self.folder / "videos" / f"{episode_id}.mp4"


def read_run(folder: Path, actions: bool = True) -> Run:
    """Read a run folder. Raises StoreError when it is none, or is damaged before its last line.

    Without `actions` the records' actions are left empty: tables do not need them.
    """
    if not (folder / "run.json").is_file():
        raise StoreError(
            f"{folder} is not a run: it has no run.json. Expected the output folder of "
            "`vla-bench eval`; list yours with: find results -name run.json"
        )
    head = json.loads((folder / "run.json").read_text())
    if head["format"] != FORMAT:
        raise StoreError(f"{folder}: run.json has format {head['format']}, expected {FORMAT}.")
    plan = tuple(EpisodeSpec(**spec) for spec in head["plan"])
    return Run(folder, head["identity"], head["sessions"], plan, _read_records(folder, actions))


def _read_records(folder: Path, with_actions: bool) -> dict[str, EpisodeRecord]:
    path = folder / "episodes.jsonl"
    if not path.exists():
        return {}
    records: dict[str, EpisodeRecord] = {}
    complete_lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline is torn
    for number, line in enumerate(complete_lines, start=1):
        try:
            data = json.loads(line)
            kept = folder / "actions" / f"{data['spec']['id']}.npy"
            actions = np.load(kept) if with_actions else np.zeros((0, 0))
            record = EpisodeRecord.from_dict(data, actions)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise StoreError(
                f"{path}, line {number} cannot be read ({type(error).__name__}: {error}). Delete "
                "that line and run the same command again: its episode will be repeated."
            ) from error
        records[record.spec.id] = record
    return records


class RunWriter:
    """The one process that may write to a run folder. A context manager: leaving it unlocks."""

    def __init__(self, folder: Path, run: Run, lock: int) -> None:
        self.folder = folder
        self.run = run
        self._lock = lock
        self._lines = (folder / "episodes.jsonl").open("ab")

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *raised: object) -> None:
        with contextlib.suppress(OSError):  # `append` has said that its line cannot be written
            self._lines.close()
        os.close(self._lock)

    def append(self, record: EpisodeRecord) -> None:
        """Actions first, then the line that makes the episode count."""
        path = self.folder / "actions" / f"{record.spec.id}.npy"
        line = json.dumps(record.to_dict(), allow_nan=False).encode() + b"\n"
        try:
            partial = path.with_suffix(".partial")
            with partial.open("wb") as stream:
                np.save(stream, record.actions)
            partial.replace(path)
            self._lines.write(line)
            self._lines.flush()
        except OSError as error:
            raise _cannot_write(self.folder, error) from error


def start(
    folder: Path,
    identity: Mapping[str, Any],
    plan: Sequence[EpisodeSpec],
    session: Mapping[str, Any],
) -> RunWriter:
    """Begin a run in `folder`, or take up the one that is there.

    Raises StoreError when another process writes to the folder, when it holds a run of another
    identity or plan (the difference is shown), and when the disk refuses.
    """
    _check_ids(plan)
    try:
        (folder / "actions").mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            lock = _lock(folder)
            held.callback(os.close, lock)
            writer = RunWriter(folder, _take_up(folder, identity, plan, session), lock)
            held.pop_all()  # from here on the writer holds the lock
            return writer
    except OSError as error:
        raise _cannot_write(folder, error) from error


def write_json(path: Path, data: Any) -> None:
    """Write atomically: readers see the old file or the new one, never half."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
    partial.replace(path)


def _take_up(
    folder: Path,
    identity: Mapping[str, Any],
    plan: Sequence[EpisodeSpec],
    session: Mapping[str, Any],
) -> Run:
    asked = json.loads(json.dumps({"identity": identity, "plan": [asdict(s) for s in plan]}))
    sessions: list[Mapping[str, Any]] = []
    if (folder / "run.json").exists():
        there = read_run(folder)
        held = {**there.identity, "plan": [asdict(s) for s in there.plan]}
        changed = differences(held, {**asked["identity"], "plan": asked["plan"]})
        if changed:
            raise StoreError(
                f"{folder} holds a run of another configuration (there -> asked for):\n"
                + "\n".join(f"  {line}" for line in changed[:20])
                + "\nGive this run a folder of its own with output=..., or delete that one."
            )
        sessions = list(there.sessions)
        _drop_torn_line(folder / "episodes.jsonl")
        if not there.pending:
            return there  # nothing will be played, by no session
    write_json(
        folder / "run.json", {"format": FORMAT, **asked, "sessions": [*sessions, dict(session)]}
    )
    return read_run(folder)


def differences(left: Any, right: Any, key: str = "") -> list[str]:
    """One line ``dotted.key: left -> right`` per difference between two JSON values."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys = sorted({*left, *right})
        absent = "(absent)"
        names = {k: f"{key}.{k}" if key else k for k in keys}
        pairs = [(names[k], left.get(k, absent), right.get(k, absent)) for k in keys]
        return [line for path, a, b in pairs for line in differences(a, b, path)]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = [(f"{key}[{i}]", a, b) for i, (a, b) in enumerate(zip(left, right))]
        return [line for path, a, b in pairs for line in differences(a, b, path)]
    if left == right:
        return []
    return [f"{key}: {_short(left)} -> {_short(right)}"]


def _short(value: Any) -> str:
    text = f"{len(value)} entries" if isinstance(value, list) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb+") as stream:
        stream.truncate(stream.read().rfind(b"\n") + 1)


def _lock(folder: Path) -> int:
    """An open file descriptor that holds the folder's lock until it is closed or we die."""
    path = folder / "run.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 100, 0).decode() or "unknown"
        os.close(descriptor)
        raise StoreError(
            f"{folder} is being written by another process ({holder}). Wait for it, stop it, or "
            "give this run a folder of its own with output=..."
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()} on {os.uname().nodename}".encode(), 0)
    return descriptor


def _check_ids(plan: Sequence[EpisodeSpec]) -> None:
    ids = [spec.id for spec in plan]
    unsafe = [i for i in ids if not _SAFE_ID.fullmatch(i)]
    if unsafe:
        raise StoreError(f"Episode id {unsafe[0]!r} is not safe as a file name.")
    if len(set(ids)) != len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise StoreError(f"The plan holds episode {twice!r} twice; ids must be unique.")


def _cannot_write(folder: Path, error: OSError) -> StoreError:
    cure = "Free space or fix the permissions"
    if error.errno == errno.ENAMETOOLONG:
        cure = "Give the run a shorter name with output=..."
    return StoreError(
        f"Cannot write to {folder}: {error.strerror or error}. {cure}, then run the same command "
        "again: every finished episode is kept."
    )
