"""Images from a compiled model: one GL context per process, one small `Renderer` per model.

`mujoco.Renderer` makes a context of its own each time (75 ms); here a second model costs 7 ms.
Renders straight at the policy's resolution: a camera that knows its sensor squashes the view as
"render 640x480, then resize" would, at a quarter of the cost.
"""

from __future__ import annotations

import functools
import importlib
import os
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from vla_bench.envs.tabletop.robots.build import VISIBLE_GROUP
from vla_bench.envs.tabletop.scenery import LAYERS, Scenery
from vla_bench.errors import ConfigError, MissingDependencyError, unknown_name
from vla_bench.protocols import Image

MAX_GEOMS = 400  # MuJoCo's default of 10000 costs 23 ms to allocate
MAX_IMAGE_SIZE = (640, 480)  # of the offscreen buffer; (width, height)
EMPTY = 1.0  # depth, where nothing was drawn: the far plane
ALL, NO_CATEGORY = mujoco.mjtCatBit.mjCAT_ALL.value, 0
AS_NUMBERS = (mujoco.mjtRndFlag.mjRND_SEGMENT.value, mujoco.mjtRndFlag.mjRND_IDCOLOR.value)
NO_RENDERING = (
    "Offscreen rendering needs EGL and a software or GPU driver ({reason}). "
    "Install them: apt-get install libegl1 libgl1-mesa-dri"
)


@dataclass(frozen=True)
class Look:
    """Drawing quality: nothing here touches the physics.

    `shadow_size` 0 draws no shadows; `samples` per pixel for anti-aliasing; `slices` and `stacks`
    are the facets of round primitives; `meshes` puts robots in their published meshes.
    """

    name: str
    shadow_size: int
    samples: int
    slices: int
    stacks: int
    meshes: bool = False


LOOKS = {
    look.name: look
    for look in (
        Look("default", 512, 0, 12, 6),
        Look("fast", 0, 0, 12, 6),
        Look("meshes", 512, 0, 12, 6, meshes=True),
    )
}


def named_look(name: str) -> Look:
    """Raises ConfigError with the valid names."""
    if name not in LOOKS:
        raise unknown_name("look", name, LOOKS)
    return LOOKS[name]


def prepare(spec: Any, look: Look) -> None:
    """Set an MjSpec's drawing options, before it is compiled."""
    quality = spec.visual.quality
    quality.shadowsize, quality.offsamples = look.shadow_size, look.samples
    quality.numslices, quality.numstacks, quality.numquads = look.slices, look.stacks, 1
    buffer = spec.visual.global_
    buffer.offwidth, buffer.offheight = MAX_IMAGE_SIZE
    spec.visual.map.znear, spec.visual.map.zfar = 0.02, 5.0
    spec.stat.extent, spec.stat.center = 1.0, [-0.16, 0.05, 0.9]
    spec.visual.map.shadowclip = 0.35  # m around the work area: finer shadows


