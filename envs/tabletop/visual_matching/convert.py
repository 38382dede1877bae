"""SIMPLER's mesh files as MuJoCo can take them; each is converted once and kept in a cache.

MuJoCo reads no DAE and no GLB, drops a DAE's baked (emitted) colours, and makes one convex hull
of a whole ``collision.obj``, where SIMPLER makes one per connected piece (simpler.md §3).
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vla_bench.assets import user_cache
from vla_bench.envs.tabletop.objects.mesh import Mesh
from vla_bench.envs.tabletop.objects.paint import Paint
from vla_bench.envs.tabletop.visual_matching import glb
from vla_bench.errors import MissingDependencyError
from vla_bench.protocols import FloatArray, Image

VERSION = 2  # of what the cache holds: a change below that moves a vertex or a colour raises it
MAX_TEXTURE = 1024  # pixels: upstream's 4096 cover an object that is 100 pixels wide in the image
INSTALL = "Converting SIMPLER's meshes needs {}: python -m pip install 'vla-bench[simpler_look]'"

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh of one material: `rgba` is what the screen shows of it, texture included.

    A `glowing` part is seen in its own colour whatever the light: SIMPLER's baked objects.
    """

    mesh: Mesh
    rgba: tuple[float, float, float, float]
    texture: Image | None
    glowing: bool

    @property
    def paint(self) -> Paint:
        specular = 0.0 if self.glowing else 0.1
        return Paint(
            self.rgba, self.texture, specular=specular, casts_shadow=False, glowing=self.glowing
        )


def parts(path: Path) -> tuple[Part, ...]:
    """What is drawn, from a DAE with its textures or a GLB, metres, in the file's frame."""
    read = _read_glb if path.suffix == ".glb" else _read_dae
    stored = _cached(path, "parts", lambda: _packed(read(path)))
    return tuple(_unpacked(stored, number) for number in range(int(stored["n"])))


def hulls(path: Path) -> tuple[FloatArray, ...]:
    """What collides: the corners (n, 3), m, of one convex hull per connected piece of an OBJ."""
    stored = _cached(path, "hulls", lambda: _read_hulls(path))
    return tuple(stored[f"{number}"] for number in range(len(stored)))


def _cached(path: Path, what: str, make: Callable[[], Mapping[str, NDArray[Any]]]) -> Arrays:
    """The arrays made from `path`, by its content; lanes may ask for them at the same time."""
    content = hashlib.sha1(path.read_bytes()).hexdigest()
    kept = user_cache() / "converted" / f"{content}-{what}-v{VERSION}.npz"
    if not kept.is_file():
        arrays = make()
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, suffix=".tmp", delete=False) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        Path(file.name).replace(kept)
    with np.load(kept) as stored:
        return dict(stored)


def _packed(made: Sequence[Part]) -> Arrays:
    arrays: Arrays = {"n": np.array(len(made))}
    for number, part in enumerate(made):
        arrays[f"{number}_vertices"], arrays[f"{number}_uv"] = part.mesh.vertices, part.mesh.uv
        arrays[f"{number}_faces"] = part.mesh.faces
        arrays[f"{number}_rgba"] = np.array([*part.rgba, part.glowing])
        if part.texture is not None:
            arrays[f"{number}_texture"] = part.texture
    return arrays


def _unpacked(stored: Arrays, number: int) -> Part:
    mesh = Mesh(*(stored[f"{number}_{name}"] for name in ("vertices", "faces", "uv")))
    *rgba, glowing = stored[f"{number}_rgba"].tolist()
    red, green, blue, alpha = rgba
    texture = stored.get(f"{number}_texture")
    return Part(mesh, (red, green, blue, alpha), texture, bool(glowing))


def _read_glb(path: Path) -> tuple[Part, ...]:
    """Baked objects glow in the colours of their texture; their normals are of no consequence."""
    return tuple(
        Part(
            _welded(baked.vertices, np.zeros((1, 0)), baked.uv),
            (1.0, 1.0, 1.0, 1.0),
            read_texture(baked.emitted),
            glowing=True,
        )
        for baked in glb.read(path)
    )


def _read_dae(path: Path) -> tuple[Part, ...]:
    """Blender's COLLADA: triangles, Lambert materials with a texture, a colour or an emission."""
    try:
        import collada
    except ImportError as error:
        raise MissingDependencyError(INSTALL.format("pycollada")) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # pycollada: numpy.matrix
        return tuple(_primitives(path, collada))


