"""look=meshes: the robots' published meshes instead of shapes, over the same physics.

The files are a stand-in that `menagerie_standin` writes; the real ones are nobody's to copy here.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from menagerie_standin import write_menagerie

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.physics import described
from vla_bench.envs.tabletop.renderer import LOOKS
from vla_bench.envs.tabletop.robots.build import VISIBLE_GROUP, add_robot
from vla_bench.envs.tabletop.robots.meshes import MESHES, check_meshes, mesh_dress
from vla_bench.envs.tabletop.robots.robot import Material
from vla_bench.envs.tabletop.robots.widowx import WIDOWX
from vla_bench.envs.tabletop.scenes.counter import COUNTER
from vla_bench.envs.tabletop.scenes.franka import PLAIN_TABLE
from vla_bench.envs.tabletop.scenes.scene import Mount, Scene
from vla_bench.envs.tabletop.scenes.table import TABLE
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.visual_matching.scenes import PHOTO_TABLE
from vla_bench.envs.tabletop.world import World
from vla_bench.errors import ConfigError, MissingDependencyError
from vla_bench.protocols import FloatArray, Image

pytest.importorskip("mujoco_menagerie", reason="pip install 'vla-bench[meshes]'")

RED, GREEN = 0, 1  # channels
ROBOTS = {  # robot -> one of its tasks
    "widowx": "carrot_on_plate",
    "google_robot": "pick_standing_coke_can",
    "panda": "put_carrot_in_bowl",
}
SIZE = (160, 120)


@pytest.fixture(autouse=True)
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_menagerie(tmp_path)
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    return tmp_path


def make_env(task: str, look: str, variation: str = "none") -> TabletopEnv:
    return TabletopEnv([task], 1, [0], SIZE, look, "official", variation)


def first_image(env: TabletopEnv, number: int = 0) -> Image:
    env.reset(env.episodes()[number])
    (camera,) = env.cameras
    return env.observe([camera], privileged=False).images[camera]


def dressed(robot_name: str) -> Any:
    """An MjSpec with the robot alone, in its meshes."""
    spec, dress = mujoco.MjSpec(), MESHES[robot_name]
    add_robot(spec, dress.robot, Pose((0.0, 0.0, 0.0)))
    dress(spec, dress.robot)
    return spec


def hung(spec: Any, link: str) -> list[Any]:
    return [g for g in spec.body(link).geoms if g.type == mujoco.mjtGeom.mjGEOM_MESH]


@pytest.mark.parametrize("task", ROBOTS.values())
def test_the_robot_moves_bit_for_bit_as_in_its_shapes(task: str) -> None:
    """The expert's whole grasp, contacts and all."""
    states: dict[str, list[FloatArray]] = {"default": [], "meshes": []}
    for look, rows in states.items():
        env = make_env(task, look)
        env.reset(env.episodes()[0])
        for _ in range(24):
            env.step(env.observe([], privileged=True).privileged["expert_action"])
            data = env.world.data
            rows.append(np.concatenate([data.qpos, data.qvel, data.ctrl, data.actuator_force]))
        env.close()
    np.testing.assert_array_equal(states["default"], states["meshes"])


@pytest.mark.parametrize("robot", ROBOTS)
def test_meshes_weigh_and_touch_nothing(robot: str) -> None:
    bare, dress = mujoco.MjSpec(), MESHES[robot]
    add_robot(bare, dress.robot, Pose((0.0, 0.0, 0.0)))
    ours, plain = dressed(robot).compile(), bare.compile()
    for name in (
        "body_mass",
        "body_inertia",
        "body_ipos",
        "body_iquat",
        "dof_M0",
        "actuator_gainprm",
    ):
        np.testing.assert_array_equal(getattr(ours, name), getattr(plain, name))
    solid = [np.flatnonzero(model.geom_contype | model.geom_conaffinity) for model in (ours, plain)]
    for name in ("geom_type", "geom_size", "geom_pos", "geom_friction", "geom_bodyid"):
        np.testing.assert_array_equal(getattr(ours, name)[solid[0]], getattr(plain, name)[solid[1]])
    drawn = ours.geom_group == VISIBLE_GROUP
    assert (ours.geom_type[drawn] == mujoco.mjtGeom.mjGEOM_MESH).all()
    assert not ours.geom_contype[drawn].any()


@pytest.mark.parametrize("scene", [TABLE, COUNTER, PLAIN_TABLE], ids=lambda scene: scene.name)
def test_the_picture_shows_the_meshes_and_no_shape(scene: Scene) -> None:
    """Shapes are painted green; meshes are red."""
    green = {name: Material((0.0, 1.0, 0.0, 1.0)) for name in scene.mount.robot.materials}
    painted = replace(scene.mount, robot=replace(scene.mount.robot, materials=green))
    assert n_pixels(scene, painted, "default", GREEN) > 50
    assert n_pixels(scene, painted, "meshes", GREEN) == 0
    assert n_pixels(scene, scene.mount, "default", RED) == 0
    assert n_pixels(scene, scene.mount, "meshes", RED) > 5


def n_pixels(scene: Scene, mount: Mount, look: str, channel: int) -> int:
    """How many pixels of the scene without objects are of one colour."""
    world = World(replace(scene, mount=mount), {}, LOOKS[look])
    world.reset({})
    image = world.render(scene.cameras[0].name, SIZE).astype(int)
    world.close()
    others = np.delete(image, channel, axis=-1).max(axis=-1)
    return int((image[..., channel] > 3 * others + 20).sum())


