"""How fast the tabletop suites simulate and draw.

    python benchmarks/simulation.py [--write]

CPU milliseconds are process time, median of many calls: comparable on a busy machine. The last
line is JSON with every figure; --write also puts it into results/reference/simulation.json. Of each
task:

- ``LOOK/SIZE/step_with_image_cpu_ms``: one control step (controller, physics, judgement) and its
  image; ``step_cpu_ms`` is the step alone.
- ``first_reset_cpu_ms``: of a scene that is not built yet, with its first image, in a process that
  has drawn such textures before; the first of all, which compiles shaders, too, is
  ``first_reset_in_process_cpu_ms``.
- ``reset_cpu_ms``: the next initial state of the same task, which reuses the compiled model.

Of each suite, from the median over its tasks: ``steps_per_second`` and ``frames_per_second``, of
one core; ``times_faster_than_sapien``, which is SIMPLER's control step with its image in SAPIEN at
640x480 or 640x512, on a machine of this class, over ours at 640x480. By wall time:
``N_lanes/episodes_per_second`` of the scripted expert with one 224x224 image per control step in N
processes; ``N_lanes/episode_cpu_seconds`` is what one episode costs then.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from record import arguments, finish

from vla_bench.envs.tabletop.renderer import LOOKS, check_rendering
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES, Suite

SIZES = ((224, 224), (640, 480))
DRAWN = [look.name for look in LOOKS.values() if not look.meshes]
STEP_WITH_IMAGE = "step_with_image_cpu_ms"
SAPIEN_MS = {"widowx": 100.0, "google_robot": 160.0}  # simpler.md 1.2, best of several runs
N_CALLS = 40
N_RESETS = 7
N_EPISODES = 2  # per process and suite
FORTH = np.array([0.01, 0.005, -0.005, 0.0, 0.0, 0.05, 1.0])


def main() -> None:
    options = arguments(__doc__).parse_args()
    print(f"drawn by {check_rendering()}")
    figures = {"load_average": os.getloadavg()[0]}
    for suite in SUITES.values():
        if suite.require is None:
            figures |= measure(suite)
            figures |= lanes(suite)
    finish("simulation", figures, options.write)


def measure(suite: Suite) -> dict[str, float]:
    """Every task of a suite, in every size and look that needs no files; then the suite."""
    tasks = {task: task_figures(task) for task in suite.tasks}
    of_suite = {
        name: statistics.median(figures[name] for figures in tasks.values())
        for name in next(iter(tasks.values()))
    }
    rates = {"steps_per_second": 1e3 / of_suite["step_cpu_ms"]}
    for look, size in itertools.product(DRAWN, SIZES):
        view = f"{look}/{size[0]}x{size[1]}"
        rates[f"{view}/frames_per_second"] = 1e3 / of_suite[f"{view}/{STEP_WITH_IMAGE}"]
    baseline = SAPIEN_MS.get(next(iter(suite.tasks.values())).scene.mount.robot.name)
    if baseline is not None:
        ours = of_suite[f"default/640x480/{STEP_WITH_IMAGE}"]
        rates["times_faster_than_sapien"] = baseline / ours
    for name in of_suite:
        slowest = max(tasks, key=lambda task: tasks[task][name])
        print(
            f"{suite.name} {name}: median {of_suite[name]:.1f}, "
            f"slowest {tasks[slowest][name]:.1f} ({slowest})"
        )
    of_tasks = {
        f"{task}/{name}": value
        for task, figures in tasks.items()
        for name, value in figures.items()
    }
    return {f"{suite.name}/{name}": value for name, value in {**rates, **of_tasks}.items()}


def task_figures(task: str) -> dict[str, float]:
    """CPU milliseconds of resets, of a step, and of a step with its image."""
    figures = {
        "first_reset_in_process_cpu_ms": first_reset(task),
        "first_reset_cpu_ms": statistics.median(first_reset(task) for _ in range(N_RESETS)),
        "reset_cpu_ms": next_reset(task),
    }
    figures["step_cpu_ms"] = _median(_stepping(_ready(task, SIZES[0], "fast"), False))
    for look, size in itertools.product(DRAWN, SIZES):
        cpu_ms = _median(_stepping(_ready(task, size, look), True))
        figures[f"{look}/{size[0]}x{size[1]}/{STEP_WITH_IMAGE}"] = cpu_ms
    return figures


def first_reset(task: str) -> float:
    """CPU milliseconds of a new env's first reset and image."""
    env = _env(task)
    before = time.process_time()
    env.reset(env.episodes()[0])
    env.observe(env.cameras, privileged=False)
    milliseconds = (time.process_time() - before) * 1e3
    env.close()
    return milliseconds


def next_reset(task: str) -> float:
    """CPU milliseconds of going to another initial state of the same task."""
    env = _env(task)
    specs = itertools.cycle(env.episodes())
    milliseconds = _median(lambda: env.reset(next(specs)), N_RESETS)
    env.close()
    return milliseconds


def lanes(suite: Suite) -> dict[str, float]:
    """Episodes per wall second and CPU seconds per episode with 1 and 2 processes."""
    figures = {}
    for n in (1, 2):
        wall, cpu = _play_in(n, suite.name)
        figures[f"{suite.name}/{n}_lanes/episodes_per_second"] = n * N_EPISODES / wall
        figures[f"{suite.name}/{n}_lanes/episode_cpu_seconds"] = cpu / (n * N_EPISODES)
    return figures


def _play_in(n_processes: int, suite: str) -> tuple[float, float]:
    """Wall and CPU seconds of `N_EPISODES` in each process, which have all warmed up."""
    with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
        pool.starmap(_play, [(suite, 0)] * n_processes, chunksize=1)  # imports
        started = time.perf_counter()
        cpu = pool.starmap(_play, [(suite, N_EPISODES)] * n_processes, chunksize=1)
        return time.perf_counter() - started, sum(cpu)


def _play(suite: str, n_episodes: int) -> float:
    """Let the expert play the suite's first task, drawing every step; CPU seconds."""
    task = next(iter(SUITES[suite].tasks))
    env = _env(task)
    before = time.process_time()
    for spec in env.episodes()[:n_episodes]:
        env.reset(spec)
        while not env.step(
            env.observe(env.cameras, privileged=True).privileged["expert_action"]
        ).truncated:
            pass
    return time.process_time() - before


def _env(task: str) -> TabletopEnv:
    return TabletopEnv([task], None, [0], SIZES[0], "default", "official", "none")


def _ready(task: str, size: tuple[int, int], look: str) -> TabletopEnv:
    env = TabletopEnv([task], 1, [0], size, look, "official", "none")
    env.reset(env.episodes()[0])
    return env


def _stepping(env: TabletopEnv, with_image: bool) -> Callable[[], Any]:
    """One control step, forth or back."""
    signs = itertools.cycle([1.0, -1.0])

    def step() -> None:
        env.step(next(signs) * FORTH)
        if with_image:
            env.observe(env.cameras, privileged=False)

    return step


def _median(call: Callable[[], Any], n_calls: int = N_CALLS) -> float:
    """Process milliseconds of `call`, after three calls to warm up."""
    for _ in range(3):
        call()
    seconds = []
    for _ in range(n_calls):
        before = time.process_time()
        call()
        seconds.append(time.process_time() - before)
    return statistics.median(seconds) * 1e3


if __name__ == "__main__":
    main()
