"""What `conf/train.yaml` says, as plain Python; the comments there explain each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vla_bench.errors import ConfigError, unknown_name

SCHEDULES = ("cosine", "constant")
PRECISIONS = ("fp32", "bf16")
OPTIMIZERS = ("adamw", "muon")
_DECISIVE = (
    "action",
    "n_idle_frames",
    "seed",
    "n_steps",
    "batch_size",
    "n_accumulated",
    "optimization",
    "precision",
)


@dataclass(frozen=True)
class Average:
    """The running average of the weights; see `ema`."""

    power: float
    maximum: float


@dataclass(frozen=True)
class Optimization:
    """The optimizer, its learning rate over time, and the running average of the weights, if any.

    `betas` are AdamW's, with which ``muon`` trains what is not a matrix inside the network.
    """

    optimizer: str
    learning_rate: float
    schedule: str
    n_warmup_steps: int
    betas: Sequence[float]
    weight_decay: float
    max_grad_norm: float | None
    ema: Average | None

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise unknown_name("optimization.optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        if self.max_grad_norm is not None and self.max_grad_norm <= 0:
            raise ConfigError(
                f"optimization.max_grad_norm: expected more than 0, or null for no clipping, got "
                f"{self.max_grad_norm}."
            )


@dataclass(frozen=True)
class Machine:
    """What a dry run plans for: `n_gpus` of `gpu_memory_gb` each (1e9 bytes), one process each."""

    n_gpus: int
    gpu_memory_gb: float

    def __post_init__(self) -> None:
        if self.n_gpus < 1:
            raise ConfigError(f"n_gpus: expected at least 1, got {self.n_gpus}.")


@dataclass(frozen=True)
class Evaluation:
    """Rollouts of checkpoints in an env while training."""

    env: Mapping[str, Any]
    every: int
    n_lanes: int | None
    lane_python: str | None
    lane_timeout_seconds: float
    image_check: bool
    max_errors: int

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"evaluation.every: expected at least 1, got {self.every}.")


@dataclass(frozen=True)
class Validation:
    """The loss on held-out episodes while training."""

    share: float
    every: int
    n_samples: int

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise ConfigError(
                f"validation.share: expected at least 0 and less than 1, got {self.share}."
            )
        for name in ("every", "n_samples"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"validation.{name}: expected at least 1, got {getattr(self, name)}."
                )


@dataclass(frozen=True)
class Settings:
    """Of one training."""

    policy: Mapping[str, Any]
    method: Mapping[str, Any] | None
    data: str | Sequence[str]
    action: str
    n_idle_frames: int | None
    frame_cache: str | None
    output: str
    seed: int
    n_steps: int
    batch_size: int
    n_accumulated: int
    optimization: Optimization
    precision: str
    sharded: bool
    compile: bool
    device: str
    n_workers: int
    checkpoint_every: int
    n_checkpoints: int
    validation: Validation
    evaluation: Evaluation | None
    log: Sequence[str]

    def __post_init__(self) -> None:
        counts = ("n_steps", "batch_size", "n_accumulated", "checkpoint_every", "n_checkpoints")
        for name in (*counts, "n_workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, got {getattr(self, name)}.")
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)

    @property
    def folders(self) -> list[str]:
        """Of the data."""
        return [self.data] if isinstance(self.data, str) else list(self.data)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the weights that come out, but for the network and its data, and which of
        them are the best.
        """
        plain = asdict(self)
        chosen = self.evaluation
        rolled_out = {} if chosen is None else {"env": chosen.env, "evaluation.every": chosen.every}
        share = self.validation.share
        held_out = {"validation.share": share} if share else {}
        return {**{name: plain[name] for name in _DECISIVE}, **held_out, **rolled_out}
