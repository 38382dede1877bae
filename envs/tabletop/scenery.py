"""What stands still before a camera: what of it is seen at all, and that from near to far.

Software OpenGL shades whatever passes the depth test at the moment it is drawn: a wall drawn before
what hides it is paid for twice. Without that, an image has the same pixels and costs up to a
quarter less (docs/decisions.md).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from vla_bench.envs.tabletop.robots.build import VISIBLE_GROUP
from vla_bench.protocols import FloatArray

Numbers = NDArray[np.intp]
"""Of geoms in the model; -1 where there is none."""

# MuJoCo draws geoms in the model's order, which the physics depends on; but a group when asked to.
LAYERS = (2, 4, 5)  # groups, near to far
UNSEEN = 0  # a group that is never drawn
OPAQUE = 0.995  # MuJoCo draws what has a smaller alpha last and blends it


N_KNOWN = 256
_known: OrderedDict[bytes, Numbers] = OrderedDict()  # of models with the same scenery, too


class Scenery:
    """The primitives that come before all that moves in a model, opaque and without shadow.

    They stand still but when an episode begins, as the cameras do; then all is looked at again.
    """

    def __init__(self, model: Any, image_size: tuple[int, int]) -> None:
        self._model = model
        moves = model.body_weldid[model.geom_bodyid] != 0
        others = np.flatnonzero(moves | (model.geom_type == mujoco.mjtGeom.mjGEOM_MESH))
        drawn = (model.geom_group == VISIBLE_GROUP) & (_alpha(model) >= OPAQUE)
        drawn &= model.geom_castshadow == 0
        n_first = others[0] if len(others) else model.ngeom
        self._geoms: Numbers = np.flatnonzero(drawn[:n_first])
        self._image_size = image_size

    def arrange(self, data: Any, camera: int, look: Callable[[], Numbers]) -> None:
        """Put each geom into its layer for `camera`.

        `look` draws the layers alone and returns whose pixels are whose, (height, width).
        """
        if not len(self._geoms):
            return
        view = self._view(data, camera)
        if view not in _known:
            _known[view] = self._layers(data, data.cam_xpos[camera], look)
            if len(_known) > N_KNOWN:
                _known.popitem(last=False)
        self._model.geom_group[self._geoms] = _known[view]

    def _view(self, data: Any, camera: int) -> bytes:
        """All that decides whose each pixel is."""
        model, geoms = self._model, self._geoms
        poses = (data.geom_xpos[geoms], data.geom_xmat[geoms])
        shapes = (model.geom_type[geoms], model.geom_size[geoms])
        eye = (data.cam_xpos[camera], data.cam_xmat[camera])
        lens = (model.cam_intrinsic[camera], model.cam_sensorsize[camera], self._image_size)
        return np.concatenate(
            [np.ravel(part).astype(float) for part in (*poses, *shapes, *eye, *lens)]
        ).tobytes()

    def _layers(self, data: Any, eye: FloatArray, look: Callable[[], Numbers]) -> Numbers:
        """The group of each geom, (n,), such that every pixel stays the same geom's."""
        groups, geoms = self._model.geom_group, self._geoms
        groups[geoms] = LAYERS[0]
        whose = look()
        is_seen = np.isin(geoms, whose)
        seen = np.flatnonzero(is_seen)
        nearest = seen[np.argsort(self._distances(data, eye)[seen])]
        layers = np.full(len(geoms), UNSEEN)
        for layer, part in zip(LAYERS, np.array_split(nearest, len(LAYERS)), strict=True):
            layers[part] = layer
        groups[geoms] = layers
        if not np.array_equal(whose, look()):  # of two at the same depth, the later one is seen
            layers[is_seen] = LAYERS[0]
        return layers

    def _distances(self, data: Any, eye: FloatArray) -> FloatArray:
        """Metres from `eye` (3,) to each geom's bounding box, (n,); of a plane, infinite."""
        rotations = data.geom_xmat[self._geoms].reshape(-1, 3, 3)
        local = np.einsum("nij,ni->nj", rotations, eye - data.geom_xpos[self._geoms])
        centre, half = np.split(self._model.geom_aabb[self._geoms], 2, axis=1)
        away = np.linalg.norm(np.maximum(np.abs(local - centre) - half, 0.0), axis=1)
        is_plane = self._model.geom_type[self._geoms] == mujoco.mjtGeom.mjGEOM_PLANE
        return np.where(is_plane, np.inf, away)


def _alpha(model: Any) -> FloatArray:
    """How opaque each geom is drawn, (n,)."""
    alpha: FloatArray = model.geom_rgba[:, 3].copy()
    painted = model.geom_matid >= 0
    alpha[painted] = model.mat_rgba[model.geom_matid[painted], 3]
    return alpha
