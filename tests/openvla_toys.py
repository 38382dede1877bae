"""What several OpenVLA tests share: golden folders, and a tiny checkpoint of our own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vla_bench.policies.openvla.tiny import write_tiny_checkpoint

TOY_STATISTICS: dict[str, Any] = {
    "toy": {
        "action": {
            "q01": [-0.05, -0.05, -0.05, -0.25, -0.25, -0.25, 0.0],
            "q99": [0.05, 0.05, 0.05, 0.25, 0.25, 0.25, 1.0],
            "mask": [True, True, True, True, True, True, False],
        }
    }
}


TOY_VISION = {
    "towers": "siglip",
    "image_size": 24,
    "patch_size": 12,
    "width": 32,
    "depth": 2,
    "n_heads": 2,
    "mlp_width": 64,
}
"""Of `scratch.VisionSpec`."""


def write_toy(folder: Path, seed: int = 0) -> Path:
    write_tiny_checkpoint(folder, seed, TOY_STATISTICS)
    return folder


def copy_golden(shared: Path, name: str, target: Path) -> Path:
    """A golden checkpoint that may be changed; the v01 one gets the other's tokenizer."""
    source = shared / "golden" / "openvla"
    target.mkdir()
    for path in [*(source / name).iterdir(), source / "tiny_openvla" / "tokenizer.json"]:
        shutil.copyfile(path, target / path.name)
    return target


def golden_cases(shared: Path, name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(
        (shared / "golden" / "openvla" / f"{name}_actions.json").read_text()
    )
    return cases


def golden_image(shared: Path, name: str) -> NDArray[np.uint8]:
    path = shared / "golden" / "openvla" / "images" / name
    return np.asarray(Image.open(path).convert("RGB"))


def random_images(n: int, side: int = 64) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(n)]
