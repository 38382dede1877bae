"""A trained Diffusion Policy, small enough to hand out:

python -m vla_bench.policies.diffusion.bundle CHECKPOINT FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from vla_bench.errors import ConfigError, VlaBenchError
from vla_bench.policies.bundled import MAX_BYTES
from vla_bench.policies.diffusion.checkpoint import load_model, save_checkpoint

_EXACT = "normalizer."  # a scale that is off by 2 ** -9 moves every action


def bundle(checkpoint: str, folder: Path) -> int:
    """Write `checkpoint` in bfloat16, its normalizer as it is; bytes of the weights.

    What comes out is read as any checkpoint is, and computes in float32. Raises ConfigError for
    more than `MAX_BYTES`.
    """
    model = load_model(checkpoint, expected=None)
    save_checkpoint(folder, model)
    path = folder / "model.safetensors"
    weights = {
        name: value if name.startswith(_EXACT) else value.to(torch.bfloat16)
        for name, value in load_file(path).items()
    }
    save_file(weights, path)
    n_bytes = path.stat().st_size
    if n_bytes > MAX_BYTES:
        path.unlink()
        raise ConfigError(f"{checkpoint} takes {n_bytes} bytes; a bundled model, {MAX_BYTES}.")
    return n_bytes


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Expected the folder that vla-bench train printed, and one to write to.")
    try:
        print(f"{bundle(sys.argv[1], Path(sys.argv[2])):,} bytes of weights")
    except VlaBenchError as error:
        sys.exit(str(error))
