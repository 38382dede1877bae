"""LoRA training against the published code, and its files against both readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from openvla_toys import write_toy
from openvla_training_golden import CPU, Golden, GoldenStep
from safetensors.torch import load_file
from torch import Tensor, nn

from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.adapter import read_adapter
from vla_bench.policies.openvla.checkpoint import load_weights, open_weights, read_config
from vla_bench.policies.openvla.config import CheckpointError, parse_config
from vla_bench.policies.openvla.lora import LoraModule, LoraSize, add_lora, lora_modules
from vla_bench.policies.openvla.lora_file import load_lora, save_lora
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.native import published_config
from vla_bench.policies.openvla.stages import load_trainable, n_trained

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = LoraSize(rank=4, alpha=2)


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


def with_lora(folder: Path, size: LoraSize = SIZE) -> OpenVLAModel:
    model = load_trainable(folder, CPU, torch.float32)
    add_lora(model, size, seed=0)
    return model


def trained_lora(folder: Path) -> OpenVLAModel:
    """Updates that change something."""
    model = with_lora(folder)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in lora_modules(model).values():
            module.b.weight.copy_(0.1 * torch.randn(module.b.weight.shape, generator=generator))
    return model


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.normal(size=(1, 6, 224, 224))).float()
    answer: Tensor = model(pixels, torch.tensor([[1, 40, 41, 42]]))
    return answer


def test_an_optimizer_step_is_the_published_one(golden: Golden) -> None:
    model = with_lora(golden.path, LoraSize.published(4))
    load_lora(model, golden.folder / "tiny_lora_adapter")
    assert n_trained(model) == golden.facts["lora"]["trainable"]
    assert sorted(lora_modules(model)) == sorted(golden.facts["lora"]["module_paths"])
    GoldenStep(golden, "lora_r4_lr5e-4").check(model, weight_decay=0.01)


def test_openvla_7b_has_439_updates_with_110_828_288_parameters() -> None:
    config = parse_config(published_config({"vla": {"base_vlm": "prism-dinosiglip-224px+7b"}}))
    model = OpenVLAModel.on_meta(config)
    add_lora(model, LoraSize.published(32), seed=0)
    assert LoraSize.published(32).scale == 0.5
    assert (len(lora_modules(model)), n_trained(model)) == (439, 110_828_288)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert round(100 * n_trained(model) / total, 3) == 1.448


def test_new_updates_change_nothing_and_start_as_gaussians(toy: Path) -> None:
    model = with_lora(toy, LoraSize.published(8))
    torch.testing.assert_close(logits(model), logits(load_trainable(toy, CPU, torch.float32)))
    starts = torch.cat([module.a.weight.flatten() for module in lora_modules(model).values()])
    assert abs(starts.mean().item()) < 0.002
    assert starts.std().item() == pytest.approx(1 / 8, rel=0.02)
    again = lora_modules(with_lora(toy, LoraSize.published(8)))
    for name, module in lora_modules(model).items():
        assert torch.equal(module.a.weight, again[name].a.weight)


def test_only_updates_are_trained(toy: Path) -> None:
    model = with_lora(toy)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * len(lora_modules(model))
    assert all(name.endswith((".a.weight", ".b.weight")) for name in trained)


def test_updates_in_fp32_act_on_a_bf16_model(toy: Path) -> None:
    model = load_trainable(toy, CPU, torch.bfloat16)
    before = logits_bf16(model)
    add_lora(model, SIZE, seed=0, dtype=torch.float32)
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert torch.equal(logits_bf16(model), before)


@torch.no_grad()
def logits_bf16(model: OpenVLAModel) -> Tensor:
    pixels = torch.zeros(1, 6, 224, 224, dtype=torch.bfloat16)
    answer: Tensor = model(pixels, torch.tensor([[1, 40, 41]]))
    assert answer.dtype == torch.bfloat16
    return answer


def test_a_second_set_of_updates_and_a_size_below_one_are_refused(toy: Path) -> None:
    model = with_lora(toy)
    with pytest.raises(ConfigError, match="has LoRA updates already: load the checkpoint anew"):
        add_lora(model, SIZE, seed=0)
    with pytest.raises(ConfigError, match="rank and alpha of at least 1, got 0 and 0"):
        LoraSize.published(0)


def test_saved_updates_merge_into_a_checkpoint_that_acts_alike(toy: Path, tmp_path: Path) -> None:
    model = trained_lora(toy)
    save_lora(model, SIZE, str(toy), tmp_path)
    merged = OpenVLAModel.on_meta(read_config(toy))
    weights = read_adapter(tmp_path).merge(open_weights(toy))
    load_weights(merged, weights, lambda _, tensor: tensor.float())
    theirs = logits(model)
    assert (theirs - logits(load_trainable(toy, CPU, torch.float32))).abs().max() > 0.1
    torch.testing.assert_close(logits(merged), theirs, atol=2e-4, rtol=1e-4)


def test_saved_updates_go_on_where_they_were(toy: Path, tmp_path: Path) -> None:
    model = trained_lora(toy)
    save_lora(model, SIZE, str(toy), tmp_path)
    other = with_lora(toy)
    load_lora(other, tmp_path)
    assert torch.equal(logits(other), logits(model))


def test_the_file_has_the_published_names_but_no_second_head(
    golden: Golden, tmp_path: Path
) -> None:
    model = with_lora(golden.path, LoraSize.published(4))
    theirs = golden.folder / "tiny_lora_adapter"
    load_lora(model, theirs)
    save_lora(model, LoraSize.published(4), "base", tmp_path)
    mine = load_file(tmp_path / "adapter_model.safetensors")
    expected = load_file(theirs / "adapter_model.safetensors")
    assert mine.keys() == expected.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, expected[name].float())
    configs = [json.loads((f / "adapter_config.json").read_text()) for f in (tmp_path, theirs)]
    for config in configs:
        config["target_modules"].sort()
        del config["base_model_name_or_path"]
    assert configs[0] == {key: configs[1][key] for key in configs[0]}


def test_updates_of_another_size_or_model_are_refused(toy: Path, tmp_path: Path) -> None:
    save_lora(with_lora(toy), SIZE, str(toy), tmp_path)
    with pytest.raises(CheckpointError) as caught:
        load_lora(with_lora(toy, LoraSize(rank=8, alpha=4)), tmp_path)
    assert "at scale 0.5, found [[4, " in str(caught.value)
    assert "Give add_lora the rank and alpha that adapter_config.json" in str(caught.value)
    with pytest.raises(CheckpointError, match=r"at scale 1\.0, found .* at 0\.5"):
        load_lora(with_lora(toy, LoraSize(rank=4, alpha=4)), tmp_path)
    partial = with_lora(toy)
    wrapped = lora_modules(partial)["projector.fc1"]
    partial.projector.fc1 = wrapped.base_layer  # type: ignore[assignment]
    with pytest.raises(CheckpointError, match=r"the first is projector\.fc1\.weight"):
        load_lora(partial, tmp_path)


def test_peft_reads_the_file_and_acts_alike(toy: Path, tmp_path: Path) -> None:
    peft: Any = pytest.importorskip("peft", reason="pip install peft to test against it")
    model = trained_lora(toy)
    save_lora(model, SIZE, str(toy), tmp_path)
    base = load_trainable(toy, CPU, torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path)
    torch.testing.assert_close(logits(theirs), logits(model), atol=1e-4, rtol=1e-4)
    assert isinstance(model.language_model.lm_head, LoraModule)
