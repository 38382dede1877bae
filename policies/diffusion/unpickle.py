"""Reads torch's zip files without running what is inside them.

Diffusion Policy's published ``.ckpt`` were written with dill and hold OmegaConf objects, so neither
`torch.load(weights_only=True)` nor, safely, `torch.load` reads them. Here a pickle may name only
what is listed below: tensors come back as they are, OmegaConf nodes as plain Python. Anything else
is refused.
"""

from __future__ import annotations

import codecs
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vla_bench.errors import ConfigError

_LOCAL_HEADER = 30  # bytes before name and extra field of a zip entry (APPNOTE 4.3.7)
_STORAGE_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_OMEGACONF = {
    ("omegaconf.dictconfig", "DictConfig"),
    ("omegaconf.listconfig", "ListConfig"),
    *(
        ("omegaconf.nodes", f"{kind}Node")
        for kind in ("Any", "Boolean", "Bytes", "Float", "Integer", "Path", "String")
    ),
}
_METADATA = {
    ("omegaconf.base", "ContainerMetadata"),
    ("omegaconf.base", "Metadata"),
    ("typing", "Any"),
    ("dill._dill", "_load_type"),
    ("collections", "defaultdict"),
}


def read_torch_zip(path: Path) -> Any:
    """The pickled object; tensors are copy-on-write views of the file, read when they are used.

    Raises ConfigError when the file is no such zip or names anything that is not allowed.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise ConfigError(f"Expected a checkpoint of torch >= 1.6 at {path}: {error}.") from error
    with archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ConfigError(f"Expected one data.pkl in {path}, found {len(pickles)}.")
        folder = pickles[0].removesuffix("data.pkl")
        with archive.open(pickles[0]) as stream:
            try:
                return to_plain(_Reader(stream, path, archive, folder).load())
            except (pickle.UnpicklingError, EOFError, KeyError) as error:
                raise ConfigError(f"{path} is damaged: {error!r}.") from error


class _Node:
    """An OmegaConf node, or metadata of one: whatever state the pickle gives it."""

    def __init__(self, *_: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Only a defaultdict's items, which are metadata, come this way."""


def to_plain(value: Any) -> Any:
    """OmegaConf nodes replaced by what they hold, at any depth."""
    if isinstance(value, _Node):
        return to_plain(value.state.get("_content", value.state.get("_val")))
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(to_plain(item) for item in value)
    return value


class _Reader(pickle.Unpickler):
    def __init__(self, stream: Any, path: Path, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(stream)
        self._path, self._archive, self._folder = path, archive, folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _OMEGACONF | _METADATA:
            return _Node
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
            ("_codecs", "encode"): _encode_latin1,
        }
        if (module, name) not in allowed:
            raise ConfigError(
                f"{self._path} holds {module}.{name}, which is not allowed in a checkpoint. If you "
                "trust the file, save its weights as safetensors with the code that wrote it."
            )
        return allowed[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, _, n_elements = pid
        return self._storage(self._archive.getinfo(f"{self._folder}data/{key}"), dtype, n_elements)

    def _storage(self, entry: zipfile.ZipInfo, dtype: torch.dtype, n_elements: int) -> Tensor:
        n_bytes = n_elements * dtype.itemsize
        if n_bytes == 0:
            return torch.empty(0, dtype=dtype)
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size < n_bytes:
            raise ConfigError(f"{self._path} is damaged at {entry.filename}.")
        with self._path.open("rb") as file:
            file.seek(entry.header_offset)
            header = file.read(_LOCAL_HEADER)
        n_name, n_extra = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
        offset = entry.header_offset + _LOCAL_HEADER + n_name + n_extra
        raw = np.memmap(self._path, np.uint8, mode="c", offset=offset, shape=(n_bytes,))
        return torch.from_numpy(raw).view(dtype)


def _rebuild_tensor(
    storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _rebuild_parameter(data: Tensor, *_: Any) -> Tensor:
    return data


def _encode_latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ConfigError(f"Expected latin1 bytes in a checkpoint, found {encoding!r}.")
    return codecs.encode(text, "latin1")
