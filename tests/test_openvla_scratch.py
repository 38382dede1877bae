"""OpenVLAs of other sizes, made from nothing: the same code from config to action."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from openvla_toys import TOY_STATISTICS, random_images
from openvla_training_golden import CPU, read_labeller
from safetensors.torch import load_file

from vla_bench.errors import ConfigError
from vla_bench.policies.openvla import OpenVLA
from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.config import CheckpointError
from vla_bench.policies.openvla.labels import Example
from vla_bench.policies.openvla.loss import forced_pass
from vla_bench.policies.openvla.pretrained import Options
from vla_bench.policies.openvla.resize import Preparation
from vla_bench.policies.openvla.scratch import ModelSpec, TextSpec, VisionSpec, write_new
from vla_bench.policies.openvla.stages import load_trainable
from vla_bench.policies.openvla.tiny import write_tiny_checkpoint

VISION = VisionSpec("siglip", 48, 12, width=32, depth=3, n_heads=2, mlp_width=64)
TEXT = TextSpec(width=32, n_layers=2, n_heads=2, mlp_width=64, words="put carrot plate")
SPEC = ModelSpec(VISION, TEXT)
ACTION = np.linspace(-1, 1, 7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini")
    write_tiny_checkpoint(folder, 0, TOY_STATISTICS, SPEC)
    return folder


def test_sizes_come_from_the_checkpoint(folder: Path) -> None:
    config = read_config(folder)
    assert (config.image_size, config.n_patches, len(config.towers)) == (48, 16, 1)
    model = load_trainable(folder, CPU, torch.float32)
    assert model.vision_backbone.featurizer.pos_embed.shape == (1, 16, 32)
    assert model(torch.zeros(2, 3, 48, 48), torch.ones(2, 5, dtype=torch.int64)).shape[:2] == (
        2,
        21,
    )


@pytest.mark.parametrize("resize", ["none", "lanczos3", "area"])
def test_a_batch_acts_as_its_members_do_alone(folder: Path, resize: str) -> None:
    options = Options(preparation=Preparation(resize, False), invalid_tokens="substitute")
    model = OpenVLA.from_pretrained(folder, device="cpu", dtype="fp32", options=options)
    images, texts = random_images(3, 96), ["put carrot", "put the carrot on the plate", "go"]
    together = model.predict(images, texts)
    alone = [model.predict([image], [text]) for image, text in zip(images, texts)]
    assert together.token_ids == [prediction.token_ids[0] for prediction in alone]
    assert len({tuple(ids) for ids in together.token_ids}) == 3


def test_a_new_model_knows_nothing_and_learns_one_action(tmp_path: Path) -> None:
    write_new(tmp_path, SPEC, seed=0)
    model = load_trainable(tmp_path, CPU, torch.float32).requires_grad_(True)
    n_tokens = model.config.decoder.n_tokens
    batch = read_labeller(tmp_path).collate([Example(random_images(1, 48)[0], "go", ACTION, "a")])
    first = forced_pass(model, batch).loss.item()
    assert first == pytest.approx(np.log(n_tokens), rel=0.05)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        forced = forced_pass(model, batch)
        torch.autograd.backward(forced.loss)
        optimizer.step()
    assert torch.equal(forced.predicted, forced.labels)


def test_a_seed_makes_one_model(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_new(tmp_path / name, SPEC, seed)
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b", "c"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    head = "language_model.lm_head.weight"
    assert not torch.equal(a[head], c[head])


def test_neighbouring_patches_begin_with_similar_positions(tmp_path: Path) -> None:
    write_new(tmp_path, replace(SPEC, vision=replace(VISION, image_size=96)), seed=0)
    name = "vision_backbone.featurizer.pos_embed"
    positions = load_file(tmp_path / "model.safetensors")[name][0].view(8, 8, 32)
    near = (positions[:, 1:] - positions[:, :-1]).norm(dim=-1).max()
    far = (positions[0, 0] - positions[7, 7]).norm()
    assert near < far
    assert len({tuple(p.tolist()) for p in positions.flatten(0, 1)}) == 64


def test_sizes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_new(tmp_path, SPEC, seed=0)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace("48", "50"))
    with pytest.raises(CheckpointError, match=r"a multiple of their one patch size, got .*\[50\]"):
        read_config(tmp_path)
    with pytest.raises(ConfigError, match="Unknown towers 'clip'"):
        replace(VISION, towers="clip")
