"""Toy mesh files in the formats of SIMPLER's, and stand-ins for those that are not here."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.spatial import ConvexHull

from vla_bench.envs.tabletop.visual_matching.convert import hulls
from vla_bench.protocols import FloatArray, Image

Color = tuple[float, float, float, float]
BLACK = (0.0, 0.0, 0.0, 1.0)
ABSENT: dict[str, Color] = {  # folder of a model -> linear colour of what is seen instead
    "eggplant": (0.08, 0.01, 0.15, 1.0),
    "blue_plastic_bottle": (0.10, 0.30, 0.60, 1.0),
    "baked_opened_redbull_can": (0.05, 0.10, 0.40, 1.0),
}


def add_standins(models: Path) -> None:
    """Add what the folder of models lacks of `ABSENT`: the hull of what collides."""
    for folder, color in ABSENT.items():
        path = models / folder / "textured.dae"
        if not path.exists():
            write_dae(path, np.concatenate(hulls(path.with_name("collision.obj"))), color)


def outward(corners: FloatArray) -> NDArray[np.int32]:
    """The triangles (m, 3) of the convex hull of `corners` (n, 3), seen from outside."""
    hull = ConvexHull(corners)
    faces: NDArray[np.int32] = hull.simplices.copy()
    a, b, c = (corners[faces[:, k]] for k in range(3))
    inwards = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    return faces


def write_dae(path: Path, corners: FloatArray, diffuse: Color, emission: Color = BLACK) -> None:
    """A COLLADA file with the convex hull of `corners` (n, 3), m, in one linear colour."""
    import collada

    document = collada.Collada()
    document.assetInfo.upaxis = "Z_UP"
    effect = collada.material.Effect("e", [], "lambert", diffuse=diffuse, emission=emission)
    material = collada.material.Material("m", "m", effect)
    document.effects.append(effect)
    document.materials.append(material)
    points = collada.source.FloatSource("v", np.asarray(corners).ravel(), ("X", "Y", "Z"))
    geometry = collada.geometry.Geometry(document, "g", "g", [points])
    inputs = collada.source.InputList()
    inputs.addInput(0, "VERTEX", "#v")
    faces = outward(corners)
    geometry.primitives.append(geometry.createTriangleSet(faces.ravel(), inputs, "m"))
    document.geometries.append(geometry)
    bound = collada.scene.MaterialNode("m", material, inputs=[])
    node = collada.scene.Node("n", children=[collada.scene.GeometryNode(geometry, [bound])])
    document.scenes.append(collada.scene.Scene("s", [node]))
    document.scene = document.scenes[0]
    with path.open("wb") as file:
        document.write(file)


def write_obj(path: Path, pieces: list[FloatArray]) -> None:
    """An OBJ with the convex hulls of `pieces`, each (n, 3) with every corner on its hull."""
    lines, before = [], 0
    for corners in pieces:
        lines += [f"v {x} {y} {z}" for x, y, z in corners]
        for face in ConvexHull(corners).simplices + 1 + before:
            lines.append("f " + " ".join(f"{corner}//1" for corner in face))
        before += len(corners)
    path.write_text("\n".join(lines))


def write_glb(path: Path, corners: FloatArray, uv: FloatArray, texture: Image) -> None:
    """A GLB file as SIMPLER's baked objects are: a hull of `corners` (n, 3), m, that glows."""
    image = io.BytesIO()
    PillowImage.fromarray(texture).save(image, "png")
    faces = outward(corners)
    blobs = [
        faces.astype("<u4").tobytes(),
        corners.astype("<f4").tobytes(),
        uv.astype("<f4").tobytes(),
        image.getvalue(),
    ]
    starts = np.cumsum([0, *map(len, blobs)]).tolist()
    shapes = [(5125, "SCALAR", faces.size), (5126, "VEC3", len(corners)), (5126, "VEC2", len(uv))]
    attributes = {"POSITION": 1, "TEXCOORD_0": 2}
    document = {
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 0, "material": 0}]}],
        "materials": [{"emissiveTexture": {"index": 0}}],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 3}],
        "accessors": [
            {"bufferView": view, "componentType": kind, "type": shape, "count": count}
            for view, (kind, shape, count) in enumerate(shapes)
        ],
        "bufferViews": [
            {"byteOffset": start, "byteLength": len(blob)}
            for start, blob in zip(starts, blobs, strict=False)
        ],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    content = b"".join(blobs)
    total = 12 + 8 + len(text) + 8 + len(content)
    path.write_bytes(
        struct.pack("<4sII", b"glTF", 2, total)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(content), b"BIN\0")
        + content
    )
