"""What the sides have in common: the null env's numbers, and how a side is told to play.

A side is a process that owns all it needs (server, clients, lanes) and stays alive, so that
starting up is never measured: it prints ``ready``, then for each line ``<n>`` on its standard
input lets every client play n episodes and prints ``done``. Needs numpy alone: it runs under each
rival's own interpreter.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

INSTRUCTION = "do nothing"
ACTION_DIM = 7

Play = Callable[[int], None]


@dataclass(frozen=True)
class Case:
    """What is played.

    Attributes:
        n_steps: Length of every episode.
        chunk: Actions per inference.
        n_clients: Envs, each in a process of its own.
        act_seconds: Wall time of one inference, whatever its batch.
    """

    n_steps: int
    chunk: int
    n_clients: int
    act_seconds: float

    @classmethod
    def of_arguments(cls) -> Case:
        """Inverse of `arguments`."""
        parser = argparse.ArgumentParser()
        for name, kind in (("n_steps", int), ("chunk", int), ("n_clients", int)):
            parser.add_argument(f"--{name}", type=kind, required=True)
        parser.add_argument("--act_seconds", type=float, required=True)
        return cls(**vars(parser.parse_args()))

    def arguments(self) -> list[str]:
        return [f"--{name}={getattr(self, name)}" for name in self.__dataclass_fields__]


def image() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The image of `null.NullEnv`, (256, 256, 3): large blocks, which PNG packs fast and small."""
    blocks = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))


def infer(case: Case) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The null policy: a constant chunk (chunk, 7) after `act_seconds`."""
    if case.act_seconds:
        time.sleep(case.act_seconds)
    return np.zeros((case.chunk, ACTION_DIM), np.float32)


def obey(play: Play) -> None:
    """Do as standard input says until it ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        play(int(line))
        print("done", flush=True)


def obey_with_clients(
    case: Case,
    serve: Callable[[Case, Connection], None],
    connect: Callable[[Case, int], Play],
) -> None:
    """`obey` with a server in one process and `case.n_clients` clients in others.

    `serve` sends the port on which it listens; `connect` gives a client's `Play`.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    spawn.Process(target=serve, args=(case, theirs), daemon=True).start()
    theirs.close()  # so that a process that ends is noticed, here and below
    port = ours.recv()
    clients: list[Connection] = []
    for _ in range(case.n_clients):
        mine, other = spawn.Pipe()
        spawn.Process(target=_client, args=(case, port, connect, other), daemon=True).start()
        other.close()
        clients.append(mine)
    _hear(clients)

    def play(n_episodes: int) -> None:
        for client in clients:
            client.send(n_episodes)
        _hear(clients)

    obey(play)


def _hear(clients: Sequence[Connection]) -> None:
    for client in clients:
        client.recv()


def _client(
    case: Case, port: int, connect: Callable[[Case, int], Play], parent: Connection
) -> None:
    play = connect(case, port)
    parent.send("ready")
    with contextlib.suppress(EOFError):  # the parent has ended
        while True:
            play(parent.recv())
            parent.send("done")
