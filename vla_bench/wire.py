"""The one codec for lanes and policy servers: msgpack, with ndarrays as raw C-order bytes.

Knows nothing of what it carries. Needs numpy and msgpack; runs on Python 3.10 with numpy 1.24.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np

_NDARRAY = 1  # msgpack extension code
_KINDS = "biuf"  # bool, signed, unsigned, float: nothing that needs pickle


def pack(message: Any) -> bytes:
    """Encode mappings, lists, str, bytes, numbers, None, numpy arrays and scalars.

    Raises TypeError, naming the type, for anything else; arrays of objects, strings or complex
    numbers included.
    """
    encoded: bytes = msgpack.packb(message, default=_encode)
    return encoded


def unpack(data: bytes | memoryview) -> Any:
    """Inverse of `pack`. Arrays are read-only and no part of `data`; tuples come back as lists."""
    return msgpack.unpackb(data, ext_hook=_decode, strict_map_key=False)


def _encode(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in _KINDS:
        dtype = f" of dtype {value.dtype}" if isinstance(value, np.ndarray) else ""
        raise TypeError(f"cannot send a {type(value).__name__}{dtype} over the wire")
    header = msgpack.packb((value.dtype.str, value.shape))
    body = np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
    return msgpack.ExtType(_NDARRAY, b"".join((header, body)))


def _decode(code: int, data: bytes) -> Any:
    if code != _NDARRAY:
        raise ValueError(f"unknown extension type {code} on the wire")
    unpacker = msgpack.Unpacker(use_list=False)
    unpacker.feed(data[:256])  # the header is far shorter
    dtype, shape = unpacker.unpack()
    return np.frombuffer(data, np.dtype(dtype), offset=unpacker.tell()).reshape(shape)