class Renderer:
    """Draws one model at one size."""

    def __init__(self, model: Any, image_size: tuple[int, int], photo: Image | None = None) -> None:
        """`image_size` is (width, height); a `photo` of any size shows where nothing is drawn.

        Raises MissingDependencyError without a GL driver.
        """
        width, height = image_size
        if width > MAX_IMAGE_SIZE[0] or height > MAX_IMAGE_SIZE[1] or min(image_size) < 1:
            raise ConfigError(
                f"image_size {list(image_size)} is not possible: expected [width, height] "
                f"from [1, 1] to {list(MAX_IMAGE_SIZE)}."
            )
        self._gl = _gl_context()
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        self._scene = mujoco.MjvScene(model, maxgeom=MAX_GEOMS)
        self._model = model
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._photo = None if photo is None else _resized(photo, image_size)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._options = mujoco.MjvOption()
        self._options.geomgroup[:] = 0
        self._options.geomgroup[VISIBLE_GROUP] = 1
        self._options.sitegroup[:] = 0
        self._unperturbed = mujoco.MjvPerturb()
        self._scenery = Scenery(model, image_size)

    def render(self, data: Any, camera: str) -> Image:
        """(height, width, 3) uint8, row 0 at the top."""
        self._gl.make_current()
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._camera.fixedcamid = self._model.camera(camera).id
        self._scenery.arrange(data, self._camera.fixedcamid, lambda: self._whose_pixels(data))
        self._gather(data, ALL)
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        image = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        if self._photo is None:
            mujoco.mjr_readPixels(image, None, self._rectangle, self._context)
            return np.ascontiguousarray(image[::-1])
        depth = np.empty(image.shape[:2], np.float32)
        mujoco.mjr_readPixels(image, depth, self._rectangle, self._context)
        drawn = depth[::-1] != EMPTY
        return np.where(drawn[..., None], image[::-1], self._photo)

    def _whose_pixels(self, data: Any) -> NDArray[np.intp]:
        """The geom that each pixel shows when only the scenery is drawn; -1: none."""
        self._gather(data, NO_CATEGORY)
        flags = self._scene.flags
        flags[list(AS_NUMBERS)] = 1
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        flags[list(AS_NUMBERS)] = 0
        colors = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        mujoco.mjr_readPixels(colors, None, self._rectangle, self._context)
        drawn = [geom.objid for geom in self._scene.geoms[: self._scene.ngeom]]
        whose: NDArray[np.intp] = np.array([-1, *drawn])[colors @ np.array([1, 1 << 8, 1 << 16])]
        return whose

    def _gather(self, data: Any, category: int) -> None:
        """Fill the scene: the scenery, layer by layer, then the other geoms of `category`."""
        groups, options, scene = self._options.geomgroup, self._options, self._scene
        mujoco.mjv_updateScene(self._model, data, options, None, self._camera, NO_CATEGORY, scene)
        for layer in LAYERS:
            groups[:] = 0
            groups[layer] = 1
            mujoco.mjv_addGeoms(self._model, data, options, self._unperturbed, ALL, scene)
        groups[:] = 0
        groups[VISIBLE_GROUP] = 1
        mujoco.mjv_addGeoms(self._model, data, options, self._unperturbed, category, scene)

    def close(self) -> None:
        """Free the model's GL memory; the process's context stays."""
        self._gl.make_current()
        self._context.free()


def _resized(photo: Image, image_size: tuple[int, int]) -> Image:
    """Each pixel the mean of what it covers, as the squashing of a rendered picture would give."""
    whole = PillowImage.fromarray(photo)
    return np.asarray(whole.resize(image_size, PillowImage.Resampling.BOX))


def check_rendering() -> str:
    """The name of what draws, e.g. ``llvmpipe``. Raises MissingDependencyError when nothing can."""
    _gl_context().make_current()
    gl = importlib.import_module("OpenGL.GL")  # not earlier: it picks its platform on import
    name = gl.glGetString(gl.GL_RENDERER)
    if name is None:
        reason = f"MUJOCO_GL={os.environ.get('MUJOCO_GL', '')} found no display"
        raise MissingDependencyError(NO_RENDERING.format(reason=reason))
    return str(name.decode())


@functools.cache
def _gl_context() -> Any:
    """This process's context: EGL unless MUJOCO_GL or a display says otherwise.

    Asks for EGL itself: `mujoco.GLContext` is GLFW when mujoco was imported with MUJOCO_GL unset.
    An absent driver shows as any of four exceptions.
    """
    # Software OpenGL draws in this thread (docs/decisions.md); run more processes instead.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    backend = os.environ.get("MUJOCO_GL") or ("" if os.environ.get("DISPLAY") else "egl")
    try:
        if backend.lower() == "egl":
            return importlib.import_module("mujoco.egl").GLContext(*MAX_IMAGE_SIZE)
        return mujoco.GLContext(*MAX_IMAGE_SIZE)
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MissingDependencyError(NO_RENDERING.format(reason=reason)) from error
