"""What the training loop needs to train a Diffusion Policy on a LeRobot folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vla_bench.construct import construct
from vla_bench.data.fitted import fitted
from vla_bench.data.keyframes import values_at_keyframes
from vla_bench.data.loader import Sample, Samples
from vla_bench.data.statistics import DatasetStatistics, statistics_of
from vla_bench.data.trajectory import (
    DataError,
    Schema,
    TrajectoryDataset,
    state_columns,
)
from vla_bench.data.windows import Window
from vla_bench.errors import ConfigError
from vla_bench.policies.diffusion.checkpoint import load_model, save_checkpoint
from vla_bench.policies.diffusion.converted import converted
from vla_bench.policies.diffusion.interface import Interface
from vla_bench.policies.diffusion.language import text_encoder
from vla_bench.policies.diffusion.model import DiffusionModel
from vla_bench.policies.diffusion.optimizer import decayed_parameters
from vla_bench.policies.diffusion.plain import to_plain
from vla_bench.policies.diffusion.range_check import check_ranges
from vla_bench.policies.diffusion.spec import ModelSpec, VisionSpec
from vla_bench.policies.diffusion.targets import beyond_mishap, mishaps
from vla_bench.policies.training.data import Recorded, recorded
from vla_bench.policies.training.learner import Group, stacked
from vla_bench.policies.training.settings import Settings


@dataclass(frozen=True)
class Start:
    """What a Diffusion Policy begins with: a new network of `model`, or `checkpoint`'s weights.

    With a checkpoint its normalizer stays, so that its weights keep their meaning; `model` is then
    what it must be, or None for whatever it is.
    """

    model: ModelSpec | None
    checkpoint: str | None

    def network(self) -> DiffusionModel:
        if self.checkpoint is not None:
            return load_model(self.checkpoint, self.model).requires_grad_(True)
        if self.model is None:
            raise ConfigError(
                "policy.model is null: say which network to train, or set a checkpoint."
            )
        return DiffusionModel(self.model)


class DiffusionLearner:
    """A `Learner` over every frame of a data set."""

    def __init__(self, start: Start, interface: Interface, data: Recorded) -> None:
        """Raises ConfigError or DataError where network, interface and data do not fit."""
        network = start.network()
        spec = network.spec
        interface.check(spec)
        cameras = list(interface.cameras.values())
        dataset = fitted(data.labels, interface.actions.action_spec, cameras)
        horizons = spec.horizons
        window = Window.of_horizon(
            horizons.n_prediction, horizons.n_obs_steps, horizons.n_action_steps
        )
        self.module: nn.Module = network
        views = {c: spec.observation.view(key) for key, c in interface.cameras.items()}
        seen, n_used = converted(data.at_views(views), interface.actions), data.n_used(dataset)
        self.samples, self.held_out = (
            Samples(seen, episodes, window, cameras, n_used) for episodes in data.split
        )
        self.groups: Sequence[Group] = _groups(network)
        self._spec, self._interface = spec, interface
        setting = "policy.interface.proprio"
        self._columns = {
            key: state_columns(dataset, names, setting) for key, names in interface.proprio.items()
        }
        for key, columns in self._columns.items():
            _check_width(dataset, key, columns, spec)
        self._keyframes = None
        if spec.keyframe is not None:
            columns = self._columns[spec.keyframe.key]
            self._keyframes = values_at_keyframes(dataset, columns)
        self._window = window
        self._mishaps = (
            mishaps(data.labels, data.executed) if spec.diffusion.masks_padding else None
        )
        language = spec.observation.language
        self._encode_text = None if language is None else text_encoder(language)
        learned = converted(dataset, interface.actions)
        self._statistics = statistics_of(learned, self.samples.episodes)
        self._schema = learned.schema
        self._fit(network, learned, is_new=start.checkpoint is None)
        self.facts: Mapping[str, Any] = {
            "model": to_plain(spec),
            "checkpoint": start.checkpoint,
            "cameras": dict(interface.cameras),
            "proprio": {key: list(names) for key, names in interface.proprio.items()},
            "data": {"name": dataset.name, **self._statistics.to_dict()},
        }

    def prepare(self, sample: Sample) -> Mapping[str, Tensor]:
        example = {
            "action": torch.from_numpy(sample.actions).float(),
            "action_is_pad": torch.from_numpy(self._unlearned(sample)),
        }
        if self._keyframes is not None:
            value = self._keyframes[sample.episode][sample.frame]
            example["keyframe"] = torch.from_numpy(value).float()
        for key, camera in self._interface.cameras.items():
            example[key] = torch.from_numpy(sample.images[camera])
        for key, columns in self._columns.items():
            example[key] = torch.from_numpy(sample.states[:, columns]).float()
        if self._encode_text is not None:
            example["language"] = self._encode_text(sample.instruction)
        return example

    def _unlearned(self, sample: Sample) -> NDArray[np.bool_]:
        """Rows beyond the episode, and those that answer to a mishap not yet seen."""
        if self._mishaps is None:
            return sample.is_padding
        mishap = self._mishaps[sample.episode]
        frames, _ = self._window.acted(sample.frame, len(mishap))
        current = self._window.actions.index(0)
        return sample.is_padding | beyond_mishap(mishap, frames, current)

    def collate(
        self, examples: Sequence[Mapping[str, Tensor]], generators: Sequence[torch.Generator]
    ) -> Mapping[str, Tensor]:
        batch = {**stacked(examples), **cast(DiffusionModel, self.module).draws(generators)}
        for key in self._interface.cameras:
            batch[key] = batch[key].permute(0, 1, 4, 2, 3).float() / 255
        return batch

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        return cast(DiffusionModel, self.module).loss(batch), {}

    def save(self, module: nn.Module, folder: Path) -> None:
        save_checkpoint(folder, cast(DiffusionModel, module))

    def policy(self, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        return {**config, "checkpoint": str(folder)}

    def summary(self) -> list[str]:
        return [
            *_described(self._schema, self._statistics),
            *_ranges(cast(DiffusionModel, self.module)),
        ]

    def _fit(self, network: DiffusionModel, dataset: TrajectoryDataset, is_new: bool) -> None:
        """Every column to [-1, 1] by its limits; images too, unless ImageNet's mean and standard
        deviation follow, which are those of [0, 1]. What is not new must have seen such data.
        """
        trajectories = [dataset[int(index)] for index in self.samples.episodes]
        states = torch.from_numpy(np.concatenate([t.states for t in trajectories]))
        actions = torch.from_numpy(np.concatenate([t.actions for t in trajectories]))
        values = {key: states[:, columns].float() for key, columns in self._columns.items()}
        values["action"] = actions.float()
        if not is_new:
            states_of = dataset.schema.state_names
            names = {key: [states_of[i] for i in self._columns[key]] for key in self._columns}
            names["action"] = list(dataset.schema.action_names)
            check_ranges(network.normalizer, values, names, dataset.name)
            return
        for key, columns in values.items():
            network.normalizer.fit(key, columns, "limits")
        vision = self._spec.observation.vision
        for key in self._spec.observation.image_keys:
            if not (isinstance(vision, VisionSpec) and vision.imagenet_norm):
                network.normalizer.set(key, torch.full((3,), 2.0), torch.full((3,), -1.0))


def learner(settings: Settings) -> DiffusionLearner:
    """From `conf/train.yaml` with a policy that is a DiffusionPolicy."""
    policy = settings.policy
    model = None if policy["model"] is None else construct(policy["model"])
    start = Start(model, policy["checkpoint"])
    return DiffusionLearner(start, construct(policy["interface"]), recorded(settings))


def _groups(network: DiffusionModel) -> list[Group]:
    trained = frozenset(name for name, p in network.named_parameters() if p.requires_grad)
    maps = trained & decayed_parameters(network)
    return [
        Group("weights of maps", maps, decays=True),
        Group("biases, norms, embeddings", trained - maps, decays=False),
    ]


def _check_width(
    dataset: TrajectoryDataset, key: str, columns: Sequence[int], spec: ModelSpec
) -> None:
    wanted = spec.observation.shapes[key][0]
    if len(columns) != wanted:
        raise DataError(
            f"Data set {dataset.name}: the network's {key!r} takes {wanted} numbers, the state has "
            f"{len(columns)}: {', '.join(dataset.schema.state_names[i] for i in columns)}. Set "
            "policy.interface.proprio, or policy.model.observation.shapes."
        )


def _described(schema: Schema, statistics: DatasetStatistics) -> list[str]:
    lines = [f"Data: {statistics.n_episodes} episodes, {statistics.n_frames} frames"]
    action = statistics.action
    for i, name in enumerate(schema.action_names):
        lines.append(
            f"  action {name}: mean {action.mean[i]:.4g}, std {action.std[i]:.4g}, "
            f"{action.min[i]:.4g} to {action.max[i]:.4g}"
        )
    return lines


def _ranges(network: DiffusionModel) -> list[str]:
    """What the normalizer sends to [-1, 1], per key and column."""
    lines = []
    observed = (*network.spec.observation.image_keys, *network.spec.observation.vector_keys)
    for key in (*observed, "action"):
        shape = network.spec.observation.shapes.get(key, (network.spec.action_dim,))
        ends = torch.tensor([-1.0, 1.0]).reshape(2, *[1] * len(shape))
        ends = ends.expand(2, shape[0], *[1] * (len(shape) - 1))  # one pixel of an image
        low, high = network.normalizer.unnormalize(key, ends).reshape(2, -1).tolist()
        shown = ", ".join(f"{a:.3g}..{b:.3g}" for a, b in zip(low, high))
        lines.append(f"  network's -1..1 is, in {key}: {shown}")
    return lines
