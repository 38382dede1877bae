"""Several processes train as one: averaged gradients (DDP), split weights (FSDP2), on gloo."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from process_toys import assert_close, tensors, together
from rich.console import Console
from torch import nn
from training_toys import line, low_dimensional, optimization, settings, train_built

from vla_bench.errors import ConfigError, StoreError
from vla_bench.policies.diffusion.checkpoint import load_model
from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.processes import Processes
from vla_bench.policies.training.run import run, train
from vla_bench.policies.training.settings import Settings
from vla_bench.policies.training.sharding import blocks

torch.set_num_threads(1)
QUIET = Console(quiet=True)


def train_together(build: str, chosen: Settings) -> list[int | None]:
    """Two processes; their exit codes."""
    return together(train_built, build, chosen)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("build", [line, low_dimensional])
def test_two_processes_are_one_with_the_doubled_batch(
    build: Callable[[], Learner], sharded: bool, tmp_path: Path
) -> None:
    """A diffusion loss, too: the noise of a sample is the same wherever it is learned from."""
    slowly = optimization(learning_rate=1e-4)  # rounding grows less
    usual: dict[str, Any] = {"n_accumulated": 2, "n_steps": 6, "optimization": slowly}
    together = settings(tmp_path / "two", batch_size=3, sharded=sharded, **usual)
    assert train_together(build.__name__, together) == [0, 0]
    train(build(), settings(tmp_path / "one", batch_size=6, **usual), QUIET)
    assert_close(tmp_path / "two", tmp_path / "one")


def test_split_weights_come_together_in_checkpoints_that_either_kind_takes_up(
    tmp_path: Path,
) -> None:
    slowly = optimization(learning_rate=1e-4)  # rounding grows less
    whole = settings(tmp_path / "whole", n_steps=6, n_accumulated=2, optimization=slowly)
    split = replace(whole, output=str(tmp_path / "split"), sharded=True)
    assert train_together("low_dimensional", whole) == [0, 0]
    assert train_together("low_dimensional", split) == [0, 0]
    assert_close(tmp_path / "split", tmp_path / "whole")
    first = tensors(tmp_path / "split")
    for sharded in (True, False):
        shutil.rmtree(tmp_path / "split/checkpoints/step-000006")
        assert train_together("low_dimensional", replace(split, sharded=sharded)) == [0, 0]
        assert_close(tmp_path / "split", tmp_path / "whole")
        if sharded:
            again = tensors(tmp_path / "split")
            assert all(first[n].numpy().tobytes() == again[n].numpy().tobytes() for n in first)
    network = load_model(str(tmp_path / "split/checkpoints/step-000006/policy"), None)
    average = tensors(tmp_path / "split")
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert torch.equal(parameter, average[f"average.{name}"])


@pytest.mark.parametrize("keeps_statistics", [False, True])
def test_buffers_are_sent_only_where_a_pass_changes_them(
    keeps_statistics: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = Processes("cpu")
    asked: list[bool] = []
    accelerator = processes._accelerator
    monkeypatch.setattr(
        accelerator,
        "prepare_model",
        lambda _, **__: asked.append(accelerator.ddp_handler.broadcast_buffers),
    )
    norm = nn.BatchNorm1d(3, track_running_stats=keeps_statistics)
    processes.joined(nn.Sequential(nn.Linear(3, 3), norm))
    assert asked == [keeps_statistics]


def test_what_is_gathered_for_itself_has_a_forward_and_is_no_part_of_another() -> None:
    network = low_dimensional().module
    found = list(blocks(network))
    n_gathered = sum(p.numel() for block in found for p in block.parameters())
    assert n_gathered > 0.8 * sum(p.numel() for p in network.parameters())
    assert all(type(block).forward is not nn.Module.forward for block in found)
    inside = {module for block in found for module in block.modules()} - set(found)
    assert not inside & set(found)


def test_each_process_names_its_own_samples_of_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    chosen = settings(tmp_path, n_steps=40, seed=4)  # the second process meets the sample
    assert train_together("poisoned", chosen) != [0, 0]
    found = json.loads((tmp_path / "bad_batch-1.json").read_text())
    assert (1, 4) in [(place["episode"], place["frame"]) for place in found["samples"]]
    assert not (tmp_path / "bad_batch.json").exists()


def test_another_number_of_processes_is_another_training(tmp_path: Path) -> None:
    chosen = settings(tmp_path, n_steps=2)
    assert train_together("line", chosen) == [0, 0]
    with pytest.raises(StoreError, match=r"n_processes: 2 -> 1"):
        train(line(), chosen, QUIET)


@pytest.mark.parametrize(
    ("device", "text"),
    [
        ("cuda", "device=cuda, but torch sees no GPU. Type device=cpu, or install a"),
        ("cuda:7", "device=cuda:7, but torch sees no GPU. Type device=cpu"),
        ("gpu", "Expected device=cpu, cuda, cuda:N (the N-th GPU, counted from 0) or mps, got "),
    ],
)
def test_a_device_that_is_not_there_is_refused_before_anything_is_read(
    device: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    nothing = settings(tmp_path, device=device, policy={"_target_": "nowhere.at.All"})
    for begin in (lambda: Processes(device), lambda: run(nothing, QUIET)):
        with pytest.raises(ConfigError) as caught:
            begin()
        assert str(caught.value).startswith(text)
