"""SIMPLER's Google Robot tasks in its own look: poses, photographs, cabinet and arm colours."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from test_tabletop_google import SIMPLERS
from test_visual_matching import STILL, play

from vla_bench.assets import named_collection
from vla_bench.envs.tabletop.geometry import Pose, matrix, rotation_vector
from vla_bench.envs.tabletop.renderer import LOOKS
from vla_bench.envs.tabletop.scenes.cabinet import (
    CABINET,
    DRAWERS,
    floor_of,
    handle_of,
    joint_of,
)
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import GOOGLE_ROBOT_VISUAL_MATCHING
from vla_bench.envs.tabletop.variations import check
from vla_bench.envs.tabletop.visual_matching.objects import FOLDER, Model
from vla_bench.envs.tabletop.visual_matching.scenes import CABINET_POSES
from vla_bench.envs.tabletop.visual_matching.tasks import GOOGLE_TASKS, PICKED
from vla_bench.envs.tabletop.world import World
from vla_bench.errors import ConfigError, MissingDependencyError
from vla_bench.protocols import Image

CAMERA = "overhead_camera"
MOVE, OPEN, CLOSE, PLACE = (
    f"{task}_visual_matching"
    for task in (
        "move_near",
        "open_top_drawer",
        "close_top_drawer",
        "place_apple_in_closed_top_drawer",
    )
)
TASKS = {name: task for name, task in GOOGLE_TASKS.items() if task not in PICKED}
COLORS = ("default", "tabletop_1", "tabletop_2", "cabinet_1")


def an_env(
    *tasks: str, size: tuple[int, int] = (32, 32), variation: str = "none", n: int | None = None
) -> TabletopEnv:
    return TabletopEnv(tasks, n, [0], size, "default", "official", variation)


def first_image(env: TabletopEnv, index: int) -> Image:
    (spec,) = (spec for spec in env.episodes() if spec.index == index)
    env.reset(spec)
    return env.observe([CAMERA], privileged=False).images[CAMERA]


def a_world(task: str, index: int) -> World:
    asked = GOOGLE_TASKS[task].asked(index)
    return World(asked.scene, asked.objects, LOOKS["fast"])


def test_objects_come_to_rest_where_simplers_do(shared: Path, assets: Path) -> None:
    """Measured: within 0.1 mm and 0.2 degrees; the bottle within 0.9 mm and 0.6 degrees."""
    assert assets.is_dir()
    golden = json.loads((shared / "golden/simpler/settled_object_poses.json").read_text())
    episodes = {
        episode["episode_id"] // 6: episode for episode in golden["google_robot_move_near_v0"]
    }
    assert len(episodes) == 10  # every triplet in both layouts
    for episode in episodes.values():
        index = episode["episode_id"]
        asked = GOOGLE_TASKS[MOVE].asked(index)
        assert asked.instruction == episode["instruction"]
        world = a_world(MOVE, index)
        world.reset(GOOGLE_TASKS[MOVE].layouts[index])
        for name in asked.objects:
            expected = episode["objects"][SIMPLERS[name]]
            position, rotation = world.frame(name)
            turn = rotation_vector(rotation @ matrix(expected["q"]).T)
            assert np.linalg.norm(position - expected["p"]) < 1e-3, name
            assert np.linalg.norm(turn) < np.deg2rad(1.0), name


@pytest.mark.parametrize(("task", "indices"), [(MOVE, range(0, 60, 12)), (PLACE, (0, 13, 26))])
def test_everything_is_still_when_an_episode_starts(
    assets: Path, task: str, indices: range
) -> None:
    assert assets.is_dir()
    for index in indices:
        world = a_world(task, index)
        world.reset(GOOGLE_TASKS[task].layouts[index])
        for name in world.objects:
            speed = np.abs(world.data.joint(f"{name}_free").qvel)
            assert speed[:3].max() < 1e-3
            assert speed[3:].max() < 4e-3  # rad/s: what is round creeps about
        assert min(contact.dist for contact in world.data.contact) > -2e-4
        before = {name: world.frame(name)[0] for name in world.objects}
        for _ in range(3):
            world.step(STILL)
        for name, was in before.items():
            assert np.linalg.norm(world.frame(name)[0] - was) < 5e-4


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_solves_a_sample_of_every_task(assets: Path, task: str) -> None:
    assert assets.is_dir()
    env = an_env(task)
    assert play(env, env.episodes()[4])


@pytest.mark.slow
def test_the_expert_solves_the_whole_suite(assets: Path) -> None:
    assert assets.is_dir()
    outcomes = [play(env, spec) for env in map(an_env, TASKS) for spec in env.episodes()]
    assert len(outcomes) == 141
    assert sum(outcomes) >= 137  # measured: 140


def test_each_pose_of_the_robot_has_the_photograph_that_was_taken_from_it(assets: Path) -> None:
    env = an_env(OPEN, size=(320, 240))
    for index, pose in enumerate(CABINET_POSES):
        file = assets / f"simpler/data/real_inpainting/open_drawer_{pose}.png"
        with PillowImage.open(file) as image:
            native = image.convert("RGB").resize((640, 512), PillowImage.Resampling.BILINEAR)
            behind = np.asarray(native.resize((320, 240), PillowImage.Resampling.BOX))
        same = (first_image(env, index) == behind).all(axis=-1)
        assert 0.5 < same.mean() < 0.9, pose  # the cabinet and the arm hide the rest
        assert same[:, :60].mean() > 0.5, pose


@pytest.mark.parametrize("index", range(0, 9, 4))
def test_the_handles_are_seen_where_simplers_camera_sees_them(assets: Path, index: int) -> None:
    """Projected with the camera's intrinsics (simpler.md §2.5) from where the head is."""
    assert assets.is_dir()
    env = an_env(CLOSE, size=(640, 480))
    seen = first_image(env, index).astype(int)
    camera = env.world.data.camera(CAMERA)
    turn = camera.xmat.reshape(3, 3).T
    opened = env.world.drawer_opening(joint_of("top"))
    assert opened == pytest.approx(0.2, abs=1e-3)
    right, up, back = turn @ (np.array(handle_of("top", opened)) - camera.xpos)
    column = round(320 - 425 * right / back)
    row = round((256 + 425 * up / back) * 480 / 512)
    around = seen[row - 2 : row + 3, column - 2 : column + 3].sum(axis=-1)
    assert around.min() < 150  # black before brown
    assert around.max() > 300


