"""GLB, the binary form of glTF 2.0, as far as SIMPLER's baked objects use it.

One buffer in the file itself, triangles, and a material whose only light is what it emits: the
object's colours as photographed, "baked" into a texture.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_bench.protocols import FloatArray

MAGIC, HEADER, CHUNK = b"glTF", 12, 8  # bytes of the file's header and of each chunk's
KINDS = {5123: "<u2", 5125: "<u4", 5126: "<f4"}  # glTF's component types
COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}


@dataclass(frozen=True, eq=False)
class Baked:
    """One row per corner of each triangle: `vertices` (3 n, 3) m, `uv` (3 n, 2), v downwards."""

    vertices: FloatArray
    uv: FloatArray
    emitted: io.BytesIO


def read(path: Path) -> Iterator[Baked]:
    """The meshes of a GLB file, in its frame. Raises ValueError for another kind of file."""
    content = path.read_bytes()
    if content[:4] != MAGIC:
        raise ValueError(f"{path} is no GLB file: expected it to begin with {MAGIC!r}.")
    (n_bytes,) = struct.unpack_from("<I", content, HEADER)
    document = json.loads(content[HEADER + CHUNK : HEADER + CHUNK + n_bytes])
    buffer = content[HEADER + CHUNK + n_bytes + CHUNK :]
    assert not any("matrix" in node for node in document["nodes"]), "none at the pinned commit"
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            yield _baked(document, buffer, primitive)


def _baked(document: Any, buffer: bytes, primitive: Any) -> Baked:
    corners = _array(document, buffer, primitive["indices"])[:, 0]
    vertices, uv = (
        _array(document, buffer, primitive["attributes"][name])[corners].astype(float)
        for name in ("POSITION", "TEXCOORD_0")
    )
    emission = document["materials"][primitive["material"]]["emissiveTexture"]["index"]
    image = document["images"][document["textures"][emission]["source"]]
    return Baked(vertices, uv, io.BytesIO(_view(document, buffer, image["bufferView"])))


def _array(document: Any, buffer: bytes, index: int) -> NDArray[Any]:
    """An accessor's values, (count, columns)."""
    accessor = document["accessors"][index]
    view = _view(document, buffer, accessor["bufferView"])
    columns = COLUMNS[accessor["type"]]
    count, start = accessor["count"] * columns, accessor.get("byteOffset", 0)
    values = np.frombuffer(view, KINDS[accessor["componentType"]], count, start)
    return values.reshape(-1, columns)


def _view(document: Any, buffer: bytes, index: int) -> bytes:
    view = document["bufferViews"][index]
    start = view.get("byteOffset", 0)
    return buffer[start : start + view["byteLength"]]
