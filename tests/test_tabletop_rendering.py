"""Images: sizes, looks, the squashed camera, a missing driver."""

from __future__ import annotations

import os
import subprocess
import sys

import mujoco
import numpy as np
import pytest
from PIL import Image as PillowImage

from vla_bench.envs.tabletop import renderer
from vla_bench.envs.tabletop.geometry import matrix
from vla_bench.envs.tabletop.renderer import check_rendering
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.tasks.registry import TASKS
from vla_bench.errors import ConfigError, MissingDependencyError
from vla_bench.protocols import Image

CAMERA = "3rd_view_camera"


def first_image(task: str, size: tuple[int, int], look: str = "fast") -> Image:
    env = TabletopEnv([task], 1, [0], size, look, "official", "none")
    env.reset(env.episodes()[0])
    image = env.observe([CAMERA], privileged=False).images[CAMERA]
    env.close()
    return image


def test_an_image_is_rgb_bytes_of_the_size_that_was_asked_for() -> None:
    image = first_image("carrot_on_plate", (96, 64))
    assert image.shape == (64, 96, 3)
    assert image.dtype == np.uint8
    assert image.std() > 10


def test_a_square_image_is_simplers_640x480_view_squashed() -> None:
    whole = PillowImage.fromarray(first_image("carrot_on_plate", (640, 480)))
    squashed = np.asarray(whole.resize((224, 224), PillowImage.Resampling.BOX), float)
    direct = first_image("carrot_on_plate", (224, 224)).astype(float)
    assert np.abs(squashed - direct).mean() < 3.0


def test_the_green_block_is_where_simplers_camera_sees_it() -> None:
    """Projected with the camera's world pose and intrinsics (simpler.md §2.5); row 0 is on top."""
    env = TabletopEnv(["stack_cube"], 12, [0], (640, 480), "fast", "official", "none")
    turn = matrix((-0.232092, -0.358925, -0.092632, 0.899292))  # looks along its x, z up
    for spec in env.episodes():
        env.reset(spec)
        block = np.array([*TASKS["stack_cube"].layouts[spec.index]["green_block"].position])
        block[2] += 0.015
        ahead, left, up = turn.T @ (block - [0.147, 0.188, 1.230])
        expected = (320 - 623.588 * left / ahead, 240 - 623.588 * up / ahead)
        red, green, blue = np.moveaxis(
            env.observe([CAMERA], privileged=False).images[CAMERA].astype(int), -1, 0
        )
        rows, columns = np.nonzero((green > red + 25) & (green > blue + 25))
        centre = ((columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2)
        assert centre == pytest.approx(expected, abs=8)


def test_looks_differ_in_pixels_only() -> None:
    assert (
        first_image("stack_cube", (64, 64), "default") != first_image("stack_cube", (64, 64))
    ).any()
    states = []
    for look in ("default", "fast"):
        env = TabletopEnv(["stack_cube"], 1, [0], [32, 32], look, "official", "none")
        env.reset(env.episodes()[0])
        env.step(np.array([0.02, 0.0, -0.05, 0.0, 0.0, 0.1, 0.0]))
        states.append(env.observe([], privileged=True).privileged["green_block_pose"])
    np.testing.assert_array_equal(states[0], states[1])


@pytest.mark.parametrize("task", TASKS)
def test_source_and_target_can_be_seen_in_every_initial_state(task: str) -> None:
    """Taking an object out of the picture changes it; the basket is furniture and stays."""
    env = TabletopEnv([task], 24, [0], [128, 96], "fast", "official", "none")
    for spec in env.episodes():
        env.reset(spec)
        world = env._running()[0]
        before = world.render(CAMERA, (128, 96))
        for name, kind in world.objects.items():
            if kind.fixed:
                continue
            address = world.model.joint(f"{name}_free").qposadr[0]
            kept = world.data.qpos[address]
            world.data.qpos[address] = 50.0
            mujoco.mj_kinematics(world.model, world.data)
            assert (world.render(CAMERA, (128, 96)) != before).any(axis=-1).sum() > 15
            world.data.qpos[address] = kept
            mujoco.mj_kinematics(world.model, world.data)


def test_an_image_larger_than_the_buffer_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"image_size \[641, 480\] is not possible"):
        first_image("stack_cube", (641, 480))


def test_the_renderer_has_a_name() -> None:
    assert check_rendering()


def test_rendering_works_when_mujoco_was_imported_first_without_a_display() -> None:
    code = "import mujoco; from vla_bench.envs.tabletop.renderer import check_rendering as c; c()"
    clean = {k: v for k, v in os.environ.items() if k not in {"MUJOCO_GL", "DISPLAY"}}
    subprocess.run([sys.executable, "-W", "error", "-c", code], env=clean, check=True)


def test_a_missing_driver_gives_one_line_with_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_library(name: str) -> None:
        raise AttributeError(f"'NoneType' object has no attribute '{name}'")

    monkeypatch.setattr("importlib.import_module", no_library)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with pytest.raises(MissingDependencyError) as caught:
        renderer._gl_context.__wrapped__()
    assert str(caught.value) == (
        "Offscreen rendering needs EGL and a software or GPU driver ('NoneType' object has no "
        "attribute 'mujoco.egl'). Install them: apt-get install libegl1 libgl1-mesa-dri"
    )
