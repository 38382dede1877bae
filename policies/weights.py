"""Which weights a policy has loaded, as one string: `Policy`'s optional attribute ``weights``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

_PIECE = 1 << 20  # bytes
_MAX_PIECES = 64  # of one file; of a 5 GB shard every 80 MiB, and a layer of a 7B model has 400


def fingerprint(checkpoints: Sequence[Path]) -> str:
    """SHA-256 over what `checkpoints` hold, each a file or a folder; where they are is left out.

    Of a folder: its JSON, for statistics and a LoRA's scale are there, and its safetensors, or
    ``.pt`` where it has none. A file over 64 MiB counts by its name, its size and 64 pieces of
    1 MiB, evenly spread from its first byte to its last.
    """
    digest = hashlib.sha256()
    for checkpoint in checkpoints:
        for path in _files(checkpoint):
            size = path.stat().st_size
            digest.update(f"{path.name}\n{size}\n".encode())
            with path.open("rb") as stream:
                for start in _starts(size):
                    stream.seek(start)
                    digest.update(stream.read(_PIECE))
    return digest.hexdigest()


def _files(checkpoint: Path) -> list[Path]:
    if checkpoint.is_file():
        return [checkpoint]
    tensors = list(checkpoint.glob("*.safetensors"))
    native = [*checkpoint.glob("*.pt"), *checkpoint.glob("checkpoints/*.pt")]
    return sorted([*checkpoint.glob("*.json"), *(tensors or native)])


def _starts(size: int) -> Iterator[int]:
    if size <= _MAX_PIECES * _PIECE:
        yield from range(0, size, _PIECE)
    else:
        yield from ((size - _PIECE) * i // (_MAX_PIECES - 1) for i in range(_MAX_PIECES))