def test_the_shade_in_the_chest_is_seen_and_not_felt(assets: Path) -> None:
    assert assets.is_dir()
    world = a_world(PLACE, 0)
    above = CABINET[2] + DRAWERS["top"] + 0.06
    world.reset({joint_of("top"): Pose((0.3, 0.0, 0.0)), "apple": Pose((-0.2, 0.1, above))})
    assert world.touches("apple", floor_of("top"))
    closed = first_image(an_env(OPEN, size=(320, 240)), 4)
    opened = first_image(an_env(CLOSE, size=(320, 240)), 4)
    gap, inside = closed[95:100, 130:170].mean(), opened[125:140, 130:170].mean()
    assert gap < 60 < 90 < inside


def test_the_axis_plans_simplers_numbers_of_episodes(assets: Path) -> None:
    """simpler.md §2.11."""
    assert assets.is_dir()
    row_of = {
        task: row for row, tasks in GOOGLE_ROBOT_VISUAL_MATCHING.groups.items() for task in tasks
    }
    assert list(row_of) == list(GOOGLE_TASKS)
    env = an_env(*GOOGLE_TASKS, variation="visual_matching")
    assert Counter(row_of[spec.task] for spec in env.episodes()) == {
        "pick coke can": 300,
        "move near": 240,
        "open drawer": 108,
        "close drawer": 108,
        "place apple": 108,
    }
    assert env.card["settings"]["axes"]["visual_matching"]["averaged"].keys() == set(GOOGLE_TASKS)


@pytest.mark.parametrize("task", [MOVE, OPEN])
def test_every_arm_colour_changes_the_image_and_nothing_else(assets: Path, task: str) -> None:
    assert assets.is_dir()
    findings = check.verify(an_env(task, size=(96, 96), variation="visual_matching", n=1))
    assert [finding.episode.variation for finding in findings] == [
        f"visual_matching/arm_color/{color}" for color in COLORS
    ]
    assert not findings[0].changed  # the default arm is the twin's, to the last bit


def test_the_arm_has_the_colour_that_it_has_in_simplers_own_pictures(assets: Path) -> None:
    """Means of 5x5 pixels of SimplerEnv@4ab7178, images/example_visualization, at 640x512."""
    assert assets.is_dir()
    shown = {
        (PICKED[2].name, "tabletop_1"): ((166, 145, 130), (166, 119, 67)),  # coke can
        (OPEN, "cabinet_1"): ((203, 169, 139), (225, 167, 105)),  # open drawer
    }
    for (task, color), (white, yellow) in shown.items():
        env = an_env(task, size=(640, 480), variation=f"visual_matching/arm_color/{color}")
        seen = first_image(env, 4)
        for row, column, expected in ((122, 625, white), (216, 610, yellow)):
            patch = seen[row - 2 : row + 3, column - 2 : column + 3].reshape(-1, 3).mean(axis=0)
            np.testing.assert_allclose(patch, expected, atol=16)


def test_an_absent_arm_colour_is_an_error_before_the_first_episode(assets: Path) -> None:
    urdf = "google_robot_meta_sim_fix_wheel_fix_fingertip_recolor_cabinet_visual_matching_1.urdf"
    folder = assets / "simpler/mani_skill2_real2sim/assets/descriptions/googlerobot_description"
    file = folder / urdf
    away = file.rename(folder / "away")
    try:
        an_env(OPEN)
        with pytest.raises(MissingDependencyError, match=urdf):
            an_env(OPEN, variation="visual_matching")
    finally:
        away.rename(file)


@pytest.mark.parametrize("variation", ["all", "visual", "visual/lighting", "language"])
def test_photographs_have_arm_colours_and_no_other_variation(variation: str) -> None:
    with pytest.raises(ConfigError, match="variation=none or visual_matching, got"):
        an_env(OPEN, variation=variation)


def test_the_list_of_files_has_what_the_tasks_are_drawn_with() -> None:
    listed = {asset.path for asset in named_collection("simpler").assets}
    for task in GOOGLE_TASKS.values():
        for asked in task.turns or (task,):
            for kind in asked.objects.values():
                assert isinstance(kind.build, Model)
                for name in (kind.build.visual, "collision.obj"):
                    assert f"{FOLDER}/{kind.build.folder}/{name}" in listed
    for pose in CABINET_POSES:
        assert f"data/real_inpainting/open_drawer_{pose}.png" in listed
