"""Messages between a lane and its parent: a socket, and shared memory for what is large.

An image through a socket costs both ends about three times the CPU that it costs through memory
(`benchmarks/overhead.py`). The two ends take turns: whoever has received copies the message out of
the memory before it answers, so one buffer serves both directions. Runs on Python 3.10.
"""

from __future__ import annotations

import mmap
import os
import socket
import tempfile
from multiprocessing.connection import Connection
from typing import Any

from vla_bench.wire import pack, unpack

_CAPACITY = 1 << 28  # bytes; pages that nobody writes to take no memory
_LARGE = 1 << 15  # bytes; from here on a message goes through the memory
_IN_SOCKET, _IN_MEMORY = b"s", b"m"


class Channel:
    """One end; `descriptors` are those of its socket and of the memory, and become its own."""

    def __init__(self, descriptors: tuple[int, int]) -> None:
        self.connection = Connection(descriptors[0])
        self._memory = mmap.mmap(descriptors[1], _CAPACITY)
        os.close(descriptors[1])

    def send(self, message: Any) -> None:
        """Raises BrokenPipeError or ConnectionResetError when the other end is gone."""
        data = pack(message)
        if _LARGE <= len(data) <= _CAPACITY:
            self._memory[: len(data)] = data
            self.connection.send_bytes(_IN_MEMORY + len(data).to_bytes(8, "little"))
        else:
            self.connection.send_bytes(_IN_SOCKET + data)

    def receive(self) -> Any:
        """The next message; blocks. Raises EOFError or OSError when the other end is gone."""
        data = self.connection.recv_bytes()
        if data[:1] == _IN_MEMORY:
            with memoryview(self._memory) as memory:
                return unpack(memory[: int.from_bytes(data[1:], "little")])
        return unpack(data[1:])

    def close(self) -> None:
        self.connection.close()
        self._memory.close()


def channel_pair() -> tuple[Channel, tuple[int, int]]:
    """One end, and the descriptors from which another process makes the other end."""
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile(dir=_memory_folder()) as file:
        file.truncate(_CAPACITY)
        memory = os.dup(file.fileno())
        return Channel((ours.detach(), os.dup(memory))), (theirs.detach(), memory)


def _memory_folder() -> str | None:
    """Where files live in memory; None (the usual temporary folder) where no such place is."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
