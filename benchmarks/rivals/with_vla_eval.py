"""The side of allenai's vla-eval. Run by rivals.py under an interpreter that has it.

Its own model server, websocket, orchestrator and episode runner around a null benchmark and a null
policy. Recording is off (`no_save`), since the other sides write nothing either; its batch size is
the number of clients and its waiting time the default, the fastest of the settings that its
documents name.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from multiprocessing.connection import Connection
from typing import Any

import anyio
import side
import vla_eval.api
from anyio.abc import TaskStatus
from vla_eval.benchmarks.base import StepBenchmark, StepResult
from vla_eval.model_servers.predict import PredictModelServer
from vla_eval.model_servers.serve import serve_async


class NullBenchmark(StepBenchmark):  # type: ignore[misc] # untyped where it is not installed
    """`null.NullEnv` under vla-eval's interface."""

    def __init__(self, n_steps: int) -> None:
        super().__init__()
        self._n_steps, self._n_done, self._image = n_steps, 0, side.image()

    def get_tasks(self) -> list[dict[str, Any]]:
        return [{"name": "null"}]

    def reset(self, task: dict[str, Any]) -> None:
        del task
        self._n_done = 0

    def step(self, action: dict[str, Any]) -> StepResult:
        assert action["actions"].shape == (side.ACTION_DIM,)
        self._n_done += 1
        return StepResult(obs=None, reward=0.0, done=self._n_done >= self._n_steps, info={})

    def make_obs(self, raw_obs: None, task: dict[str, Any]) -> dict[str, Any]:
        del raw_obs, task
        return {"images": {"front": self._image}, "task_description": side.INSTRUCTION}

    def get_step_result(self, step_result: StepResult) -> dict[str, Any]:
        return {"success": step_result.done}


class NullServer(PredictModelServer):  # type: ignore[misc] # untyped where it is not installed
    """`null.NullPolicy` under vla-eval's interface."""

    def __init__(self, case: side.Case) -> None:
        chunk = case.chunk if case.chunk > 1 else None
        super().__init__(chunk_size=chunk, max_batch_size=case.n_clients)
        self._case = case

    def predict_batch(self, obs_batch: list[Any], ctx_batch: list[Any]) -> list[dict[str, Any]]:
        del ctx_batch
        actions = side.infer(self._case)
        return [{"actions": actions if len(actions) > 1 else actions[0]} for _ in obs_batch]


def serve(case: side.Case, parent: Connection) -> None:
    class Listening(TaskStatus[int]):
        def started(self, value: int | None = None) -> None:
            parent.send(value)

    async def forever() -> None:
        await serve_async(NullServer(case), "127.0.0.1", 0, task_status=Listening())

    logging.disable(logging.ERROR)
    anyio.run(forever)


def connect(case: side.Case, port: int) -> side.Play:
    logging.disable(logging.ERROR)
    folder = tempfile.mkdtemp(prefix="vla-eval-")
    benchmark = {"benchmark": "with_vla_eval:NullBenchmark", "params": {"n_steps": case.n_steps}}

    def play(n_episodes: int) -> None:
        entry = {**benchmark, "episodes_per_task": n_episodes, "max_steps": case.n_steps}
        config = {"benchmarks": [entry], "output_dir": folder}
        url = f"ws://127.0.0.1:{port}"
        with contextlib.redirect_stdout(io.StringIO()):  # its summary; ours to talk over is stdout
            (result,) = vla_eval.api.run(config, server_url=url, no_save=True, docker=False)
        assert result["mean_success"] == 1.0, result

    return play


if __name__ == "__main__":
    side.obey_with_clients(side.Case.of_arguments(), serve, connect)
