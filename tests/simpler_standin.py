"""Toy mesh files in the formats of SIMPLER's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull

from vla_bench.protocols import FloatArray

Color = tuple[float, float, float, float]
BLACK = (0.0, 0.0, 0.0, 1.0)


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
    faces = ConvexHull(corners).simplices.ravel()
    geometry.primitives.append(geometry.createTriangleSet(faces, inputs, "m"))
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
