"""The published code's training step on tiny weights, for the tests of stages and of LoRA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from openvla_toys import golden_image
from torch import nn

from vla_bench.policies.openvla.action_tokens import ActionTokens
from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.image import to_input_size
from vla_bench.policies.openvla.labels import IGNORED, Example, Labeller
from vla_bench.policies.openvla.loss import Forced, forced_pass, metrics
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.prompt import Prompter
from vla_bench.policies.openvla.stages import parameter_groups

CPU = torch.device("cpu")
TOKENS = ActionTokens(32000)


def read_labeller(folder: Path) -> Labeller:
    config = read_config(folder)
    return Labeller(Prompter.read(folder, config.prompt, "template"), config)


class Golden:
    """A batch of six, and what one step on it computed."""

    def __init__(self, shared: Path) -> None:
        self.folder = shared / "golden" / "openvla"
        self.path = self.folder / "tiny_openvla"
        self.facts: dict[str, Any] = json.loads((self.folder / "train_step.json").read_text())
        with np.load(self.folder / "train_step.npz") as arrays:
            self.arrays: dict[str, NDArray[Any]] = dict(arrays)
        self.labeller = read_labeller(self.path)
        columns = (self.facts["instructions"], self.arrays["actions"], self.facts["dataset_names"])
        images = [
            to_input_size(golden_image(shared, name), self.labeller.config)
            for name in self.facts["images"]
        ]
        self.batch = self.labeller.collate([Example(*row) for row in zip(images, *columns)])


class GoldenStep:
    """One recorded step; asserts that a model makes the same one."""

    def __init__(self, golden: Golden, run: str) -> None:
        self.golden, self.run = golden, run
        self.facts = golden.facts[run]

    def array(self, name: str) -> NDArray[Any]:
        return self.golden.arrays[f"{self.run}/{name}"]

    def check(self, model: OpenVLAModel, weight_decay: float) -> None:
        """Loss, predictions, gradients, and the loss after one step of AdamW."""
        forced = forced_pass(model, self.golden.batch)
        self._check_forced(forced)
        forced.loss.backward()  # type: ignore[no-untyped-call]
        self._check_gradients(model)
        optimizer = torch.optim.AdamW(parameter_groups(model, weight_decay), lr=self.facts["lr"])
        trained = [p for p in model.parameters() if p.requires_grad]
        norm = nn.utils.clip_grad_norm_(trained, self.facts.get("clip", float("inf")))
        assert norm.item() == pytest.approx(self.facts["grad_norm"], rel=1e-5)
        optimizer.step()
        after = forced_pass(model, self.golden.batch)
        assert after.loss.item() == pytest.approx(self.facts["loss_after_one_adamw_step"], rel=2e-5)
        values = metrics(after, TOKENS, self.golden.batch.data_sets)
        assert values["action_accuracy"] == pytest.approx(self.facts["action_accuracy_after"])
        assert values["l1_loss"] == pytest.approx(self.facts["l1_loss_after"], rel=1e-6)

    def _check_forced(self, forced: Forced) -> None:
        learned = (self.golden.batch.labels[:, 1:] != IGNORED).numpy()
        assert forced.loss.item() == pytest.approx(self.facts["loss"], rel=1e-5)
        assert forced.loss.item() == pytest.approx(
            self.array("token_losses")[learned].mean(), rel=1e-5
        )
        np.testing.assert_array_equal(forced.predicted, self.array("pred_ids")[learned])
        values = metrics(forced, TOKENS, self.golden.batch.data_sets)
        assert values["action_accuracy"] == pytest.approx(self.facts["action_accuracy"])
        assert values["l1_loss"] == pytest.approx(self.facts["l1_loss"], rel=1e-6)

    def _check_gradients(self, model: OpenVLAModel) -> None:
        gradients = {
            recorded_name(name): None if parameter.grad is None else parameter.grad.norm().item()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        expected = dict(zip(self.array("grad_names"), self.array("grad_norms")))
        without = {name for name, norm in gradients.items() if norm is None}
        assert without == set(self.facts["params_without_grad"])
        assert gradients.keys() - without == expected.keys()
        for name, norm in expected.items():
            assert gradients[name] == pytest.approx(norm, rel=1e-4, abs=1e-6), name


def recorded_name(name: str) -> str:
    """As peft calls an update; names of a checkpoint stay."""
    for mine, theirs in ((".a.weight", "A"), (".b.weight", "B")):
        if name.endswith(mine):
            module = name.removesuffix(mine)
            return f"base_model.model.{module}.lora_{theirs}.default.weight"
    return name
