"""What the training loop needs to train an OpenVLA on a LeRobot folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.fitted import fitted
from vla_bench.data.loader import Sample
from vla_bench.data.normalize import Normalizer
from vla_bench.data.statistics import DatasetStatistics, statistics_of, write_statistics
from vla_bench.data.view import WHOLE, View, to_box
from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.action_tokens import ActionTokens
from vla_bench.policies.openvla.augment import Jitter
from vla_bench.policies.openvla.checkpoint import Weights, read_config
from vla_bench.policies.openvla.demonstrations import Demonstrations, Selection, demonstrations
from vla_bench.policies.openvla.export import copy_layout, in_bf16, write_weights
from vla_bench.policies.openvla.labels import Batch, Example, Labeller
from vla_bench.policies.openvla.lora_file import save_lora
from vla_bench.policies.openvla.loss import forced_pass, metrics
from vla_bench.policies.openvla.methods import Method, Towers
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.prompt import Prompter
from vla_bench.policies.openvla.resize import TRAINED_RESIZE, Preparation, input_image, recorded_box
from vla_bench.policies.openvla.robots import RobotConvention
from vla_bench.policies.openvla.source import locate, named_step
from vla_bench.policies.openvla.stages import groups_of
from vla_bench.policies.openvla.start import Start, first_checkpoint, method_of
from vla_bench.policies.openvla.towers import TowerLearner
from vla_bench.policies.training.data import recorded
from vla_bench.policies.training.learner import Group, Learner
from vla_bench.policies.training.settings import Settings
from vla_bench.store import write_json


class OpenVLALearner:
    """A `Learner` over every frame of a data set."""

    def __init__(
        self, start: Start, method: Method, data: Demonstrations, selection: Selection
    ) -> None:
        """The `selection` of `data` is what `start` with `method` learns to predict."""
        config, camera, box = start.model.config, selection.camera, selection.box
        self.module: nn.Module = start.model
        self.samples, self.held_out = selection.samples(data)
        self.groups: Sequence[Group] = groups_of(start.model)
        self._start, self._method, self._camera, self._data = start, method, camera, data
        owners = selection.owners
        self._owners = owners if len(set(owners)) > 1 else [data.name] * len(data.lengths)
        self._statistics = statistics_of(data, self.samples.episodes)
        self._normalizer = Normalizer("bounds_q99", self._statistics.action)
        self._preparation = Preparation(TRAINED_RESIZE, center_crop=method.image_aug, box=box)
        prompter = Prompter.read(start.folder, config.prompt, "template")
        self._labeller = Labeller(prompter, config)
        self._pool = ThreadPoolExecutor(thread_name_prefix="augment")
        self.facts: Mapping[str, Any] = {
            "model": asdict(config),
            "checkpoint": start.name,
            "method": asdict(method),
            "camera": camera,
            "box": list(box),
            "robot": data.convention.robot,
            "data": {"name": data.name, **self._statistics.to_dict()},
        }

    def prepare(self, sample: Sample) -> Mapping[str, Tensor]:
        """The image at the model's size, before augmentation, and the ids of prompt and action."""
        image = input_image(sample.images[self._camera][0], self._labeller.config)
        action = self._normalizer.normalize(sample.actions[0])
        batch = self._labeller.collate(
            [Example(image, sample.instruction, action, self._data.name)]
        )
        return {
            "image": batch.images[0],
            "ids": batch.ids[0],
            "labels": batch.labels[0],
            "episode": torch.tensor(sample.episode),
        }

    def collate(
        self, examples: Sequence[Mapping[str, Tensor]], generators: Sequence[torch.Generator]
    ) -> Mapping[str, Tensor]:
        """Ids padded to the longest; each image augmented as its generator draws."""
        images = [example["image"].numpy() for example in examples]
        if self._method.image_aug:
            draws = [Jitter.of(torch.rand(5, generator=one).numpy()) for one in generators]
            images = list(self._pool.map(Jitter.apply, draws, images))
        ids, labels = self._labeller.pad(
            [example["ids"] for example in examples], [example["labels"] for example in examples]
        )
        episodes = torch.stack([example["episode"] for example in examples])
        stacked = torch.from_numpy(np.stack(images))
        return {"images": stacked, "ids": ids, "labels": labels, "episodes": episodes}

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        names = tuple(self._owners[episode] for episode in batch["episodes"].tolist())
        whole = Batch(batch["images"], batch["ids"], batch["labels"], names)
        forced = forced_pass(cast(OpenVLAModel, self.module), whole)
        tokens = ActionTokens(self._labeller.config.n_text_tokens)
        measured = metrics(forced, tokens, whole.data_sets)
        several = len(set(self._owners)) > 1
        return forced.loss, {k: v for k, v in measured.items() if several or "/" not in k}

    def save(self, module: nn.Module, folder: Path) -> None:
        """A checkpoint in the published layout, or an adapter that names the one it belongs to."""
        model, lora = cast(OpenVLAModel, module), self._method.lora
        if lora is None:
            copy_layout(self._start.folder, folder)
            write_weights(folder, Weights.of(model), in_bf16)
        else:
            save_lora(model, lora.size, self._base, folder)
        write_statistics(folder / "dataset_statistics.json", {self._data.name: self._statistics})
        record = {**asdict(self._preparation), "rotation": self._data.convention.rotation}
        write_json(folder / "preparation.json", record)

    def policy(self, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Read as it was trained: statistics and preparation are those beside the checkpoint.

        What has hardly learned picks tokens that stand for no action: that is no end of a training.
        """
        return {
            **config,
            "invalid_tokens": "substitute",
            "checkpoint": str(folder),
            "statistics_key": self._data.name,
            "resize": None,
            "center_crop": None,
            "box": None,
            "robot": self._data.convention.robot,
        }

    def summary(self) -> list[str]:
        config, name, box = self._labeller.config, self._data.name, self._preparation.box
        instruction = self._data[0].instructions[0]
        ids = self._labeller.prompter.ids(instruction)
        return [
            *_described(self._data, self._statistics),
            f"Prompt: {self._labeller.prompter.tokenizer.decode(ids)!r}, {len(ids)} tokens",
            f"Images: {self._camera} to {config.image_size} px by lanczos3, "
            f"{'whole' if box == WHOLE else f'of {list(box)}'}, "
            f"{'augmented' if self._method.image_aug else 'not augmented'}; "
            f"{config.n_patches} patches",
            f"Evaluate with: policy.statistics_key={name} policy.resize=null "
            f"policy.center_crop=null policy.robot={self._data.convention.robot}",
        ]

    @property
    def _base(self) -> str:
        """What an adapter calls its checkpoint: a hub id as given, a folder so that it is found."""
        folder = Path(self._start.name).expanduser()
        return str(folder.resolve()) if folder.exists() else self._start.name


def learner(settings: Settings) -> Learner:
    """From `conf/train.yaml` with a policy that is an OpenVLAPolicy."""
    policy = settings.policy
    _check_trained_alike(policy)
    method = method_of(settings)
    camera, record = policy["camera"], recorded(settings)
    name = first_checkpoint(settings)
    folder, cpu = locate(name), torch.device("cpu")  # the loop says which GPU
    size, place = read_config(folder).image_size, named_step(name) or folder
    box = recorded_box([folder]) if policy["box"] is None else to_box(policy["box"])
    frames = record.at_views({camera: View(size, size, box)})
    if isinstance(method, Towers):
        frames = fitted(frames, DELTA_TCP_POSE, [camera])
        start = Start(name, folder, method.load(place, cpu))
        selection = Selection(camera, box, record.n_used(frames), record.split)
        return TowerLearner(start, method, frames, selection)
    start = Start(name, folder, method.load(place, cpu, settings.seed))
    convention = RobotConvention(policy["robot"], policy["sticky_gripper"])
    data = demonstrations(frames, convention, camera, method.drop_noops)
    selection = Selection(camera, box, record.n_used(data), record.split, record.owners)
    return OpenVLALearner(start, method, data, selection)


def _check_trained_alike(policy: Mapping[str, Any]) -> None:
    """Raises ConfigError for what a policy can do and its training cannot."""
    if policy["adapter"] is not None:
        raise ConfigError(
            f"A training begins with whole weights, policy.adapter is {policy['adapter']}. Type "
            f"vla-bench merge adapter={policy['adapter']} output=MERGED, then train with "
            "policy.adapter=null policy.checkpoint=MERGED."
        )
    trained: dict[str, tuple[Any, ...]] = {
        "prompt": ("template",),
        "resize": (TRAINED_RESIZE, None),
    }
    for key, allowed in trained.items():
        if policy[key] not in allowed:
            raise ConfigError(
                f"A training uses {key} {allowed[0]}, policy.{key} is {policy[key]}: "
                f"type policy.{key}={allowed[0]}."
            )


def _described(data: Demonstrations, statistics: DatasetStatistics) -> list[str]:
    """The columns as they are predicted, and which of their values are -1 and 1."""
    names = list(data.schema.action_names)
    if data.convention.rotation == "roll_pitch_yaw":
        names[3:6] = ["roll", "pitch", "yaw"]
    action = statistics.action
    lines = [f"Data: {data.name}, {statistics.n_episodes} episodes, {statistics.n_frames} frames"]
    for i, name in enumerate(names):
        scaled = f"{action.q01[i]:.4g}..{action.q99[i]:.4g} is -1..1"
        lines.append(
            f"  action {name}: mean {action.mean[i]:.4g}, std {action.std[i]:.4g}, "
            f"{scaled if action.mask[i] else 'as it is'}"
        )
    return lines
