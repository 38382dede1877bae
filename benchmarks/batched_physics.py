"""What MuJoCo's own batches gain over one model after the other.

    python benchmarks/batched_physics.py [--write]

The same control steps, driven by constant joint targets, of several copies of one task: in a loop
of `mujoco.mj_step`, as `World.step` does it; with `mujoco.rollout`; with `mujoco.batch`. All must
end in the same state to the last bit. Microseconds are of one substep of one copy, process time,
which counts every thread; ``wall`` is time on the clock, which only an idle machine makes
comparable. The last line is JSON with every figure.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import mujoco
import numpy as np
from mujoco import batch, rollout
from record import arguments, finish

from vla_bench.envs.tabletop.renderer import LOOKS
from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

TASKS = {
    "widowx_simpler_tabletop-v0": "carrot_on_plate",
    "google_robot_simpler_tabletop-v0": "move_near",
    "franka_tabletop-v0": "move_object_onto_plate",
}
N_COPIES = 8
N_SUBSTEPS = 400  # ten control steps of the WidowX
N_RUNS = 5
STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS.value


def main() -> None:
    options = arguments(__doc__).parse_args()
    figures = {"load_average": os.getloadavg()[0]}
    for suite, name in TASKS.items():
        task = SUITES[suite].tasks[name]
        world = World(task.scene, task.objects, LOOKS["fast"])
        world.reset(task.layouts[0], task.home(0))
        ends = {}
        for way, run in ways(world.model, world.data).items():
            ends[way] = run()
            cpu, wall = _measure(run)
            figures[f"{name}/{way}/substep_cpu_us"] = cpu
            figures[f"{name}/{way}/substep_wall_us"] = wall
        differ = [way for way, end in ends.items() if not np.array_equal(end, ends["loop"])]
        assert not differ, f"{name}: {differ} end elsewhere than the loop"
    finish("batched_physics", figures, options.write)


def ways(model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, Callable[[], FloatArray]]:
    """Each runs `N_SUBSTEPS` of every copy from the present state: end states (copies, n)."""
    start = np.empty(mujoco.mj_stateSize(model, STATE))
    mujoco.mj_getState(model, data, start, STATE)
    starts, targets = np.tile(start, (N_COPIES, 1)), data.ctrl.copy()
    controls = np.broadcast_to(targets, (N_COPIES, N_SUBSTEPS, model.nu)).copy()

    def loop() -> FloatArray:
        ends, copy = np.empty_like(starts), mujoco.MjData(model)
        for end in ends:
            mujoco.mj_resetData(model, copy)
            mujoco.mj_setState(model, copy, start, STATE)
            copy.ctrl[:] = targets
            mujoco.mj_step(model, copy, nstep=N_SUBSTEPS)
            mujoco.mj_getState(model, copy, end, STATE)
        return ends

    def rolled(n_threads: int) -> Callable[[], FloatArray]:
        pool = rollout.Rollout(nthread=n_threads)
        copies = [mujoco.MjData(model) for _ in range(max(n_threads, 1))]

        def run() -> FloatArray:
            states, _ = pool.rollout(model, copies, starts, controls)
            return np.asarray(states[:, -1])

        return run

    def batched(n_threads: int) -> Callable[[], FloatArray]:
        copies = batch.Batch(model, N_COPIES, nthread=n_threads)
        record = [STATE]

        def run() -> FloatArray:
            copies.reset(stage=mujoco.mjtStage.mjSTAGE_NONE)
            copies.bind("qpos")[:], copies.bind("qvel")[:] = data.qpos, data.qvel
            out = copies.rollout(N_SUBSTEPS, controls, record=record)
            return np.asarray(next(iter(out.values()))[:, -1])

        return run

    return {
        "loop": loop,
        "rollout_1_thread": rolled(0),
        "rollout_2_threads": rolled(2),
        "batch_1_thread": batched(1),
        "batch_2_threads": batched(2),
    }


def _measure(run: Callable[[], FloatArray]) -> tuple[float, float]:
    """Microseconds of process and of wall time per substep of one copy, medians."""
    cpu, wall = [], []
    for _ in range(N_RUNS):
        before, started = time.process_time(), time.perf_counter()
        run()
        cpu.append(time.process_time() - before)
        wall.append(time.perf_counter() - started)
    each = 1e6 / (N_COPIES * N_SUBSTEPS)
    return statistics.median(cpu) * each, statistics.median(wall) * each


if __name__ == "__main__":
    main()