def test_a_mesh_sits_in_its_bodys_frame_and_follows_its_scale() -> None:
    model = dressed("widowx").compile()
    (mesh,) = (model.mesh(number) for number in range(model.nmesh))
    corners = model.mesh_vert.reshape(-1, 3)
    assert np.ptp(corners, axis=0) == pytest.approx([0.02, 0.02, 0.02])
    assert mesh.name == "menagerie_part"


def test_the_pandas_fingers_face_each_other() -> None:
    spec = dressed("panda")
    (left,), (right,) = hung(spec, "panda_leftfinger"), hung(spec, "panda_rightfinger")
    assert left.pos == pytest.approx([0.0, 0.01, 0.0])
    assert right.pos == pytest.approx([0.0, -0.01, 0.0])
    assert left.quat == pytest.approx(np.sqrt(0.5) * np.array([0.0, 1.0, 0.0, 1.0]))
    assert right.quat == pytest.approx(np.sqrt(0.5) * np.array([-1.0, 0.0, 1.0, 0.0]))


def test_the_google_robots_fingers_are_named_by_side_and_its_head_is_on_its_neck() -> None:
    spec = dressed("google_robot")
    for side, theirs in (("left", 0.001), ("right", -0.001)):  # theirs calls the left one right
        for link in (f"link_finger_{side}", f"link_finger_tip_{side}"):
            (finger,) = hung(spec, link)
            assert finger.pos == pytest.approx([0.0, theirs, 0.0])
    for link in ("link_head_pan", "link_head_tilt"):
        (head,) = hung(spec, link)
        assert head.meshname == f"menagerie_{link}_v"
        np.testing.assert_array_equal([*head.pos, *head.quat], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    (gripper,) = hung(spec, "link_gripper")
    assert gripper.quat == pytest.approx(np.sqrt(0.5) * np.array([1.0, 0.0, 0.0, -1.0]))


def test_an_arm_colour_reaches_the_meshes() -> None:
    env = make_env("pick_standing_coke_can", "meshes", "visual_matching/arm_color")
    pictures = {
        spec.variation: first_image(env, number) for number, spec in enumerate(env.episodes())
    }
    env.close()
    plain = pictures.pop("visual_matching/arm_color/default")
    assert len(pictures) >= 3
    for picture in pictures.values():
        assert (picture != plain).any()


def test_the_card_says_which_meshes() -> None:
    env = make_env("carrot_on_plate", "meshes")
    assert env.card["look"] == "meshes: trossen_wx250s of mujoco_menagerie, MENAGERIE_ROOT"


def test_a_downloaded_folder_is_named_by_its_id(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mujoco_menagerie

    robot = mujoco_menagerie.get("trossen_wx250s")
    monkeypatch.delenv("MENAGERIE_ROOT")
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path / "cache"))
    assert check_meshes().endswith("0 of 3 robots downloaded")
    folder = mujoco_menagerie.Cache().model_path(robot)
    folder.parent.mkdir(parents=True)
    (standin / robot.name).rename(folder)
    (folder / ".complete").touch()
    assert check_meshes().endswith("1 of 3 robots downloaded")
    expected = f"meshes: trossen_wx250s of mujoco_menagerie, {robot.oid[:16]}"
    assert described(TABLE.mount, LOOKS["meshes"]) == expected


def test_without_the_package_the_error_gives_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    with pytest.raises(MissingDependencyError) as caught:
        make_env("carrot_on_plate", "meshes")
    assert str(caught.value) == (
        "look=meshes needs the package mujoco-menagerie: python -m pip install "
        "'vla-bench[meshes]'. Without it: look=default"
    )


def test_without_a_network_the_error_gives_the_command_that_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MENAGERIE_ROOT")
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MENAGERIE_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(
        MissingDependencyError,
        match=r"needs the meshes of trossen_wx250s, but: http://127.0.0.1:9/.*"
        r"type: mujoco-menagerie prefetch trossen_wx250s\..*export MENAGERIE_ROOT=FOLDER",
    ):
        make_env("carrot_on_plate", "meshes")


@pytest.mark.parametrize("absent", ["trossen_wx250s/assets/part.stl", "trossen_wx250s/wx250s.xml"])
def test_an_absent_file_is_named_before_the_first_episode(standin: Path, absent: str) -> None:
    (standin / absent).unlink()
    with pytest.raises(MissingDependencyError, match=Path(absent).name):
        make_env("carrot_on_plate", "meshes")


def test_a_model_with_other_bodies_is_refused(standin: Path) -> None:
    file = standin / "trossen_wx250s" / "wx250s.xml"
    file.write_text(file.read_text().replace("wx250s/wrist_link", "wx250s/hand_link"))
    with pytest.raises(MissingDependencyError, match=r"expected .*wrist_link.* got .*hand_link"):
        make_env("carrot_on_plate", "meshes")


def test_a_scene_that_dresses_its_robot_refuses_meshes() -> None:
    with pytest.raises(ConfigError) as caught:
        described(PHOTO_TABLE.mount, LOOKS["meshes"])
    assert str(caught.value) == (
        "look=meshes is not possible here: this scene draws its widowx itself. Valid: look=default."
    )


def test_a_robot_without_meshes_is_refused_by_name() -> None:
    mount: Mount = replace(TABLE.mount, robot=replace(WIDOWX, name="widowy"))
    with pytest.raises(ConfigError, match=r"'widowy'. Did you mean 'widowx'"):
        described(mount, LOOKS["meshes"])
    assert mesh_dress(WIDOWX).robot is WIDOWX
