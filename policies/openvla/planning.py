"""`vla-bench train … dry_run=true` for an OpenVLA: what fits, before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.memory import Needs, needs
from vla_bench.policies.openvla.methods import Method, Towers
from vla_bench.policies.openvla.start import config_of_start, method_of
from vla_bench.policies.training.settings import Settings

_GB = 1e9


def plan(settings: Settings, gpu_memory_gb: float) -> list[str]:
    """Lines: bytes by what they are for, and the largest batch in `gpu_memory_gb`.

    With activations stored and computed again, whichever of the two `settings` ask for first.
    """
    method = method_of(settings)
    if isinstance(method, Towers):
        raise ConfigError("dry_run plans the training of a whole OpenVLA, not method=towers.")
    config, source = config_of_start(settings)
    averages = settings.optimization.ema is not None
    lines = [f"Memory for {source}, batch_size={settings.batch_size}, on {gpu_memory_gb:g} GB:"]
    for recompute in (method.recompute, not method.recompute):
        asked = replace(method, recompute=recompute)
        found = needs(config, asked, settings.precision, averages)
        lines += _lines(asked, found, settings.batch_size, gpu_memory_gb)
    lines.append(
        "Per GPU and process; sharded=true divides weights, gradients and moments by the number of "
        "processes."
    )
    if settings.optimization.optimizer == "muon":
        lines.append("Moments are counted as AdamW's; Muon keeps half of them for what it trains.")
    return lines


def _lines(method: Method, found: Needs, batch_size: int, gb: float) -> Iterator[str]:
    total, largest = found.total(batch_size), found.largest_batch(gb * _GB)
    fits = "fits" if total <= gb * _GB else "does not fit"
    yield f"method.recompute={str(method.recompute).lower()}: {total / _GB:.1f} GB, {fits}"
    parts = {
        "weights": found.weights,
        "gradients": found.gradients,
        "AdamW's moments": found.moments,
        "bf16 copies": found.casts,
        f"activations of {batch_size}": batch_size * found.per_sample,
        "overhead (a round figure)": found.overhead,
    }
    yield "  " + ", ".join(f"{name} {value / _GB:.2f}" for name, value in parts.items())
    yield f"  largest batch_size: {largest}" if largest else "  no batch fits"