def _primitives(path: Path, collada: Any) -> Iterator[Part]:
    document = collada.Collada(str(path), ignore=[collada.common.DaeUnsupportedError])
    scale = document.assetInfo.unitmeter or 1.0
    for geometry in document.scene.objects("geometry"):
        for primitive in geometry.primitives():
            if isinstance(primitive, collada.lineset.BoundLineSet):
                continue
            polygons = hasattr(primitive, "triangleset")
            triangles = primitive.triangleset() if polygons else primitive
            uv = map(_corners, triangles.texcoordset[:1], triangles.texcoord_indexset[:1])
            mesh = _welded(
                scale * _corners(triangles.vertex, triangles.vertex_index),
                _corners(triangles.normal, triangles.normal_index),
                *map(_down, uv),
            )
            yield _lambert(mesh, triangles.material.effect, path.parent)


def _corners(values: FloatArray, index: NDArray[np.int32] | None) -> FloatArray:
    """One row per corner of each triangle; no columns for what a file leaves out."""
    return np.zeros((1, 0)) if index is None else values[index.ravel()]


def _lambert(mesh: Mesh, effect: Any, folder: Path) -> Part:
    emitted = effect.emission if isinstance(effect.emission, tuple) else (0.0, 0.0, 0.0, 1.0)
    if isinstance(effect.diffuse, tuple):
        glowing = max(emitted[:3]) > max(effect.diffuse[:3])
        return Part(mesh, _shown(emitted if glowing else effect.diffuse), None, glowing)
    texture = read_texture(folder / effect.diffuse.sampler.surface.image.path)
    return Part(mesh, (1.0, 1.0, 1.0, 1.0), texture, glowing=False)


def _read_hulls(path: Path) -> Arrays:
    """Pieces are faces that hang together by their edges."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import ConvexHull

    vertices, faces = _read_obj(path)
    points, index = np.unique(vertices.round(8), axis=0, return_inverse=True)
    faces = index.ravel()[faces]
    n_faces = len(faces)
    sides = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, edge = np.unique(sides, axis=0, return_inverse=True)
    pairs = (np.repeat(np.arange(n_faces), 3), n_faces + edge.ravel())  # face, edge
    size = n_faces + len(edges)
    graph = coo_matrix((np.ones(3 * n_faces), pairs), shape=(size, size))
    _, piece = connected_components(graph, directed=False)
    pieces = [points[np.unique(faces[piece[:n_faces] == each])] for each in np.unique(piece)]
    solid = [piece for piece in pieces if len(piece) > 3]
    return {f"{n}": piece[ConvexHull(piece).vertices] for n, piece in enumerate(solid)}


def _read_obj(path: Path) -> tuple[FloatArray, NDArray[np.int64]]:
    """Vertices (n, 3) and triangles (m, 3) of an OBJ; polygons are fanned out."""
    vertices: list[list[float]] = []
    faces: list[list[int]] = []
    for line in path.read_text().splitlines():
        match line.split():
            case ["v", *xyz]:
                vertices.append([float(value) for value in xyz[:3]])
            case ["f", *corners]:
                first, *rest = (int(corner.split("/")[0]) - 1 for corner in corners)
                faces += [[first, *pair] for pair in itertools.pairwise(rest)]
    return np.array(vertices), np.array(faces)


def _welded(vertices: FloatArray, normals: FloatArray, uv: FloatArray | None = None) -> Mesh:
    """From one row per corner; corners that agree in all of it become one vertex.

    So MuJoCo, which shades smoothly over each vertex, keeps the file's edges. `normals` may have
    no columns.
    """
    n = len(vertices)
    uv = np.zeros((n, 2)) if uv is None else uv[:, :2]
    normals = np.broadcast_to(normals, (n, normals.shape[1]))
    rows: FloatArray = np.hstack([vertices, uv, normals]).astype(float)
    same = np.hstack([vertices.round(6), uv.round(4), normals.round(2)])
    _, first, index = np.unique(same, axis=0, return_index=True, return_inverse=True)
    kept = rows[first]
    faces = index.reshape(-1, 3).astype(np.int32)
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return Mesh(kept[:, :3], faces[whole], kept[:, 3:5])


def _down(uv: FloatArray) -> FloatArray:
    """MuJoCo's v runs down the image, as glTF's does; COLLADA's runs up."""
    return np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=1)


def read_texture(file: Path | IO[bytes]) -> Image:
    """An image file, at most `MAX_TEXTURE` pixels wide and high."""
    from PIL import Image as PillowImage

    with PillowImage.open(file) as image:
        rgb = image.convert("RGB")
        rgb.thumbnail((MAX_TEXTURE, MAX_TEXTURE))
        return np.asarray(rgb)


def _shown(linear: Iterable[float]) -> tuple[float, float, float, float]:
    """Colours in files are linear light; the screen's, and MuJoCo's, are sRGB."""
    red, green, blue, alpha = np.array(tuple(linear), float)
    rgb = np.array([red, green, blue])
    encoded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return (*encoded.tolist(), float(alpha))
