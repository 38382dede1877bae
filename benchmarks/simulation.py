"""How fast the tabletop suite simulates and draws.

    python benchmarks/simulation.py [--write]

CPU milliseconds are process time, median of many calls: comparable on a busy machine. Episodes per
second are wall time of the scripted expert with one 224x224 image per control step. The last line
is JSON with every figure; --write also puts it into results/reference/simulation.json.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from record import finish

from vla_bench.envs.tabletop.renderer import LOOKS, check_rendering
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.tasks.registry import TASKS

CAMERA = "3rd_view_camera"
SIZES = ((224, 224), (640, 480))
N_CALLS = 100
N_EPISODES = 6  # per process
FORTH = np.array([0.01, 0.005, -0.005, 0.0, 0.0, 0.05, 1.0])


def main() -> None:
    print(f"drawn by {check_rendering()}")
    figures: dict[str, float] = {}
    for task in TASKS:
        figures |= drawing(task)
        figures[f"{task}/control_step_cpu_ms"] = stepping(task)
    figures |= episodes()
    finish("simulation", figures)


def drawing(task: str) -> dict[str, float]:
    """CPU milliseconds and wall frames per second of one image, by look and size."""
    figures = {}
    for look in LOOKS:
        for size in SIZES:
            env = _ready(task, size, look)
            cpu_ms, per_second = _measure(partial(env.observe, [CAMERA], privileged=False))
            name = f"{task}/{look}/{size[0]}x{size[1]}"
            figures[f"{name}/frame_cpu_ms"] = cpu_ms
            figures[f"{name}/frames_per_second"] = per_second
            env.close()
    return figures


def stepping(task: str) -> float:
    """CPU milliseconds of one control step without drawing: controller, physics, judgement."""
    env = _ready(task, (32, 32), "fast")
    sign = [1.0]

    def back_and_forth() -> None:
        sign[0] = -sign[0]
        env.step(sign[0] * FORTH)

    return _measure(back_and_forth)[0]


def episodes() -> dict[str, float]:
    """Episodes per wall second with 1 and 2 processes, and their ratio."""
    rates = {n: _episodes_per_second(n) for n in (1, 2)}
    return {
        "episodes_per_second/1_process": rates[1],
        "episodes_per_second/2_processes": rates[2],
        "episodes_per_second/ratio": rates[2] / rates[1],
    }


def _episodes_per_second(n_processes: int) -> float:
    context = multiprocessing.get_context("spawn")
    with context.Pool(n_processes) as pool:
        pool.map(_play, [0] * n_processes, chunksize=1)  # imports, compiles, warms up
        started = time.perf_counter()
        pool.map(_play, [N_EPISODES] * n_processes, chunksize=1)
        return n_processes * N_EPISODES / (time.perf_counter() - started)


def _play(n_episodes: int) -> None:
    """Let the expert play the first episodes of the carrot task, drawing every step."""
    env = TabletopEnv(["carrot_on_plate"], 24, [0], (224, 224), "default", "official", "none")
    for spec in env.episodes()[:n_episodes]:
        env.reset(spec)
        while not env.step(
            env.observe([CAMERA], privileged=True).privileged["expert_action"]
        ).truncated:
            pass


def _ready(task: str, size: tuple[int, int], look: str) -> TabletopEnv:
    env = TabletopEnv([task], 1, [0], size, look, "official", "none")
    env.reset(env.episodes()[0])
    return env


def _measure(call: Callable[[], Any]) -> tuple[float, float]:
    """Median process milliseconds and wall rate of `call`, after three calls to warm up."""
    for _ in range(3):
        call()
    seconds = []
    started = time.perf_counter()
    for _ in range(N_CALLS):
        before = time.process_time()
        call()
        seconds.append(time.process_time() - before)
    return statistics.median(seconds) * 1e3, N_CALLS / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
