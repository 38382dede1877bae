"""What `benchmarks/openvla.py` sets measured times beside."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

H200 = (4.8e12, 790e12)


@pytest.fixture
def modules(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """`openvla_bench` and `openvla_bound`."""
    monkeypatch.syspath_prepend(root / "benchmarks")
    return importlib.import_module("openvla_bench"), importlib.import_module("openvla_bound")


def test_bounds_are_those_worked_out_for_an_h200(modules: tuple[Any, Any], shared: Path) -> None:
    bench, bound = modules
    path = shared / "specs" / "openvla" / "roofline.csv"
    with path.open() as file:
        expected = {row["case"]: float(row["total_ms"]) for row in csv.DictReader(file)}
    for case, precision, batch in (
        ("H200 bf16 batch 1", "bf16", 1),
        ("H200 bf16 batch 64", "bf16", 64),
        ("H200 W8A16 weights batch 1", "int8", 1),
        ("H200 W4A16 weights batch 1", "int4", 1),
    ):
        milliseconds = bound.bound_ms(bench.full_size(), precision, batch, H200)
        assert milliseconds == pytest.approx(expected[case], rel=0.05), case


def test_fp32_reads_twice_the_bytes_of_bf16_and_has_no_tensor_cores(
    modules: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, bound = modules
    endless = (4.8e12, float("inf"))
    fp32, bf16 = (bound.bound_ms(bench.mid_size(), name, 4, endless) for name in ("fp32", "bf16"))
    assert fp32 == pytest.approx(2 * bf16)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    gpu = torch.device("cuda")
    assert bench.peaks(gpu) == bench.peaks(gpu, "int4") == H200
    assert bench.peaks(gpu, "fp32") == (4.8e12, 67e12)
    assert bench.peaks(torch.device("cpu"), "fp32") is None
