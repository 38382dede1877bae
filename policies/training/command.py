"""`vla-bench train`: from the composed configuration to a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from vla_bench.errors import MissingDependencyError
from vla_bench.policies.training.settings import Average, Optimization, Settings


def train(config: Mapping[str, Any], console: Console) -> str:
    """Train; the last line to print. Raises MissingDependencyError without torch or safetensors."""
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"Training needs torch and safetensors ({error}): pip install 'vla-bench[diffusion]'."
        ) from error
    from vla_bench.policies.training.run import run

    chosen = config["optimization"]
    ema = None if chosen["ema"] is None else Average(**chosen["ema"])
    optimization = Optimization(**{**chosen, "ema": ema})
    settings = Settings(**{**config, "optimization": optimization})
    return f"Evaluate: vla-bench eval policy=... policy.checkpoint={run(settings, console)} env=..."
