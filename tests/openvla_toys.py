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
    """A golden checkpoint that may be changed; v01 gets the other's tokenizer and its words."""
    source = shared / "golden" / "openvla"
    target.mkdir()
    for path in [*(source / name).iterdir(), source / "tiny_openvla" / "tokenizer.json"]:
        shutil.copyfile(path, target / path.name)
    if name == "tiny_openvla_v01":
        tokenizer = json.loads((target / "tokenizer.json").read_text())
        teach_vicuna(tokenizer)
        (target / "tokenizer.json").write_text(json.dumps(tokenizer))
    return target


_VICUNA_PIECES = (
    "▁A 319 ▁chat 13563 ▁between 1546 ▁a 263 ▁curious 12758 ▁user 1404 ▁an 385 ▁artificial 23116 "
    "▁intelligence 21082 ▁assistant 20255 ▁The 450 ▁gives 4076 ▁helpful 8444 ▁detailed 13173 "
    "▁pol 1248 ite 568 ▁answers 6089 ▁questions 5155 ▁US 3148 ER 1001 SS 1799 IST 9047 ANT 13566"
)
"""Llama-2's pieces of the v01 template's words, which the golden tokenizer does not have."""


def teach_vicuna(tokenizer: dict[str, Any]) -> None:
    """Add `_VICUNA_PIECES` to the golden tokenizer.json, each at its id of Llama-2.

    Whatever stood there moves; pieces on the way to longer ones go where nothing is.
    """
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    free = (piece for piece in list(vocabulary) if piece.startswith("⟦") and piece in vocabulary)
    of_words: list[str] = []
    of_ends: list[str] = []
    words = _VICUNA_PIECES.split()
    for piece, token in zip(words[::2], map(int, words[1::2])):
        for end in range(2, len(piece) + 1):
            part, merge = piece[:end], f"{piece[: end - 1]} {piece[end - 1]}"
            (of_words if piece[0] == "▁" else of_ends).append(merge)
            if part not in vocabulary:
                vocabulary[part] = vocabulary.pop(next(free))
        there = next(name for name, value in vocabulary.items() if value == token)
        vocabulary[there], vocabulary[piece] = vocabulary[piece], token
    merges = [*of_words, *tokenizer["model"]["merges"], *of_ends]
    tokenizer["model"]["merges"] = list(dict.fromkeys(merges))


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
