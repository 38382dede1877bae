"""Weight-only quantization: what each format keeps of a weight, and what it costs in memory."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openvla_toys import random_images, write_toy
from scipy.stats import norm
from torch import Tensor

from vla_bench.policies.openvla import OpenVLA
from vla_bench.policies.openvla.kernels import compile_function
from vla_bench.policies.openvla.quantize import (
    GROUP,
    INT4,
    NF4,
    FourBitLinear,
    Int8Linear,
    expand,
    four_bit_matvec,
    int8_matvec,
    quantize,
)

FORMATS = ("int8", "nf4", "int4")
# A normal weight's relative error; int8 has one scale per 4096 inputs, int4 and nf4 per 64.
EXPECTED_ERROR = {"int8": 0.0087, "nf4": 0.097, "int4": 0.107}


def weight(rows: int = 64, columns: int = 512, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def dequantized(module: torch.nn.Module) -> Tensor:
    assert isinstance(module, (Int8Linear, FourBitLinear))
    return module.dequantize()


@pytest.mark.parametrize("name", FORMATS)
def test_a_normal_weight_keeps_its_expected_precision(name: str) -> None:
    w = weight(columns=4096)
    error = (dequantized(quantize(w, name)) - w).norm() / w.norm()
    assert error == pytest.approx(EXPECTED_ERROR[name], rel=0.15)


@pytest.mark.parametrize("name", FORMATS)
def test_the_product_is_that_of_the_weight_it_stands_for(name: str) -> None:
    module = quantize(weight(), name)
    x = torch.randn(2, 3, 512, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(module(x), x @ dequantized(module).T, atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_quantizing_twice_changes_nothing(name: str) -> None:
    once = dequantized(quantize(weight(), name))
    assert torch.allclose(dequantized(quantize(once, name)), once, atol=1e-6)


def test_the_single_token_product_equals_the_batched_one() -> None:
    x = torch.randn(512, generator=torch.Generator().manual_seed(1))
    eight = Int8Linear(weight())
    assert torch.allclose(int8_matvec(x, eight.codes, eight.scale), eight(x), atol=1e-4)
    for levels in (NF4, INT4):
        four = FourBitLinear(weight(), levels)
        product = four_bit_matvec(x, four.codes, four.scale, four.levels)
        assert torch.allclose(product, four(x), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("levels", [NF4, INT4])
def test_four_bits_expand_to_the_level_times_the_groups_scale(
    levels: tuple[float, ...], dtype: torch.dtype
) -> None:
    module = FourBitLinear(weight(rows=3).to(dtype), levels)
    codes = torch.cat((module.codes & 15, module.codes >> 4), dim=1)
    picked = torch.tensor([[levels[code] for code in row] for row in codes.tolist()])
    expected = picked.to(dtype) * module.scale.repeat_interleave(GROUP, dim=1)
    assert torch.equal(module.dequantize(), expected)


@pytest.mark.slow  # compiles: a minute on a cold cache
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("levels", [NF4, INT4])
def test_four_bits_expand_to_the_same_bits_compiled(
    levels: tuple[float, ...], dtype: torch.dtype
) -> None:
    module = FourBitLinear(weight().to(dtype), levels)
    eager = module.dequantize()
    module.expand = compile_function(expand, any_shape=False)
    assert torch.equal(module.dequantize(), eager)


@settings(max_examples=30)
@given(st.integers(1, 40), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_no_weight_moves_further_than_half_a_level(half: int, size: float, seed: int) -> None:
    w = size * weight(3, 2 * half, seed)
    group = math.gcd(GROUP, half)
    largest = w.view(3, -1, group).abs().amax(-1, keepdim=True)
    for levels in (NF4, INT4):
        spread = max(np.diff(levels)) / max(abs(level) for level in levels)
        moved = (FourBitLinear(w, levels).dequantize() - w).view(3, -1, group).abs()
        limit = 0.5 if levels == NF4 else 1.0  # int4 has no level at its positive end
        assert (moved <= limit * spread * largest * 1.001).all()


def test_a_zero_weight_stays_zero() -> None:
    for name in FORMATS:
        assert not dequantized(quantize(torch.zeros(4, 64), name)).any()


def test_nf4_levels_are_the_quantiles_that_qlora_defines() -> None:
    offset = 0.9677083
    positive = norm.ppf(np.linspace(offset, 0.5, 9)[:-1])
    negative = -norm.ppf(np.linspace(offset, 0.5, 8)[:-1])
    levels = np.sort([*positive, 0.0, *negative])
    assert np.abs(levels / levels.max() - NF4).max() < 1e-6


def test_a_four_bit_model_takes_a_third_of_bf16_and_still_sees(tmp_path: Path) -> None:
    folder = write_toy(tmp_path)
    images = [np.zeros((64, 64, 3), np.uint8), *random_images(1)]
    exact = OpenVLA.from_pretrained(folder, dtype="bf16")
    for name in FORMATS:
        model = OpenVLA.from_pretrained(folder, dtype=name)
        decoder = model.engine.model.language_model.model.layers
        held = sum(t.numel() * t.element_size() for t in decoder.state_dict().values())
        full = exact.engine.model.language_model.model.layers
        share = held / sum(t.numel() * t.element_size() for t in full.state_dict().values())
        assert share < {"int8": 0.53, "nf4": 0.32, "int4": 0.32}[name]
        logits = model.logits(images, ["go", "go"])
        assert not np.array_equal(*logits)
        expected = exact.logits(images, ["go", "go"])
        assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.8
