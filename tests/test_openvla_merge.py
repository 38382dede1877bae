"""Adapters and four-bit bases: what is merged, kept, and never held twice."""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from openvla_toys import TOY_STATISTICS, random_images
from openvla_training_golden import CPU
from torch import Tensor, nn
from torch.nn import functional

from vla_bench import cli
from vla_bench.errors import ConfigError
from vla_bench.policies.openvla import OpenVLA
from vla_bench.policies.openvla.checkpoint import Weights, open_weights
from vla_bench.policies.openvla.config import CheckpointError
from vla_bench.policies.openvla.export import in_bf16, write_weights
from vla_bench.policies.openvla.lora import LoraSize, add_lora, lora_modules
from vla_bench.policies.openvla.lora_file import save_lora
from vla_bench.policies.openvla.merge import merge
from vla_bench.policies.openvla.methods import Lora, Method
from vla_bench.policies.openvla.pretrained import Options
from vla_bench.policies.openvla.quantize import NF4, PROJECTION, FourBitLinear
from vla_bench.policies.openvla.scratch import ModelSpec, TextSpec, VisionSpec
from vla_bench.policies.openvla.stages import load_trainable
from vla_bench.policies.openvla.tiny import write_tiny_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

SPEC = ModelSpec(
    VisionSpec("dinov2+siglip", 24, 12, width=32, depth=2, n_heads=2, mlp_width=64),
    TextSpec(width=64, n_layers=2, n_heads=2, mlp_width=128, words="go"),
)
SIZE = LoraSize(4, 4)
SUBSTITUTE = Options(invalid_tokens="substitute")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_tiny_checkpoint(folder, 0, TOY_STATISTICS, SPEC)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Updates that change something, with statistics and a preparation of their own."""
    model = load_trainable(base, CPU, torch.float32)
    add_lora(model, SIZE, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in lora_modules(model).values():
            module.b.weight.copy_(0.1 * torch.randn(module.b.weight.shape, generator=generator))
    folder = tmp_path_factory.mktemp("adapter")
    save_lora(model, SIZE, str(base), folder)
    statistics = {"ours": {"action": {"q01": [0.0] * 7, "q99": [1.0] * 7}}}
    (folder / "dataset_statistics.json").write_text(json.dumps(statistics))
    record = {"resize": "lanczos3", "center_crop": True, "rotation": "rotation_vector"}
    (folder / "preparation.json").write_text(json.dumps(record))
    return folder


def logits(checkpoint: Path) -> Any:
    model = OpenVLA.from_pretrained(checkpoint, device="cpu", dtype="fp32", options=SUBSTITUTE)
    return model.logits(random_images(2, 24), ["go", "go on"])


def test_a_merged_checkpoint_acts_as_its_adapter_beside_the_base(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    cli.main(["merge", f"adapter={adapter}", f"output={tmp_path / 'whole'}"])
    whole, beside = logits(tmp_path / "whole"), logits(adapter)
    scale = np.abs(beside).max()
    assert np.abs(whole - beside).max() < 0.05 * scale  # merged weights are rounded to bf16
    assert np.abs(logits(base) - beside).max() > 0.2 * scale
    model = OpenVLA.from_pretrained(tmp_path / "whole", device="cpu", dtype="fp32")
    assert set(model.statistics) == {"toy", "ours"}
    record = json.loads((tmp_path / "whole/preparation.json").read_text())
    assert record["center_crop"] is True


def test_shards_hold_what_one_file_does(adapter: Path, tmp_path: Path) -> None:
    merge(str(adapter), None, tmp_path / "one", 7_000_000_000)
    merge(str(adapter), None, tmp_path / "many", 40_000)
    assert len(list((tmp_path / "many").glob("model-*-of-*.safetensors"))) > 5
    one, many = open_weights(tmp_path / "one"), open_weights(tmp_path / "many")
    assert one.shapes == many.shapes
    assert all(torch.equal(one.read(name), many.read(name)) for name in one.shapes)


def test_writing_holds_no_more_than_a_shard(tmp_path: Path) -> None:
    alive, most = 0, 0

    def read(_: str) -> Tensor:
        nonlocal alive, most
        tensor = torch.zeros(1000)
        alive += 1
        most = max(most, alive)
        weakref.finalize(tensor, fall)
        return tensor

    def fall() -> None:
        nonlocal alive
        alive -= 1

    weights = Weights({f"w{i}": (1000,) for i in range(30)}, read)
    write_weights(tmp_path, weights, lambda tensor: tensor, shard_bytes=3 * 2000)
    assert most <= 4
    assert len(open_weights(tmp_path).shapes) == 30
    assert in_bf16(torch.zeros(2)).dtype == torch.bfloat16


def test_a_full_folder_and_two_adapters_are_refused(base: Path, adapter: Path) -> None:
    with pytest.raises(ConfigError, match="is not empty"):
        merge(str(adapter), None, base, 1000)
    with pytest.raises(CheckpointError, match="is an adapter, and so is"):
        OpenVLA.from_pretrained(adapter, device="cpu", options=Options(adapter=str(adapter)))


def test_a_four_bit_product_has_the_gradient_of_the_expanded_weight() -> None:
    torch.manual_seed(0)
    frozen = FourBitLinear(torch.randn(24, 128), NF4)
    x = torch.randn(3, 5, 128, requires_grad=True)
    y = torch.randn(3, 5, 24)
    (mine,) = torch.autograd.grad((frozen(x) * y).sum(), x)
    (wanted,) = torch.autograd.grad((functional.linear(x, frozen.dequantize()) * y).sum(), x)
    torch.testing.assert_close(mine, wanted)


def test_the_backward_pass_keeps_codes_and_no_weights(base: Path) -> None:
    method = Method(None, Lora(4, None, 0.0, "bf16"), "nf4", False, False, False)
    model = method.load(base, CPU, seed=0)
    frozen = [m for m in model.modules() if isinstance(m, FourBitLinear)]
    names = [n for n, m in model.named_modules() if isinstance(m, FourBitLinear)]
    assert len(frozen) == 7 * 2
    assert all(PROJECTION.fullmatch(name.removesuffix(".base_layer")) for name in names)
    assert not [name for name in model.state_dict() if "codes" in name]
    shapes: list[tuple[int, ...]] = []

    def pack(tensor: Tensor) -> Tensor:
        shapes.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(torch.zeros(1, 6, 24, 24, dtype=torch.bfloat16), torch.tensor([[1, 2, 3]])).sum()
    assert not {(128, 64), (64, 128)} & set(shapes)


def test_a_four_bit_base_is_the_quantized_policys(base: Path) -> None:
    method = Method(None, Lora(4, None, 0.0, "bf16"), "nf4", False, False, False)
    model = method.load(base, CPU, seed=0)
    plain = load_trainable(base, CPU, torch.bfloat16)
    for name, module in lora_modules(model).items():
        if PROJECTION.fullmatch(name):
            assert isinstance(module.base_layer, FourBitLinear)
            weight = plain.get_parameter(f"{name}.weight").detach()
            expected = FourBitLinear(weight, NF4)
            assert torch.equal(module.base_layer.dequantize(), expected.dequantize())


def test_computing_activations_again_changes_no_gradient(base: Path) -> None:
    gradients = []
    for recompute in (False, True):
        method = Method("full", None, "fp32", False, False, recompute)
        model = method.load(base, CPU, seed=0)
        ids = torch.tensor([[1, 5, 6, 7]])
        model(torch.ones(1, 6, 24, 24), ids).square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)


def test_linears_that_are_not_projections_stay_in_bf16(base: Path) -> None:
    model = load_trainable(base, CPU, torch.bfloat16, quantized=True)
    left = {n.rpartition(".")[2] for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    assert {"lm_head", "fc1", "qkv"} <= left
    assert "q_proj" not in left
