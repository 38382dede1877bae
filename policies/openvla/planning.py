"""`vla-bench train … dry_run=true` for an OpenVLA: what fits, before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.memory import Needs, needs
from vla_bench.policies.openvla.methods import Method, Towers
from vla_bench.policies.openvla.start import config_of_start, method_of
from vla_bench.policies.training.settings import Machine, Settings

_GB = 1e9


def plan(settings: Settings, machine: Machine) -> list[str]:
    """Lines: bytes by what they are for, the largest batch, and what the host needs.

    With activations stored and computed again, whichever of the two `settings` ask for first.
    """
    method = method_of(settings)
    if isinstance(method, Towers):
        raise ConfigError("dry_run plans the training of a whole OpenVLA, not method=towers.")
    config, source = config_of_start(settings)
    averages = settings.optimization.ema is not None
    n = machine.n_gpus
    gpus = f"{machine.gpu_memory_gb:g} GB" if n == 1 else f"{n} x {machine.gpu_memory_gb:g} GB"
    lines = [f"Memory for {source}, batch_size={settings.batch_size}, on {gpus}:"]
    is_split = settings.sharded and n > 1
    for recompute in (method.recompute, not method.recompute):
        asked = replace(method, recompute=recompute)
        found = needs(config, asked, settings.precision, averages)
        own = found.sharded(n) if is_split else found
        lines += _lines(asked, own, settings.batch_size, machine.gpu_memory_gb)
    if n > 1:
        split = "weights, gradients and moments split" if is_split else "sharded=false: all on each"
        lines.append(f"Per GPU and process, {split}.")
    lines.append(_host(found, n, averages, is_split))
    if settings.optimization.optimizer == "muon":
        lines.append("Moments are counted as AdamW's; Muon keeps half of them for what it trains.")
    return lines


def _host(found: Needs, n: int, averages: bool, is_split: bool) -> str:
    """Every process loads whole weights before they go to its GPU; the first one saves."""
    copies = 2 if averages else 1
    state = copies * found.gradients + found.moments
    network = found.weights / copies if is_split else 0.0
    return (
        f"Host memory: {n * found.weights / _GB:.1f} GB while {n} process(es) load, "
        f"{(state + network) / _GB:.1f} GB while the first one saves; data beside."
    )


def _lines(method: Method, found: Needs, batch_size: int, gb: float) -> Iterator[str]:
    total, largest = found.total(batch_size), found.largest_batch(gb * _GB)
    fits = "fits" if total <= gb * _GB else "does not fit"
    yield f"method.recompute={str(method.recompute).lower()}: {total / _GB:.1f} GB, {fits}"
    parts = {
        "weights": found.weights,
        "gradients": found.gradients,
        "AdamW's moments": found.moments,
        "gathered for a moment": found.gathered,
        "bf16 copies": found.casts,
        f"activations of {batch_size}": batch_size * found.per_sample,
        "overhead (a round figure)": found.overhead,
    }
    yield "  " + ", ".join(f"{name} {value / _GB:.2f}" for name, value in parts.items())
    yield f"  largest batch_size: {largest}" if largest else "  no batch fits"
