"""Robot, controller, resting objects: against what SIMPLER itself does, where it was measured."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vla_bench.envs.tabletop.geometry import (
    matrix,
    quaternion_of,
    rotation_from_vector,
    rotation_vector,
)
from vla_bench.envs.tabletop.ik import InverseKinematics
from vla_bench.envs.tabletop.renderer import LOOKS
from vla_bench.envs.tabletop.robots.widowx import ARM, WIDOWX
from vla_bench.envs.tabletop.scenes.table import HOME, TABLE
from vla_bench.envs.tabletop.tasks.registry import TASKS
from vla_bench.envs.tabletop.world import World

RESPONSES = ("hold_open", "close", "px", "py", "pz", "rx", "ry")
SETTLED = {  # our task -> SIMPLER's task, our object -> SIMPLER's
    "spoon_on_towel": (
        "widowx_spoon_on_towel",
        {"spoon": "bridge_spoon_generated_modified", "towel": "table_cloth_generated_shorter"},
    ),
    "carrot_on_plate": (
        "widowx_carrot_on_plate",
        {"carrot": "bridge_carrot_generated_modified", "plate": "bridge_plate_objaverse_larger"},
    ),
    "stack_cube": (
        "widowx_stack_cube",
        {"green_block": "baked_green_cube_3cm", "yellow_block": "baked_yellow_cube_3cm"},
    ),
}
SMALL = st.floats(-1.5, 1.5, allow_nan=False)


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    look = LOOKS["fast"]
    return {name: World(task.scene, task.objects, look) for name, task in TASKS.items()}


@pytest.mark.parametrize("name", RESPONSES)
def test_the_arm_answers_commands_as_simplers_does(shared: Path, name: str) -> None:
    """Measured: at most 0.06 mm, 0.04 degrees and 0.06 mm of finger travel apart."""
    golden = json.loads((shared / "golden/simpler/controller_responses.json").read_text())
    response = golden["widowx_spoon_on_towel"][name]
    world = World(TABLE, {}, LOOKS["fast"])
    world.reset({})
    for row, state in zip(response["actions"], response["states"][1:], strict=True):
        world.step(np.array([*row[:6], (row[6] + 1.0) / 2.0]))  # SIMPLER's gripper: -1 to 1
        position, rotation = world.tcp_in_base()
        turned = rotation @ matrix(state["tcp_base_q"]).T
        assert np.linalg.norm(position - state["tcp_base_p"]) < 0.5e-3
        assert np.linalg.norm(rotation_vector(turned)) < np.deg2rad(0.2)
        assert np.abs(np.array(world.data.qpos[6:8]) - state["qpos"][6:]).max() < 0.2e-3


@pytest.mark.parametrize("task", SETTLED)
def test_objects_come_to_rest_where_simplers_do(
    shared: Path, worlds: dict[str, World], task: str
) -> None:
    """Measured: within 0.16 mm horizontally and vertically, and 0.8 degrees."""
    theirs, names = SETTLED[task]
    golden = json.loads((shared / "golden/simpler/settled_object_poses.json").read_text())
    assert len(golden[theirs]) == 16
    for episode in golden[theirs]:
        worlds[task].reset(TASKS[task].layouts[episode["episode_id"]])
        for ours, name in names.items():
            expected = episode["objects"][name]
            position, rotation = worlds[task].frame(ours)
            turned = rotation @ matrix(expected["q"]).T
            np.testing.assert_allclose(position, expected["p"], atol=0.5e-3)
            assert np.linalg.norm(rotation_vector(turned)) < np.deg2rad(1.5)


def test_the_basket_stands_where_simplers_invisible_target_comes_to_rest(
    shared: Path, worlds: dict[str, World]
) -> None:
    golden = json.loads((shared / "golden/simpler/settled_object_poses.json").read_text())
    world = worlds["eggplant_in_basket"]
    for episode in golden["widowx_put_eggplant_in_basket"]:
        world.reset(TASKS["eggplant_in_basket"].layouts[episode["episode_id"]])
        position, _ = world.frame("basket")
        expected = episode["objects"]["dummy_sink_target_plane"]["p"]
        np.testing.assert_allclose(position, expected, atol=0.7e-3)


@pytest.mark.parametrize("task", TASKS)
def test_everything_is_still_and_nothing_interpenetrates_when_an_episode_starts(
    worlds: dict[str, World], task: str
) -> None:
    world = worlds[task]
    for layout in TASKS[task].layouts:
        world.reset(layout)
        assert np.abs(world.data.qvel).max() < 1e-3
        assert min(contact.dist for contact in world.data.contact) > -1e-4
        before = {name: world.frame(name)[0] for name in world.objects}
        for _ in range(3):
            world.step(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]))
        for name, was in before.items():
            assert np.linalg.norm(world.frame(name)[0] - was) < 2e-4


def test_gripper_open_1_opens_the_fingers_and_0_closes_them() -> None:
    world = World(TABLE, {}, LOOKS["fast"])
    world.reset({})

    def gap_after(gripper_open: float) -> float:
        for _ in range(8):
            world.step(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, gripper_open]))
        left, right = (world.data.body(f"{side}_finger_link").xpos for side in ("left", "right"))
        return float(np.linalg.norm(left - right))

    closed, opened, half = gap_after(0.0), gap_after(1.0), gap_after(0.5)
    assert closed == pytest.approx(0.030, abs=5e-4)
    assert opened == pytest.approx(0.074, abs=5e-4)
    assert half == pytest.approx(0.052, abs=5e-4)
    assert world.gripper_open() == pytest.approx(0.5, abs=0.02)


def test_every_arm_joint_has_simplers_limits_and_drive() -> None:
    joints = {link.joint.name: link.joint for link in WIDOWX.links if link.joint is not None}
    assert tuple(joints)[:6] == ARM
    assert joints["elbow"].limits == pytest.approx((-2.146755, 1.605703), abs=1e-6)
    assert joints["waist"].drive.stiffness == 1169.7891719504198
    world = World(TABLE, {}, LOOKS["fast"])
    np.testing.assert_allclose(world.model.jnt_range[2], joints["elbow"].limits)


@settings(max_examples=50)
@given(st.tuples(SMALL, SMALL, SMALL))
def test_a_rotation_vector_survives_matrix_and_quaternion(vector: tuple[float, ...]) -> None:
    rotation = rotation_from_vector(np.array(vector))
    np.testing.assert_allclose(rotation_vector(rotation), vector, atol=1e-9)
    np.testing.assert_allclose(matrix(quaternion_of(rotation)), rotation, atol=1e-9)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


@settings(max_examples=50)
@given(st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=6))
def test_inverse_kinematics_reaches_what_forward_kinematics_says(offsets: list[float]) -> None:
    kinematics = _kinematics()
    start = np.array(HOME[:6])
    position, rotation = kinematics.forward(start + offsets)
    solution = kinematics.solve(position, rotation, start)
    assert solution is not None
    reached, turned = kinematics.forward(solution)
    assert np.linalg.norm(reached - position) < 1e-4
    assert np.linalg.norm(rotation_vector(turned @ rotation.T)) < 1e-4


def test_inverse_kinematics_admits_that_a_pose_is_out_of_reach() -> None:
    assert _kinematics().solve(np.array([2.0, 0.0, 0.0]), np.eye(3), np.array(HOME[:6])) is None


@functools.cache
def _kinematics() -> InverseKinematics:
    return InverseKinematics(WIDOWX)
