"""`vla-bench train`: from the composed configuration to a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from vla_bench.errors import MissingDependencyError
from vla_bench.policies.training.settings import (
    Average,
    Evaluation,
    Machine,
    Optimization,
    Settings,
    Validation,
)


def train(config: Mapping[str, Any], console: Console) -> None:
    """Train and print how to evaluate it, or with ``dry_run`` what it would need.

    Raises MissingDependencyError without torch and such.
    """
    try:
        import accelerate  # noqa: F401
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "Training needs torch, safetensors and accelerate "
            f"({error}): pip install 'vla-bench[diffusion,train]'."
        ) from error
    from vla_bench.policies.training.learner import plan_of
    from vla_bench.policies.training.run import run

    asked = dict(config)
    dry_run = asked.pop("dry_run")
    machine = Machine(asked.pop("n_gpus"), asked.pop("gpu_memory_gb"))
    chosen = config["optimization"]
    ema = None if chosen["ema"] is None else Average(**chosen["ema"])
    optimization = Optimization(**{**chosen, "ema": ema})
    env = asked.pop("env", None)
    evaluation = None if env is None else Evaluation(env, **config["evaluation"])
    validation = Validation(**config["validation"])
    parts = {"optimization": optimization, "validation": validation, "evaluation": evaluation}
    settings = Settings(**{**asked, **parts})
    if dry_run:
        for line in plan_of(settings, machine):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        return
    run(settings, console)
