"""The side of openpi-client. Run by rivals.py under an interpreter that has it.

The client is the package's own (`WebsocketClientPolicy`, `ActionChunkBroker` where a chunk is
played out). Its server is not on PyPI; the one here speaks its wire with the package's own codec
and, like openpi's, calls the policy inside the event loop, one request at a time.
"""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection

import side
import websockets.asyncio.server
from openpi_client import msgpack_numpy
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy


def serve(case: side.Case, parent: Connection) -> None:
    asyncio.run(_serve(case, parent))


async def _serve(case: side.Case, parent: Connection) -> None:
    packer = msgpack_numpy.Packer()

    async def answer(connection: websockets.asyncio.server.ServerConnection) -> None:
        await connection.send(packer.pack({}))
        async for message in connection:
            msgpack_numpy.unpackb(message)
            await connection.send(packer.pack({"actions": side.infer(case)}))

    listening = websockets.asyncio.server.serve(
        answer, "127.0.0.1", 0, compression=None, max_size=None
    )
    async with listening as server:
        parent.send(next(iter(server.sockets)).getsockname()[1])
        await server.serve_forever()


def connect(case: side.Case, port: int) -> side.Play:
    client = WebsocketClientPolicy("127.0.0.1", port)
    policy = ActionChunkBroker(client, case.chunk) if case.chunk > 1 else client
    front = side.image()

    def play(n_episodes: int) -> None:
        for _ in range(n_episodes):
            policy.reset()
            for _ in range(case.n_steps):
                actions = policy.infer({"observation/image": front, "prompt": side.INSTRUCTION})
                assert actions["actions"].shape[-1] == side.ACTION_DIM

    return play


if __name__ == "__main__":
    side.obey_with_clients(side.Case.of_arguments(), serve, connect)
