"""`vla-bench merge`: an adapter and its base as one checkpoint, on the CPU, without a second copy.

Base weights are read from their files, updated and written a tensor at a time; memory holds the
adapter and one shard.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.adapter import read_adapter, with_base
from vla_bench.policies.openvla.checkpoint import open_weights
from vla_bench.policies.openvla.config import read_json
from vla_bench.policies.openvla.export import copy_layout, in_bf16, write_weights
from vla_bench.policies.openvla.source import locate, named_step
from vla_bench.store import write_json

_STATISTICS = "dataset_statistics.json"


def merge(adapter: str, base: str | None, output: Path, shard_bytes: int) -> None:
    """Fill `output` with a checkpoint in bf16 that `policy.checkpoint=` reads.

    `base` is None for the one that the adapter names. Statistics of both are kept, the adapter's
    preparation of images wins. Raises ConfigError when `output` holds something already.
    """
    if output.exists() and any(output.iterdir()):
        raise ConfigError(f"{output} is not empty: give output=... another folder.")
    checkpoint = base if base is not None else with_base(adapter, None)[0]
    updates, weights = locate(adapter), locate(checkpoint)
    merged = read_adapter(updates).merge(open_weights(named_step(checkpoint) or weights))
    copy_layout(weights, output)
    write_weights(output, merged, in_bf16, shard_bytes)
    blocks = [read_json(f / _STATISTICS) for f in (weights, updates) if (f / _STATISTICS).exists()]
    if blocks:
        write_json(output / _STATISTICS, {k: v for block in blocks for k, v in block.items()})
    if (updates / "preparation.json").exists():
        write_json(output / "preparation.json", read_json(updates / "preparation.json"))


def merge_job(config: Mapping[str, Any], console: Console) -> None:
    """From `conf/merge.yaml`."""
    output = Path(config["output"])
    merge(config["adapter"], config["base"], output, int(config["shard_gb"] * 1e9))
    console.print(f"Evaluate: policy.checkpoint={output}", soft_wrap=True)
