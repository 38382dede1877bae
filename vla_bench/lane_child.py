"""The child's end of a lane: builds the env, plays episodes, asks its parent for every chunk.

Runs on Python 3.10 with numpy and msgpack alone (the env may need more). The messages are those of
`lane.py`.
"""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from vla_bench.channel import Channel
from vla_bench.construct import construct
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import VlaBenchError
from vla_bench.protocols import Env, FloatArray, Observation
from vla_bench.rollout import View, rollout


class _AbortedError(Exception):
    """The parent gave up this episode; the env lives on."""


class _HungUpError(Exception):
    """The parent is gone. What an env raises, EOFError included, is never taken for this."""


@dataclass(frozen=True)
class _Parent:
    """The other end of the channel."""

    channel: Channel

    def tell(self, message: Mapping[str, Any]) -> None:
        with _hanging_up():
            self.channel.send(message)

    def hear(self) -> Mapping[str, Any]:
        with _hanging_up():
            message: Mapping[str, Any] = self.channel.receive()
        return message


@contextmanager
def _hanging_up() -> Iterator[None]:
    try:
        yield
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        raise _HungUpError from error


def serve(socket: int, memory: int) -> None:
    """Serve one env, one episode after another, until the parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    faulthandler.enable()  # a crash in an env's compiled code leaves its Python lines in the log
    parent = _Parent(Channel((socket, memory)))
    with suppress(_HungUpError):
        try:
            env: Env = construct(parent.hear()["env"])
        except VlaBenchError as error:  # written for the user, who needs no traceback
            parent.tell({"kind": "refused", "text": str(error)})
            return
        parent.tell({"kind": "description", **_describe(env)})
        try:
            while True:
                _serve_episode(env, parent, parent.hear())
        except _HungUpError:
            env.close()


def _serve_episode(env: Env, parent: _Parent, message: Mapping[str, Any]) -> None:
    if message["kind"] == "abort":  # of an episode that has already ended
        return
    view = View(**{**message["view"], "cameras": tuple(message["view"]["cameras"])})

    def ask(observations: Sequence[Observation]) -> FloatArray:
        question = [vars(o) for o in observations]  # asdict would copy every image
        parent.tell({"kind": "question", "observations": question})
        answer = parent.hear()
        if answer["kind"] == "abort":
            raise _AbortedError
        chunk: FloatArray = answer["chunk"]
        return chunk

    try:
        record = rollout(env, EpisodeSpec(**message["spec"]), ask, view)
    except _AbortedError:
        return
    parent.tell({"kind": "record", "record": record.to_dict(), "actions": record.actions})


def _describe(env: Env) -> dict[str, Any]:
    return {
        "name": env.name,
        "action_spec": [asdict(d) for d in env.action_spec.dimensions],
        "cameras": list(env.cameras),
        "card": dict(env.card),
        "episodes": [asdict(spec) for spec in env.episodes()],
    }
