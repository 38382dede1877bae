"""Teaches new vision towers where things are, from logs alone, before a decoder learns to act.

OpenVLA begins with towers that saw hundreds of millions of images. A small one of ours begins with
towers that were trained to say, from an image and an instruction, where the tool is and where it
will be when the gripper next opens or closes. The head that says so is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vla_bench.data.keyframes import values_at_keyframes
from vla_bench.data.loader import Sample
from vla_bench.data.trajectory import TrajectoryDataset, state_columns
from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.checkpoint import Weights
from vla_bench.policies.openvla.demonstrations import Selection
from vla_bench.policies.openvla.export import copy_layout, in_fp32, write_weights
from vla_bench.policies.openvla.image import normalize_images
from vla_bench.policies.openvla.kernels import quick_attention
from vla_bench.policies.openvla.methods import Towers
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.prompt import Prompter
from vla_bench.policies.openvla.resize import TRAINED_RESIZE, Preparation, input_image
from vla_bench.policies.openvla.stages import groups_of
from vla_bench.policies.openvla.start import Start
from vla_bench.policies.training.learner import Group, stacked
from vla_bench.store import write_json

N_LOOKS = 8
_HIDDEN = 256
_CONSTANT = 1e-6  # m, or a component of a quaternion


class Pointing(nn.Module):
    """An OpenVLA with a head: `N_LOOKS` weighted means over its patches, asked for by the words.

    Pixels (b, 3 per tower, side, side) and an instruction's ids (b, t), padded -> (b, n_values).
    """

    def __init__(self, openvla: OpenVLAModel, n_values: int) -> None:
        super().__init__()
        self.openvla = openvla
        width = sum(tower.width for tower in openvla.config.towers)
        self.words = nn.EmbeddingBag(
            openvla.config.decoder.n_tokens,
            N_LOOKS * width,
            mode="mean",
            padding_idx=openvla.config.pad_token_id,
        )
        nn.init.normal_(self.words.weight, std=width**-0.5)
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Sequential(nn.Linear(N_LOOKS * width, _HIDDEN), nn.GELU())
        self.output = nn.Linear(_HIDDEN, n_values)

    def forward(self, pixels: Tensor, ids: Tensor) -> Tensor:
        patches = self.norm(self.openvla.vision_backbone(pixels))
        asked = self.words(ids).view(len(ids), N_LOOKS, -1)
        weights = (asked @ patches.transpose(1, 2)).softmax(dim=-1)
        values: Tensor = self.output(self.hidden((weights @ patches).flatten(1)))
        return values


class TowerLearner:
    """A `Learner` of `Pointing` over every frame of a data set."""

    def __init__(
        self, start: Start, method: Towers, data: TrajectoryDataset, selection: Selection
    ) -> None:
        """Raises DataError for a log without the states that `method` names."""
        camera, box = selection.camera, selection.box
        self.samples, self.held_out = selection.samples(data)
        self._start, self._camera, self._data = start, camera, data
        self._preparation = Preparation(TRAINED_RESIZE, center_crop=False, box=box)
        prompter = Prompter.read(start.folder, start.model.config.prompt, "template")
        self._tokenizer = prompter.tokenizer
        self._values, self._n_now, scale = _values(data, method)
        self.module: nn.Module = Pointing(start.model, self._values[0].shape[1])
        self.module.requires_grad_(True)
        for part in (start.model.projector, start.model.language_model):
            part.requires_grad_(False)
        self.groups: Sequence[Group] = groups_of(self.module)
        self.facts: Mapping[str, Any] = {
            "model": asdict(start.model.config),
            "checkpoint": start.name,
            "method": asdict(method),
            "camera": camera,
            "box": list(box),
            "data": {"name": data.name, **scale},
        }

    def prepare(self, sample: Sample) -> Mapping[str, Tensor]:
        config = cast(Pointing, self.module).openvla.config
        image = input_image(sample.images[self._camera][0], config)
        return {
            "image": torch.from_numpy(np.array(image)),
            "ids": torch.tensor(self._tokenizer.encode(sample.instruction.lower()).ids),
            "values": torch.from_numpy(self._values[sample.episode][sample.frame]),
        }

    def collate(
        self,
        examples: Sequence[Mapping[str, Tensor]],
        generators: Sequence[torch.Generator],  # noqa: ARG002 - Protocol
    ) -> Mapping[str, Tensor]:
        pad_id = cast(Pointing, self.module).openvla.config.pad_token_id
        ids = [example["ids"] for example in examples]
        same = [{key: example[key] for key in ("image", "values")} for example in examples]
        return {**stacked(same), "ids": pad_sequence(ids, batch_first=True, padding_value=pad_id)}

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        """Mean squared error in standard deviations, so that 1 is what an unseeing one gets."""
        pointing = cast(Pointing, self.module)
        pixels = normalize_images(batch["image"], pointing.openvla.config)
        with quick_attention(pixels.device):
            said = pointing(pixels, batch["ids"]).float()
        errors = (said - batch["values"]).square().mean(dim=0)
        now, ahead = errors.detach().tensor_split([self._n_now])
        return errors.mean(), {"now": float(now.mean()), "next": float(ahead.mean())}

    def save(self, module: nn.Module, folder: Path) -> None:
        """A checkpoint in the published layout: what it began with, and the towers."""
        copy_layout(self._start.folder, folder)
        write_weights(folder, Weights.of(cast(Pointing, module).openvla), in_fp32)
        write_json(folder / "preparation.json", asdict(self._preparation))

    def policy(self, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Raises ConfigError: towers do not act."""
        raise ConfigError(
            f"method=towers trains no policy that could be rolled out as {config['name']}: leave "
            "out env=..., then give the result to a second training, method=from_scratch "
            f"policy.checkpoint={folder}."
        )

    def summary(self) -> list[str]:
        return [
            f"Data: {self._data.name}, {len(self._data.lengths)} episodes",
            f"Values told: {self._n_now} of now, {self._values[0].shape[1] - self._n_now} of the "
            "next change of the gripper; 1 is the error of one that sees nothing",
        ]


def _values(
    data: TrajectoryDataset, method: Towers
) -> tuple[list[NDArray[np.float32]], int, Mapping[str, list[float]]]:
    """Per episode (T, n), standardized; how many are of now; mean and standard deviation.

    Columns that never change are left out.
    """
    now = state_columns(data, method.now, "method.now")
    ahead = values_at_keyframes(data, state_columns(data, method.next, "method.next"))
    both = [np.concatenate((data[i].states[:, now], ahead[i]), axis=1) for i in range(len(ahead))]
    every = np.concatenate(both)
    mean, std = every.mean(axis=0), every.std(axis=0)
    varies = std > _CONSTANT
    values = [((rows - mean) / np.where(varies, std, 1.0))[:, varies] for rows in both]
    scale = {"mean": mean[varies].tolist(), "std": std[varies].tolist()}
    return [rows.astype(np.float32) for rows in values], int(varies[: len(now)].sum()), scale
