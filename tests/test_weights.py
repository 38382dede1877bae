"""The fingerprint of a policy's weights: the same wherever they are, another once they change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vla_bench.policies.weights import fingerprint

MIB = 1 << 20
BIG = 200 * MIB


def checkpoint(folder: Path) -> Path:
    """Sparse, so that it takes no space."""
    folder.mkdir()
    (folder / "config.json").write_text('{"scale": 1}')
    for name, size in (("model-1.safetensors", BIG), ("model-2.safetensors", 3 * MIB)):
        with (folder / name).open("wb") as stream:
            stream.truncate(size)
    return folder


def write(path: Path, at: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(b"\1")


def test_it_is_the_same_for_a_copy_and_through_a_link(tmp_path: Path) -> None:
    first = fingerprint([checkpoint(tmp_path / "a")])
    (tmp_path / "best").symlink_to("a")
    (tmp_path / "a" / "card.md").write_text("not loaded")
    assert fingerprint([checkpoint(tmp_path / "b")]) == first
    assert fingerprint([tmp_path / "best"]) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "config.json").write_text('{"scale": 2}'),
        lambda folder: write(folder / "model-1.safetensors", 0),
        lambda folder: write(folder / "model-1.safetensors", BIG - 1),
        lambda folder: write(folder / "model-2.safetensors", 2 * MIB + 7),
        lambda folder: os.truncate(folder / "model-1.safetensors", BIG + 1),
        lambda folder: (folder / "model-1.safetensors").rename(folder / "model-3.safetensors"),
    ],
    ids=["config", "first byte", "last byte", "small file's middle", "size", "name"],
)
def test_a_change_shows(tmp_path: Path, change: Callable[[Path], object]) -> None:
    folder = checkpoint(tmp_path / "a")
    before = fingerprint([folder])
    change(folder)
    assert fingerprint([folder]) != before


def test_a_change_of_a_layer_inside_a_big_file_shows(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "a")
    before = fingerprint([folder])
    with (folder / "model-1.safetensors").open("r+b") as stream:
        stream.seek(90 * MIB)
        stream.write(b"\1" * 4 * MIB)
    assert fingerprint([folder]) != before


def test_an_adapter_beside_its_base_counts(tmp_path: Path) -> None:
    base, adapter = checkpoint(tmp_path / "base"), checkpoint(tmp_path / "adapter")
    both = fingerprint([adapter, base])
    assert both != fingerprint([base])
    write(adapter / "model-2.safetensors", 5)
    assert fingerprint([adapter, base]) != both


def test_a_single_file_and_a_native_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    file = tmp_path / "checkpoints" / "step.pt"
    file.write_bytes(b"weights")
    before = fingerprint([tmp_path]), fingerprint([file])
    file.write_bytes(b"weighty")
    assert not set(before) & {fingerprint([tmp_path]), fingerprint([file])}
