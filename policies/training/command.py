"""`vla-bench train`: from the composed configuration to a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from vla_bench.errors import MissingDependencyError
from vla_bench.policies.training.settings import Average, Evaluation, Optimization, Settings


def train(config: Mapping[str, Any], console: Console) -> None:
    """Train, and print how to evaluate it. Raises MissingDependencyError without torch and such."""
    try:
        import accelerate  # noqa: F401
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "Training needs torch, safetensors and accelerate "
            f"({error}): pip install 'vla-bench[diffusion,train]'."
        ) from error
    from vla_bench.policies.training.run import run

    chosen = config["optimization"]
    ema = None if chosen["ema"] is None else Average(**chosen["ema"])
    optimization = Optimization(**{**chosen, "ema": ema})
    env = config.get("env")
    evaluation = None if env is None else Evaluation(env, **config["evaluation"])
    plain = {name: value for name, value in config.items() if name != "env"}
    settings = Settings(**{**plain, "optimization": optimization, "evaluation": evaluation})
    run(settings, console)
