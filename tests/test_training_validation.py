"""The loss on held-out episodes: which, when, that it changes nothing, and that processes agree."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from process_toys import together
from rich.console import Console
from safetensors.torch import load_file
from training_toys import (
    low_dimensional,
    optimization,
    settings,
    train_built,
    validated_low_dimensional,
)

from vla_bench.data.order import Order
from vla_bench.errors import ConfigError
from vla_bench.policies.training import checkpoint
from vla_bench.policies.training.loop import begin, steps
from vla_bench.policies.training.processes import Processes
from vla_bench.policies.training.run import train
from vla_bench.policies.training.settings import Validation

torch.set_num_threads(1)
QUIET = Console(quiet=True)
EVERY_3 = Validation(0.3, 3, 1024)


def found(folder: Path) -> dict[int, float]:
    """Step -> validation loss."""
    lines = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    return {m["step"]: m["validation_loss"] for m in lines if "validation_loss" in m}


def weights(folder: Path) -> dict[str, bytes]:
    state = load_file(checkpoint.checkpoints(folder)[-1] / "state.safetensors")
    return {name: value.numpy().tobytes() for name, value in state.items()}


def test_held_out_episodes_are_never_learned_from() -> None:
    learner = validated_low_dimensional()
    order = Order(len(learner.samples), 4, seed=3)
    batches = [order.batch(step) for step in range(20)]
    seen = {learner.samples[int(i)].episode for batch in batches for i in batch}
    held_out = {learner.held_out[i].episode for i in range(len(learner.held_out))}
    assert len(held_out) == 1
    assert seen | held_out == {0, 1, 2}
    assert not seen & held_out
    every = low_dimensional()
    assert learner.facts["data"]["num_trajectories"] == 2  # nor are statistics theirs
    assert every.facts["data"]["num_trajectories"] == 3


def test_it_is_measured_now_and_then_and_after_the_last_step(tmp_path: Path) -> None:
    train(validated_low_dimensional(), settings(tmp_path, validation=EVERY_3), QUIET)
    losses = found(tmp_path)
    assert list(losses) == [3, 6, 8]
    assert len(set(losses.values())) == 3
    identity = json.loads((tmp_path / "train.json").read_text())["identity"]
    assert identity["validation.share"] == 0.3


def test_it_is_the_mean_loss_of_the_held_out_samples(tmp_path: Path) -> None:
    rate = optimization(learning_rate=0.0, ema=None)
    chosen = settings(tmp_path, n_steps=6, optimization=rate, validation=EVERY_3)
    train(validated_low_dimensional(), chosen, QUIET)
    losses = found(tmp_path)
    assert losses[3] == losses[6]  # the same samples with the same noise
    assert 0.1 < losses[3] < 3.0


def test_it_changes_no_weight_and_a_training_that_stopped_ends_alike(tmp_path: Path) -> None:
    never = Validation(0.3, 10**6, 1024)
    usual: dict[str, Any] = {"n_steps": 7, "checkpoint_every": 100}
    whole = settings(tmp_path / "whole", validation=EVERY_3, **usual)
    train(validated_low_dimensional(), whole, QUIET)
    rarely = settings(tmp_path / "rarely", validation=never, **usual)
    train(validated_low_dimensional(), rarely, QUIET)
    assert weights(tmp_path / "rarely") == weights(tmp_path / "whole")
    stopped, chosen = validated_low_dimensional(), replace(whole, output=str(tmp_path / "stopped"))
    state = begin(stopped, chosen, Processes("cpu"))
    for _ in islice(steps(stopped, state, chosen), 4):
        pass
    checkpoint.save(tmp_path / "stopped", stopped, state)
    train(validated_low_dimensional(), chosen, QUIET)
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")
    assert found(tmp_path / "stopped")[7] == found(tmp_path / "whole")[7]


@pytest.mark.parametrize("sharded", [False, True])
def test_two_processes_measure_what_one_does(sharded: bool, tmp_path: Path) -> None:
    slowly = optimization(learning_rate=1e-4)
    one = settings(tmp_path / "one", batch_size=6, optimization=slowly, validation=EVERY_3)
    two = replace(one, output=str(tmp_path / "two"), batch_size=3, sharded=sharded)
    assert together(train_built, "validated_low_dimensional", two) == [0, 0]
    train(validated_low_dimensional(), one, QUIET)
    alone, both = (found(tmp_path / name) for name in ("one", "two"))
    assert alone.keys() == both.keys()
    np.testing.assert_allclose(list(both.values()), list(alone.values()), rtol=1e-4)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=r"validation\.share: expected at least 0 and"):
        Validation(share, 3, 1024)
