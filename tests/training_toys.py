"""A data set in memory, and a learner that is one linear map; subprocesses import them by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from toys import Walker

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.loader import Sample, Samples
from vla_bench.data.trajectory import Images, Indices, Schema, Vectors
from vla_bench.data.windows import Window, split_episodes
from vla_bench.policies.diffusion.actions import AbsolutePose, AsTrained
from vla_bench.policies.diffusion.interface import Interface
from vla_bench.policies.diffusion.spec import (
    DiffusionSpec,
    Horizons,
    LanguageSpec,
    ModelSpec,
    ObservationSpec,
    UnetSpec,
    VisionSpec,
)
from vla_bench.policies.diffusion.training import DiffusionLearner, Start
from vla_bench.policies.training.data import Recorded
from vla_bench.policies.training.learner import Group, stacked
from vla_bench.policies.training.run import run, train
from vla_bench.policies.training.settings import Average, Optimization, Settings, Validation

STATES = (*(f"tcp_pose.{i}" for i in range(7)), "gripper_open")


@dataclass(frozen=True)
class Walk:
    """An episode whose actions follow from its states; its images are noise."""

    id: str
    instructions: Sequence[str]
    states: Vectors
    actions: Vectors

    def images(self, camera: str, frames: Indices) -> Images:  # noqa: ARG002 - Protocol
        every = np.random.default_rng(len(self.states)).integers(0, 256, (99, 40, 40, 3), np.uint8)
        return every[frames]


class Walks:
    """Three walks of 12, 13 and 14 frames."""

    name = "walks"
    schema = Schema({"front": (40, 40)}, STATES, DELTA_TCP_POSE.names, DELTA_TCP_POSE, 5.0)
    lengths = np.array([12, 13, 14])

    def __init__(self, poison: tuple[int, int] | None = None, reach: float = 0.1) -> None:
        """`poison` is the (episode, frame) whose action is enormous; the others go to `reach`."""
        rng = np.random.default_rng(0)
        self._walks = []
        for index, length in enumerate(self.lengths):
            states = rng.uniform(-1, 1, (length, len(STATES))).astype(np.float32)
            actions = reach * states[:, :7]
            if poison is not None and poison[0] == index:
                actions[poison[1]] = np.float32(3e38)
            told = ["walk on"] * (int(length) - 3) + ["walk slower"] * 3
            self._walks.append(Walk(f"walk-{index}", told, states, actions))

    def __getitem__(self, index: int) -> Walk:
        return self._walks[index]


class Line:
    """A linear map from state to action, by its mean squared error."""

    def __init__(
        self,
        poison: tuple[int, int] | None = None,
        is_inner: bool = False,
        validation_share: float = 0.0,
    ) -> None:
        self.module: nn.Module = nn.Linear(len(STATES), 7)
        self.samples, self.held_out = (
            Samples(Walks(poison), episodes, Window.of_chunk(1, 1), [])
            for episodes in split_episodes(3, validation_share, 3)
        )
        self.groups: Sequence[Group] = [
            Group("slopes", frozenset({"weight"}), decays=True, is_inner=is_inner),
            Group("offsets", frozenset({"bias"}), decays=False),
        ]
        self.facts: Mapping[str, Any] = {"data": "walks"}

    def prepare(self, sample: Sample) -> Mapping[str, Tensor]:
        return {"x": torch.from_numpy(sample.states[0]), "y": torch.from_numpy(sample.actions[0])}

    def collate(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        generators: Sequence[torch.Generator],  # noqa: ARG002 - Protocol
    ) -> Mapping[str, Tensor]:
        return stacked(examples)

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        error: Tensor = self.module(batch["x"]) - batch["y"]
        return error.square().mean(), {"l1_loss": error.abs().mean().item()}

    def save(self, module: nn.Module, folder: Path) -> None:
        folder.mkdir()
        save_file(module.state_dict(), folder / "line.safetensors")

    def policy(self, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        return {**config, "checkpoint": str(folder)}

    def summary(self) -> list[str]:
        return ["Data: walks"]


class Slowing:
    """One number, the speed of a `toys.Walker`, that learns to be 0; arriving takes 0.2 or so."""

    def __init__(self, speed: float = 0.3) -> None:
        self.module: nn.Module = nn.Linear(1, 1, bias=False)
        self.module.get_parameter("weight").data.fill_(speed)
        self.samples, self.held_out = (
            Samples(Walks(), np.arange(n), Window.of_chunk(1, 1), []) for n in (3, 0)
        )
        self.groups: Sequence[Group] = [Group("speed", frozenset({"weight"}), decays=False)]
        self.facts: Mapping[str, Any] = {"data": "walks"}

    def prepare(self, sample: Sample) -> Mapping[str, Tensor]:  # noqa: ARG002 - Protocol
        return {"time": torch.ones(1)}

    def collate(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        generators: Sequence[torch.Generator],  # noqa: ARG002 - Protocol
    ) -> Mapping[str, Tensor]:
        return stacked(examples)

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        way: Tensor = self.module(batch["time"])
        return way.square().mean(), {}

    def save(self, module: nn.Module, folder: Path) -> None:
        folder.mkdir()
        save_file(module.state_dict(), folder / "speed.safetensors")

    def policy(self, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        return {**config, "checkpoint": str(folder)}

    def summary(self) -> list[str]:
        return []


def saved_walker(name: str, checkpoint: str, device: str) -> Walker:  # noqa: ARG001 - of a GPU
    """The policy that `Slowing` saves."""
    speed = load_file(Path(checkpoint) / "speed.safetensors")["weight"].item()
    return Walker(name, speed=speed)


SPEC = ModelSpec(
    ObservationSpec(
        {"image": [3, 36, 36], "tcp_pose": [7], "gripper": [1], "language": [8]},
        VisionSpec(18, "group", None, [32, 32], None, 8, is_shared=False, imagenet_norm=False),
        LanguageSpec("hashed", "none", 8),
        [],
    ),
    7,
    Horizons(2, 4, 2, 1),
    UnetSpec([8, 8], 3, 8, 8, predicts_scale=True),
    DiffusionSpec(10, "squaredcos_cap_v2", "epsilon", 1, masks_padding=True),
)
INTERFACE = Interface(
    {"image": "front"},
    {"tcp_pose": ["tcp_pose"], "gripper": ["gripper_open"]},
    AsTrained("delta_tcp_pose"),
)


def diffusion(
    checkpoint: str | None = None, walks: Walks | None = None, interface: Interface = INTERFACE
) -> DiffusionLearner:
    """A tiny one with everything random in it: crops, noise, diffusion steps."""
    torch.manual_seed(0)
    data = Walks() if walks is None else walks
    return DiffusionLearner(Start(SPEC, checkpoint), interface, Recorded(data, data))


def optimization(**changes: Any) -> Optimization:
    usual: dict[str, Any] = {
        "optimizer": "adamw",
        "learning_rate": 1e-2,
        "schedule": "cosine",
        "n_warmup_steps": 2,
        "betas": [0.9, 0.999],
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "ema": Average(power=0.75, maximum=0.99),
    }
    return Optimization(**{**usual, **changes})


def settings(output: Path | str, **changes: Any) -> Settings:
    usual: dict[str, Any] = {
        "policy": {},
        "method": None,
        "data": "walks",
        "action": "action",
        "n_idle_frames": None,
        "frame_cache": None,
        "output": str(output),
        "seed": 3,
        "n_steps": 8,
        "batch_size": 4,
        "n_accumulated": 1,
        "optimization": optimization(),
        "precision": "fp32",
        "sharded": False,
        "compile": False,
        "device": "cpu",
        "n_workers": 2,
        "checkpoint_every": 3,
        "n_checkpoints": 2,
        "validation": Validation(0.0, 1000, 1024),
        "evaluation": None,
        "log": [],
    }
    return Settings(**{**usual, **changes})


def absolute_diffusion() -> DiffusionLearner:
    """It predicts absolute poses, as the published one does."""
    torch.manual_seed(0)
    interface = replace(INTERFACE, actions=AbsolutePose("rows", 0.0, 1.0))
    return DiffusionLearner(
        Start(replace(SPEC, action_dim=10), None), interface, Recorded(Walks(), Walks())
    )


def validated_low_dimensional() -> DiffusionLearner:
    """One of three episodes is held out."""
    return low_dimensional(validation_share=0.3)


def low_dimensional(validation_share: float = 0.0) -> DiffusionLearner:
    """A Diffusion Policy without images."""
    torch.manual_seed(0)
    shapes = {"tcp_pose": [7], "gripper": [1]}
    observation = ObservationSpec(shapes, None, None, [])
    denoiser = UnetSpec([8, 8], 3, 2, 8, predicts_scale=True)
    spec = replace(SPEC, observation=observation, denoiser=denoiser)
    interface = replace(INTERFACE, cameras={})
    return DiffusionLearner(
        Start(spec, None),
        interface,
        Recorded(Walks(), Walks(), validation_share=validation_share, seed=3),
    )


def line(**arguments: Any) -> Line:
    torch.manual_seed(1)
    return Line(**arguments)


def train_low_dimensional(output: str) -> None:
    """A few seconds of it, in a process that a test kills."""
    torch.set_num_threads(1)
    chosen = settings(output, n_steps=30, n_accumulated=2, checkpoint_every=8)
    train(low_dimensional(), chosen, Console(quiet=True))


def train_built(build: str, chosen: Settings) -> None:
    """`build` is a function of this module."""
    train(globals()[build](), chosen, Console(quiet=True))


def poisoned() -> Line:
    return line(poison=(1, 4))


def run_quietly(chosen: Settings) -> None:
    """What `vla-bench train` does."""
    run(chosen, Console(quiet=True))
