"""What holds for every task of every suite, whatever it is about.

Contracts are in `test_tabletop_gym.py`, what experts reach in each suite's own file.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from vla_bench.envs.tabletop.renderer import LOOKS
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.envs.tabletop.tasks.put_on import MAX_GRASP_ANGLE
from vla_bench.envs.tabletop.world import World
from vla_bench.episode import EpisodeSpec
from vla_bench.protocols import FloatArray, Observation

# Photographed suites need files; `test_visual_matching*.py` ask other things of them.
TASKS = {
    name: task
    for suite in SUITES.values()
    if suite.require is None
    for name, task in suite.tasks.items()
}
# Drawers, pots that are tilted over and boxes that are knocked over are pushed, not carried.
CARRIED = [
    name
    for name in TASKS
    if "drawer" not in name.removesuffix("closed_top_drawer")
    and not name.startswith("knock")
    and name != "flip_pot_upright"
]
RAISED = 0.03  # m
ASIDE = {"widowx": (-0.015, 0.04), "panda": (0.0, 0.04), "google_robot": (-0.03, 0.04)}
"""Robot -> where its hand can go from anywhere, m per step; y to the other side of the base."""


def start(env: TabletopEnv, task: str, index: int) -> Observation:
    env.reset(EpisodeSpec(f"{task}-{index}", task, index, 0))
    return env.observe(env.cameras, privileged=False)


def image_hash(seen: Observation) -> str:
    return hashlib.sha256(b"".join(image.tobytes() for image in seen.images.values())).hexdigest()


def fingerprint(task: str) -> list[str]:
    """First images of the first and the last initial state; then all that two steps show."""
    env = TabletopEnv([task], None, [0], [64, 64], "fast", "official", "none")
    hashes = [image_hash(start(env, task, index)) for index in (len(TASKS[task].layouts) - 1, 0)]
    digest = hashlib.sha256()
    for _ in range(2):
        seen = env.observe([], privileged=True)
        for values in (*seen.proprio.values(), *seen.privileged.values()):
            digest.update(np.ascontiguousarray(values).data)
        step = env.step(seen.privileged["expert_action"])
        digest.update(repr((step.success, step.score, sorted(step.events))).encode())
    env.close()
    return [*hashes, digest.hexdigest()]


@pytest.fixture(scope="module")
def fingerprints() -> dict[str, list[str]]:
    return {task: fingerprint(task) for task in TASKS}


def test_another_process_in_another_order_sees_every_task_the_same_to_the_last_bit(
    fingerprints: dict[str, list[str]],
) -> None:
    code = (
        "import json, test_tabletop_suites as t; "
        "print(json.dumps({n: t.fingerprint(n) for n in reversed(t.TASKS)}))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(other.stdout) == fingerprints


def test_the_first_images_of_two_initial_states_differ(
    fingerprints: dict[str, list[str]],
) -> None:
    alike = [task for task, (last, first, _) in fingerprints.items() if last == first]
    assert alike == []


def carried(world: World, settled: dict[str, FloatArray]) -> str | None:
    """The object that the robot has grasped and raised, if any."""
    for name, where in settled.items():
        raised = world.centre_of_mass(name)[2] - where[2]
        if raised > RAISED and world.is_grasped(name, MAX_GRASP_ANGLE):
            return name
    return None


def in_hand(world: World, name: str) -> FloatArray:
    """Where an object's centre of mass is in the tool's frame, (3,) m."""
    position, rotation = world.tcp_in_base()
    return np.asarray(rotation.T @ (world.in_base(world.centre_of_mass(name)) - position))


@pytest.mark.parametrize("name", CARRIED)
def test_what_the_expert_has_grasped_stays_in_the_hand_for_30_cm(name: str) -> None:
    task = TASKS[name]
    world = World(task.scene, task.objects, LOOKS["fast"])
    world.reset(task.layouts[0], task.home(0))
    expert, judge = task.asked(0).expert(world), task.asked(0).goal.start(world)
    loose = [each for each, kind in world.objects.items() if not kind.fixed]
    settled = {each: world.centre_of_mass(each) for each in loose}
    for _ in range(task.horizon):
        world.step(expert.act())
        judge.judge()
        held = carried(world, settled)
        if held is not None:
            break
    assert held is not None
    before = in_hand(world, held)
    lifted, _ = world.tcp_in_base()
    x, y = ASIDE[world.robot.name]
    for _ in range(3):  # over what stands around
        world.step(np.array([0.0, 0.0, 0.04, 0.0, 0.0, 0.0, 0.0]))
    for _ in range(30):
        world.step(np.array([x, -np.copysign(y, lifted[1]), 0.0, 0.0, 0.0, 0.0, 0.0]))
        assert world.is_grasped(held, MAX_GRASP_ANGLE)
        if np.linalg.norm(world.tcp_in_base()[0] - lifted) > 0.3:
            break
    assert np.linalg.norm(world.tcp_in_base()[0] - lifted) > 0.3
    assert np.linalg.norm(in_hand(world, held) - before) < 0.02
