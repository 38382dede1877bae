"""`OpenVLA`: a checkpoint as an object that answers images and instructions with actions.

The stable entry for scripts; knows neither episodes nor robots. Actions are in the units of the
statistics' data set, before any robot's convention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vla_bench.errors import PolicyError, unknown_name
from vla_bench.policies.device import device_of
from vla_bench.policies.openvla.action_tokens import ActionTokens
from vla_bench.policies.openvla.adapter import read_adapter, with_base
from vla_bench.policies.openvla.build import build_model
from vla_bench.policies.openvla.checkpoint import open_weights, read_config
from vla_bench.policies.openvla.engine import Engine
from vla_bench.policies.openvla.generate import Decoding
from vla_bench.policies.openvla.image import check_image, to_input_size
from vla_bench.policies.openvla.kernels import check_compiler
from vla_bench.policies.openvla.prompt import Prompter
from vla_bench.policies.openvla.resize import Preparation, recorded_preparation
from vla_bench.policies.openvla.source import locate, named_step
from vla_bench.policies.openvla.statistics import (
    ActionStatistics,
    choose_statistics,
    read_statistics,
)

INVALID_TOKENS = ("raise", "substitute")
_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", "float32": "fp32", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Options:
    """What a checkpoint does not say.

    Attributes:
        adapter: Folder or hub id of a PEFT LoRA adapter to merge into the weights.
        prompt: ``template`` or ``bare``, see `prompt.prompt_text`.
        preparation: What happens to images before the checkpoint's own processor; None: what the
            checkpoint records, or nothing, as published.
        invalid_tokens: When the likeliest token stands for no action: ``raise`` PolicyError, or
            ``substitute`` the likeliest action token and count it.
        compile: Compile small kernels; on a GPU also capture CUDA graphs.
    """

    adapter: str | None = None
    prompt: str = "template"
    preparation: Preparation | None = None
    invalid_tokens: str = "raise"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.invalid_tokens not in INVALID_TOKENS:
            raise unknown_name("invalid_tokens", self.invalid_tokens, INVALID_TOKENS)


@dataclass(frozen=True)
class Prediction:
    """Answers to n requests.

    Attributes:
        token_ids: n lists of exactly dim ids.
        actions: (n, dim), un-normalized.
        n_substituted: (n,) how many ids were put in place of one that stands for no action.
    """

    token_ids: list[list[int]]
    actions: NDArray[np.float64]
    n_substituted: NDArray[np.int64]


@dataclass(frozen=True)
class OpenVLA:
    """A loaded checkpoint; make it with `from_pretrained`.

    Attributes:
        preparation: What happens to images before the checkpoint's own processor.
    """

    engine: Engine
    prompter: Prompter
    statistics: Mapping[str, ActionStatistics]
    options: Options
    preparation: Preparation

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = torch.float32,
        options: Options = Options(),
    ) -> OpenVLA:
        """From a folder (Hugging Face or native layout), a native run's `.pt`, or a hub id,
        `owner/name[@revision]`.

        `dtype` is a torch dtype or a precision: fp32, bf16, int8, nf4, int4. Raises
        CheckpointError for what is wrong with the files, ConfigError for a device or precision
        that cannot be had (a device is cpu, cuda, cuda:N or mps), MissingDependencyError where
        nothing can be compiled.
        """
        place = device_of(device)
        if options.compile:
            check_compiler(place)
        path, adapter = with_base(path, options.adapter)
        folder = locate(path)
        config, weights = read_config(folder), open_weights(named_step(path) or folder)
        folders = [folder]
        if adapter is not None:
            folders.append(locate(adapter))
            weights = read_adapter(folders[-1]).merge(weights)
        precision = _NAMES.get(dtype, str(dtype))
        model = build_model(config, weights, place, precision)
        return cls(
            Engine(model, options.compile),
            Prompter.read(folder, config.prompt, options.prompt),
            read_statistics(folders),
            options,
            options.preparation or recorded_preparation(folders[::-1]),
        )

    @property
    def action_tokens(self) -> ActionTokens:
        return ActionTokens(self.engine.model.config.n_text_tokens)

    def predict(
        self,
        images: Sequence[NDArray[np.uint8]],
        instructions: Sequence[str],
        statistics_key: str | None = None,
    ) -> Prediction:
        """Greedy actions for n requests, each a (height, width, 3) RGB image and an instruction.

        `statistics_key` may be None when the checkpoint has statistics of one data set only.
        Raises ConfigError for an unknown key, PolicyError for other inputs and, unless
        substituting, for tokens that stand for no action.
        """
        statistics = choose_statistics(self.statistics, statistics_key)
        tokens = self.action_tokens
        substitute = self.options.invalid_tokens == "substitute"
        decoding = Decoding(statistics.dim, tokens.first_id, tokens.last_id, substitute)
        prepared = self._prepare(images, instructions)
        ids, free = self.engine.generate(*prepared, decoding)
        invalid = ~tokens.is_action(free)
        if invalid.any() and not substitute:
            raise PolicyError(_describe_invalid(free, invalid, instructions, tokens))
        actions = statistics.unnormalize(tokens.decode(ids))
        return Prediction(ids.tolist(), actions, invalid.sum(axis=1))

    def logits(
        self, images: Sequence[NDArray[np.uint8]], instructions: Sequence[str]
    ) -> NDArray[np.float32]:
        """(n, vocabulary) at the last position of each prompt, where the first token is picked."""
        return self.engine.logits(*self._prepare(images, instructions))

    def _prepare(
        self, images: Sequence[NDArray[np.uint8]], instructions: Sequence[str]
    ) -> tuple[NDArray[np.uint8], list[list[int]]]:
        if isinstance(instructions, str):
            raise PolicyError(f"Expected a list of instructions, got the text {instructions!r}.")
        if len(images) != len(instructions) or not len(images):
            raise PolicyError(
                f"Expected as many images as instructions and at least one, got {len(images)} "
                f"and {len(instructions)}."
            )
        for image in images:
            check_image(image)
        config = self.engine.model.config
        prepare, side = self.preparation.apply, config.image_size
        sized = np.stack([to_input_size(prepare(image, side), config) for image in images])
        return sized, self.prompter.batch(instructions)


def _describe_invalid(
    free: NDArray[np.int64],
    invalid: NDArray[np.bool_],
    instructions: Sequence[str],
    tokens: ActionTokens,
) -> str:
    row, column = np.argwhere(invalid)[0]
    return (
        f"{invalid.sum()} of {invalid.size} tokens stand for no action; the first is "
        f"{free[row, column]}, number {column + 1} of {invalid.shape[1]} for "
        f"{instructions[row]!r}. Expected ids {tokens.first_id}..{tokens.last_id}. Is the "
        "checkpoint an OpenVLA for this prompt? policy.invalid_tokens=substitute takes the "
        "likeliest action token instead and counts it."
    )
