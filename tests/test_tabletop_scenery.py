"""Leaving out what cannot be seen, and drawing from near to far, changes no pixel."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from vla_bench.envs.tabletop.renderer import Renderer
from vla_bench.envs.tabletop.robots.build import VISIBLE_GROUP
from vla_bench.envs.tabletop.scenery import LAYERS, UNSEEN
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.protocols import Image

SIZE = (224, 224)
SUITE_NAMES = [name for name, suite in SUITES.items() if suite.require is None]


def in_the_models_order(env: TabletopEnv) -> Image:
    """What MuJoCo draws of the present state when it is left alone."""
    model, data = env.world.model, env.world.data
    groups = model.geom_group.copy()
    model.geom_group[np.isin(groups, (UNSEEN, *LAYERS))] = VISIBLE_GROUP
    drawn = Renderer(model, SIZE)
    options = mujoco.MjvOption()
    options.geomgroup[:] = 0
    options.geomgroup[VISIBLE_GROUP] = 1
    options.sitegroup[:] = 0
    drawn._camera.fixedcamid = model.camera(env.cameras[0]).id
    category = mujoco.mjtCatBit.mjCAT_ALL.value
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, drawn._context)
    mujoco.mjv_updateScene(model, data, options, None, drawn._camera, category, drawn._scene)
    mujoco.mjr_render(drawn._rectangle, drawn._scene, drawn._context)
    image = np.empty((*SIZE, 3), np.uint8)
    mujoco.mjr_readPixels(image, None, drawn._rectangle, drawn._context)
    drawn.close()
    model.geom_group[:] = groups
    return image[::-1]


def seen(env: TabletopEnv) -> Image:
    return env.observe(env.cameras[:1], privileged=False).images[env.cameras[0]]


@pytest.mark.parametrize("suite", SUITE_NAMES)
def test_an_image_has_the_pixels_that_the_models_own_order_gives(suite: str) -> None:
    names = list(SUITES[suite].tasks)
    env = TabletopEnv([names[0], names[-1]], None, [0], SIZE, "default", "official", "none")
    specs = env.episodes()
    for spec in (specs[0], specs[-1], specs[0]):
        env.reset(spec)
        for _ in range(3):
            assert np.array_equal(seen(env), in_the_models_order(env))
            env.step(np.array([0.02, 0.02, -0.02, 0.0, 0.0, 0.1, 0.0]))
    env.close()


def test_where_two_surfaces_meet_at_one_depth_the_models_order_is_kept() -> None:
    """Two rims of the rack cross in this view; sorted, one pixel showed the other rim."""
    variation = "visual/camera/high"
    env = TabletopEnv(
        ["put_eggplant_into_pot_easy"], 1, [0], SIZE, "default", "official", variation
    )
    env.reset(env.episodes()[0])
    assert np.array_equal(seen(env), in_the_models_order(env))
    assert set(env.world.model.geom_group[:20]) == {UNSEEN, LAYERS[0]}
    env.close()


def test_what_is_hidden_is_left_out_until_the_camera_moves() -> None:
    env = TabletopEnv(["open_top_drawer"], None, [0], SIZE, "default", "official", "none")
    first, *_, last = env.episodes()
    env.reset(first)
    seen(env)
    groups = env.world.model.geom_group.copy()
    assert {UNSEEN, *LAYERS} <= set(groups)
    env.reset(last)  # another place of the base, and of the camera on it
    assert np.array_equal(seen(env), in_the_models_order(env))
    env.reset(first)
    seen(env)
    assert np.array_equal(env.world.model.geom_group, groups)
    env.close()
