"""One training step of every stage against what the published code computes on tiny weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from openvla_toys import random_images, write_toy
from openvla_training_golden import CPU, TOKENS, Golden, GoldenStep, read_labeller
from torch import nn

from vla_bench.data.trajectory import DataError
from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.action_tokens import ActionTokens
from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.config import parse_config
from vla_bench.policies.openvla.image import normalize_images
from vla_bench.policies.openvla.labels import IGNORED, Batch, Example
from vla_bench.policies.openvla.loss import Forced, forced_pass, metrics
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.native import published_config
from vla_bench.policies.openvla.stages import (
    STAGES,
    load_trainable,
    n_trained,
    parameter_groups,
    train_stage,
)

pytestmark = pytest.mark.usefixtures("one_thread")

RUNS = {
    "full_lr2e-5_clip1": ("full", 0.0),
    "full_lr5e-4_noclip": ("full", 0.01),
    "vla-train": ("frozen_vision", 0.0),
    "vla-sandwich-train": ("sandwich", 0.0),
    "vla-last-layer-train": ("last_layer", 0.0),
}
"""Golden run -> stage and weight decay."""


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


def toy_batch(toy: Path, n: int = 2) -> Batch:
    rng = np.random.default_rng(0)
    return read_labeller(toy).collate(
        [
            Example(image, "pick up the red cup", rng.uniform(-1, 1, 7), "toy")
            for image in random_images(n, 224)
        ]
    )


def test_a_collated_batch_is_the_published_one(golden: Golden) -> None:
    np.testing.assert_array_equal(golden.batch.ids, golden.arrays["input_ids"])
    np.testing.assert_array_equal(golden.batch.labels, golden.arrays["labels"])
    padding = golden.batch.ids == golden.labeller.config.pad_token_id
    np.testing.assert_array_equal(~padding, golden.arrays["attention_mask"])


def test_training_ids_are_those_of_the_published_training_strings(
    golden: Golden, shared: Path
) -> None:
    cases = json.loads((shared / "golden" / "openvla" / "llama2_prompt_ids.json").read_text())
    cases = [case for case in cases if case["format"] == "train_openvla"]
    assert len(cases) == 4
    for case in cases:
        ids, n_learned = golden.labeller.tokens(
            "pick up the red cup", TOKENS.decode(case["action_ids"])
        )
        replaced = [id_ + (id_ == TOKENS.first_id) for id_ in case["ids"]]  # both decode to the top
        assert ids == replaced
        assert n_learned == 8


@settings(max_examples=50)
@given(st.lists(st.floats(-2, 2), min_size=1, max_size=9), st.sampled_from(["on", "pick up it"]))
def test_exactly_the_action_and_the_end_are_learned(
    toy: Path, action: list[float], instruction: str
) -> None:
    labeller = read_labeller(toy)
    ids, n_learned = labeller.tokens(instruction, np.array(action))
    tokens = ActionTokens(labeller.config.n_text_tokens)
    assert n_learned == len(action) + 1
    assert ids[:-n_learned] == labeller.prompter.ids(instruction)
    assert tokens.is_action(ids[-n_learned:-1]).all()
    decoded = tokens.decode(ids[-n_learned:-1])
    assert np.abs(decoded - np.clip(action, -1, 1)).max() <= 1 / 255 + 1e-12


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (np.full(7, np.nan), "Expected a finite action (dim,) for 'on', got shape (7,): [nan,"),
        (np.zeros((2, 7)), "Expected a finite action (dim,) for 'on', got shape (2, 7)"),
        (np.zeros(0), "Expected a finite action (dim,) for 'on', got shape (0,): []."),
        (np.zeros(2000), "has 2019 tokens; the model has room for 1792 beside its image"),
    ],
)
def test_an_action_that_cannot_be_learned_is_refused(
    toy: Path, action: NDArray[np.float64], text: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_labeller(toy).tokens("on", action)
    assert text in str(caught.value)


def test_an_image_that_is_not_at_the_input_size_is_refused(toy: Path) -> None:
    example = Example(random_images(1)[0], "on", np.zeros(7), "toy")
    with pytest.raises(DataError, match=r"toy, 'on': expected an image \(224, 224, 3\) of uint8"):
        read_labeller(toy).collate([example])


@pytest.mark.parametrize("run", RUNS)
def test_one_optimizer_step_is_the_published_one(golden: Golden, run: str) -> None:
    stage, weight_decay = RUNS[run]
    model = load_trainable(golden.path, CPU, torch.float32)
    train_stage(model, stage)
    GoldenStep(golden, run).check(model, weight_decay)


def test_metrics_of_every_data_set_are_the_published_ones(golden: Golden) -> None:
    labels = torch.from_numpy(golden.arrays["metrics_mixed/labels"][:, 1:])
    rows, columns = (labels != IGNORED).nonzero(as_tuple=True)
    predicted = torch.from_numpy(golden.arrays["metrics_mixed/pred_ids"])[rows, columns]
    forced = Forced(torch.zeros(()), predicted, labels[rows, columns], rows)
    values = metrics(forced, TOKENS, golden.batch.data_sets)
    expected = dict(golden.facts["metrics_mixed"])
    assert expected.pop("n_action_tokens") == int(TOKENS.is_action(forced.labels).sum())
    del expected["loss"]
    assert values == pytest.approx(expected, rel=1e-6)


def test_the_loss_is_that_of_the_labelled_logits_of_a_whole_pass(toy: Path) -> None:
    model = load_trainable(toy, CPU, torch.float32)
    batch = toy_batch(toy)
    forced = forced_pass(model, batch)
    with torch.no_grad():
        logits = model(normalize_images(batch.images, model.config), batch.ids)
    whole = nn.functional.cross_entropy(
        logits[:, 256:-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORED
    )
    assert forced.loss.item() == pytest.approx(whole.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("stage", "millions"),
    [("full", 7188.1), ("frozen_vision", 6760.4), ("sandwich", 914.2), ("last_layer", 465.1)],
)
def test_stages_train_as_many_parameters_as_published(stage: str, millions: float) -> None:
    config = parse_config(published_config({"vla": {"base_vlm": "siglip-224px+7b"}}))
    model = OpenVLAModel.on_meta(config)
    train_stage(model, stage)
    assert round(n_trained(model) / 1e6, 1) == millions


@pytest.mark.parametrize("stage", STAGES)
def test_weights_decay_and_biases_norms_and_scales_do_not(toy: Path, stage: str) -> None:
    model = OpenVLAModel.on_meta(read_config(toy))
    train_stage(model, stage)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed, exempt = parameter_groups(model, weight_decay=0.1)
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.1, 0.0)
    assert sum(p.numel() for g in (decayed, exempt) for p in g["params"]) == n_trained(model)
    assert all(p.ndim > 1 for p in decayed["params"])
    exempt_names = [names[id(p)] for p in exempt["params"]]
    endings = (".bias", "norm.weight", "norm1.weight", "norm2.weight", ".scale_factor")
    assert all(name.endswith((*endings, "layernorm.weight")) for name in exempt_names)


def test_an_unknown_stage_and_a_frozen_model_are_refused(toy: Path) -> None:
    model = load_trainable(toy, CPU, torch.float32)
    with pytest.raises(ConfigError, match=r"Unknown stage 'sandwhich'\. Did you mean 'sandwich'"):
        train_stage(model, "sandwhich")
    with pytest.raises(ConfigError, match="Nothing is trained: call train_stage or add_lora"):
        parameter_groups(model, weight_decay=0.0)


def test_training_in_place_leaves_the_checkpoint_as_it_is(toy: Path) -> None:
    before = (toy / "model.safetensors").read_bytes()
    model = load_trainable(toy, CPU, torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert (toy / "model.safetensors").read_bytes() == before


def test_a_tiny_model_learns_to_repeat_two_actions(toy: Path) -> None:
    model = load_trainable(toy, CPU, torch.float32)
    train_stage(model, "last_layer")
    batch = toy_batch(toy)
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.0), lr=2e-3)
    first = forced_pass(model, batch).loss.item()
    for _ in range(12):
        optimizer.zero_grad()
        forced = forced_pass(model, batch)
        forced.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert forced.loss.item() < first / 2
