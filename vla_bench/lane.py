"""An Env in a process of its own, maybe under another interpreter: the parent's end of the pipe.

The child runs `lane_child.serve`. An exception in it ends it with a traceback in its log: the
parent records that and opens a fresh lane, so no broken state is ever used again. Messages are
dicts with a "kind":

    parent -> child   open {env} | run {spec, view} | chunk {chunk} | abort
    child -> parent   description {...} | refused {text}
                      question {observations} | record {record, actions}
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from vla_bench.actions import ActionSpec, Dimension
from vla_bench.channel import channel_pair
from vla_bench.episode import EpisodeRecord, EpisodeSpec
from vla_bench.errors import ConfigError, EnvError
from vla_bench.protocols import Observation
from vla_bench.rollout import View

# Run by the child's interpreter. It makes our packages importable by their folders, and nothing
# else: the folder they lie in may hold packages of another Python version.
_BOOTSTRAP = """
import importlib.util, sys
folders = dict(pair.split("=", 1) for pair in sys.argv[2:])
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in folders:
            return importlib.util.spec_from_file_location(
                name, folders[name] + "/__init__.py", submodule_search_locations=[folders[name]])
sys.meta_path.insert(0, Finder)
from vla_bench.lane_child import serve
serve(*map(int, sys.argv[1].split(",")))
"""
_ONE_CORE = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "LP_NUM_THREADS": "0",  # llvmpipe draws in the thread that asks, not in one beside it
}
_LOG_TAIL = 6000  # bytes of a dead lane's log that go into the record


@dataclass(frozen=True)
class LaneConfig:
    """How to open a lane.

    Attributes:
        env: The env's config: ``_target_`` and its arguments.
        python: Interpreter that runs it; None for this one.
        timeout_seconds: Longest silence of a lane that owes a message; then it counts as hung.
    """

    env: Mapping[str, Any]
    python: str | None
    timeout_seconds: float


@dataclass(frozen=True)
class Description:
    """What an env says of itself."""

    name: str
    action_spec: ActionSpec
    cameras: tuple[str, ...]
    card: Mapping[str, Any]
    episodes: tuple[EpisodeSpec, ...]


class LaneClosedError(EnvError):
    """The lane's process has ended; the text holds the end of its log."""


class Lane:
    """The parent's end. Opening returns at once; the description is the first message."""

    def __init__(self, config: LaneConfig) -> None:
        self._channel, theirs = channel_pair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        ends = ",".join(map(str, theirs))
        command = [config.python or sys.executable, "-c", _BOOTSTRAP, ends]
        environment = {**_ONE_CORE, **os.environ}
        try:
            self._process = subprocess.Popen(
                [*command, *(f"{name}={folder}" for name, folder in _package_folders().items())],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=environment,
            )
        except OSError as error:
            self._channel.close()
            self._log.close()
            raise EnvError(
                f"Cannot start the lane's interpreter {command[0]!r}: {error.strerror}. Set "
                "lane_python to a Python that has the env's packages, numpy and msgpack."
            ) from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.send({"kind": "open", "env": config.env})

    @property
    def connection(self) -> Connection:
        """To wait for messages on."""
        return self._channel.connection

    def send(self, message: Mapping[str, Any]) -> None:
        """A child that has ended is noticed by the next `receive`, not here."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(message)

    def receive(self) -> dict[str, Any]:
        """The child's next message; blocks.

        Raises LaneClosedError when the child has ended, ConfigError when it refused its config.
        """
        try:
            message: dict[str, Any] = self._channel.receive()
        except (EOFError, OSError) as error:
            raise self._closed() from error
        if message["kind"] == "refused":
            raise ConfigError(message["text"])
        return message

    def run(self, spec: EpisodeSpec, view: View) -> None:
        """Start an episode; questions and a record follow."""
        self.send({"kind": "run", "spec": asdict(spec), "view": asdict(view)})

    def describe(self, timeout_seconds: float) -> Description:
        """Wait for the description, the first message of every lane."""
        if not self.connection.poll(timeout_seconds):
            raise EnvError(
                f"The env did not open within {timeout_seconds:g} s. Log:\n{self.log_tail()}"
            )
        return _description(self.receive())

    def first_question(self, spec: EpisodeSpec, view: View, timeout_seconds: float) -> Any:
        """Begin an episode and wait for what it shows first. Raises EnvError when it hangs."""
        self.run(spec, view)
        if not self.connection.poll(timeout_seconds):
            raise EnvError(
                f"The env said nothing for {timeout_seconds:g} s at the start of {spec.id} (it "
                f"hangs?). Log:\n{self.log_tail()}"
            )
        return self.receive()

    def log_tail(self) -> str:
        """The end of what the child printed."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL))
        return self._log.read().decode(errors="replace").strip()

    def close(self) -> None:
        """End the child, at once and in any state."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _closed(self) -> LaneClosedError:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return LaneClosedError(f"The env's process closed its pipe.\n{self.log_tail()}")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return LaneClosedError(f"The env's process ended with {how}.\n{self.log_tail()}")


def observations_of(message: Mapping[str, Any]) -> tuple[Observation, ...]:
    """The observations in a "question", oldest first."""
    return tuple(Observation(**o) for o in message["observations"])


def record_of(message: Mapping[str, Any]) -> EpisodeRecord:
    """The record in a "record"."""
    return EpisodeRecord.from_dict(message["record"], message["actions"])


def _package_folders() -> dict[str, str]:
    """Our packages that a lane may import -> the folder that holds each."""
    folders = {"vla_bench": str(Path(__file__).resolve().parent)}
    envs = importlib.util.find_spec("vla_bench.envs")
    if envs is not None and envs.submodule_search_locations:
        folders["vla_bench.envs"] = next(iter(envs.submodule_search_locations))
    return folders


def _description(message: Mapping[str, Any]) -> Description:
    return Description(
        name=message["name"],
        action_spec=ActionSpec(tuple(Dimension(**d) for d in message["action_spec"])),
        cameras=tuple(message["cameras"]),
        card=message["card"],
        episodes=tuple(EpisodeSpec(**spec) for spec in message["episodes"]),
    )
