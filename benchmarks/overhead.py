"""What the harness itself costs per control step, beside a bare loop over the same env and policy.

    python benchmarks/overhead.py [--write]

Null env, null policy, one 256×256×3 image. CPU times are of all processes together. The last line
is JSON with every figure; --write also puts it into results/reference/overhead.json.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import null
from record import arguments, finish

from vla_bench.evaluate import evaluate
from vla_bench.lane import LaneConfig
from vla_bench.protocols import Request
from vla_bench.rollout import View, rollout

N_STEPS = 100
N_EPISODES = 30
REPEATS = 5


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def bare_loop() -> None:
    """The least that any harness must do: observe, act, step."""
    env, policy = null.NullEnv(N_EPISODES, N_STEPS), null.NullPolicy()
    for spec in env.episodes():
        env.reset(spec)
        done = False
        while not done:
            observation = env.observe(policy.cameras, privileged=False)
            row = policy.act([Request(spec.id, [observation], spec.seed)])[0][0]
            done = env.step(row).truncated


def in_process() -> None:
    env, policy = null.NullEnv(N_EPISODES, N_STEPS), null.NullPolicy()
    view = View.of(policy)
    for spec in env.episodes():
        rollout(env, spec, lambda seen: policy.act([Request("null", seen, 0)])[0], view)


def through_lanes(n_lanes: int, n_episodes: int, policy: null.NullPolicy) -> None:
    env = {"_target_": "null.NullEnv", "n_episodes": n_episodes, "horizon": N_STEPS}
    config = LaneConfig(env, None, 60.0)
    plan = null.NullEnv(n_episodes, N_STEPS).episodes()
    n_done = sum(1 for _ in evaluate(policy, config, n_lanes, plan))
    assert n_done == n_episodes


def cpu_ms_per_step(work: Callable[[int], None]) -> float:
    """Median CPU ms per step, opening and closing taken off by the difference of two lengths."""
    costs = []
    for _ in range(REPEATS):
        times = []
        for n_episodes in (1, N_EPISODES + 1):
            started = cpu_seconds()
            work(n_episodes)
            times.append(cpu_seconds() - started)
        costs.append((times[1] - times[0]) / (N_EPISODES * N_STEPS) * 1e3)
    return sorted(costs)[REPEATS // 2]


def observations_per_second(n_lanes: int, act_seconds: float) -> float:
    """Wall-clock rate, opening and closing taken off by the difference of two lengths."""
    times = []
    for per_lane in (1, 7):
        started = time.perf_counter()
        through_lanes(n_lanes, n_lanes * per_lane, null.NullPolicy(act_seconds=act_seconds))
        times.append(time.perf_counter() - started)
    return n_lanes * 6 * N_STEPS / (times[1] - times[0])


def best_wall_seconds(arguments: list[str], cwd: str) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=cwd, check=True, capture_output=True)
        best = min(best, time.perf_counter() - started)
    return best


def planning_seconds() -> float:
    """From the command to the start of the first cell of a 100-cell multirun, all names checked."""
    code = (
        "import sys, vla_bench.cli as cli; cli._eval_job = lambda config: sys.exit(0);"
        "cli.main(['eval', '-m', '--config-dir', '.', 'policy=uniform_random', 'env=nothing',"
        "'env.horizon=' + ','.join(map(str, range(1, 11))),"
        "'env.n_episodes=' + ','.join(map(str, range(10)))])"
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "env").mkdir()
        yaml = "_target_: null.NullEnv\nn_episodes: 1\nhorizon: 1\n"
        (Path(folder) / "env" / "nothing.yaml").write_text(yaml)
        return best_wall_seconds(["-c", code], folder)


def in_process_ms(work: Callable[[], None]) -> float:
    costs = []
    for _ in range(REPEATS):
        started = cpu_seconds()
        work()
        costs.append((cpu_seconds() - started) / (N_EPISODES * N_STEPS) * 1e3)
    return sorted(costs)[REPEATS // 2]


def main() -> None:
    options = arguments(__doc__).parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    figures: dict[str, float] = {}
    figures["bare loop, CPU ms/step"] = in_process_ms(bare_loop)
    rolled = in_process_ms(in_process)
    figures["in process over the bare loop, CPU ms/step"] = (
        rolled - figures["bare loop, CPU ms/step"]
    )
    for chunk in (1, 8):
        figures[f"through a lane, chunk {chunk}, CPU ms/step"] = cpu_ms_per_step(
            lambda n, chunk=chunk: through_lanes(1, n, null.NullPolicy(chunk))  # type: ignore[misc]
        )
    rate = observations_per_second(4, 0.020)
    ceiling = 4 / 0.020
    figures["4 lanes, policy 20 ms/batch, observations/s"] = rate
    figures["4 lanes, ratio to 4 answers per 20 ms"] = rate / ceiling
    figures["vla-bench --help, s"] = best_wall_seconds(["-m", "vla_bench.cli", "--help"], ".")
    figures["planning a 100-cell multirun, s"] = planning_seconds()
    figures["lane over in process, ratio"] = (
        figures["through a lane, chunk 1, CPU ms/step"] / rolled
    )
    finish("overhead", figures, options.write)


if __name__ == "__main__":
    main()
