"""While training: rollouts choose the best checkpoint, and whoever listens hears the metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from training_toys import Slowing, line, optimization, settings

from vla_bench.errors import ActionSpecError, ConfigError, MissingDependencyError, VlaBenchError
from vla_bench.policies.training import checkpoint, rollouts, trackers
from vla_bench.policies.training.run import run, train
from vla_bench.policies.training.settings import Evaluation, Settings
from vla_bench.store import read_run

torch.set_num_threads(1)
QUIET = Console(quiet=True)
CORRIDOR = {"_target_": "toys.Corridor", "n_episodes": 3}


def evaluation(**changes: Any) -> Evaluation:
    usual: dict[str, Any] = {
        "env": CORRIDOR,
        "every": 4,
        "n_lanes": 1,
        "lane_python": None,
        "lane_timeout_seconds": 60.0,
        "image_check": True,
        "max_errors": 5,
    }
    return Evaluation(**{**usual, **changes})


def slowing(output: Path, **changes: Any) -> Settings:
    """12 steps, in which the loss falls all the time, and the walker arrives in the first 4."""
    usual: dict[str, Any] = {
        "policy": {"_target_": "training_toys.saved_walker", "name": "slowing"},
        "n_steps": 12,
        "n_checkpoints": 1,
        "checkpoint_every": 3,
        "evaluation": evaluation(),
        "optimization": optimization(schedule="constant", learning_rate=0.02, ema=None),
    }
    return settings(output, **{**usual, **changes})


class Ear:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, Mapping[str, float]]] = []
        self.is_finished = False

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.heard.append((step, dict(values)))

    def finish(self) -> None:
        self.is_finished = True


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_the_best_checkpoint_is_the_one_that_succeeds_not_the_one_with_the_least_loss(
    tmp_path: Path,
) -> None:
    text = StringIO()
    train(Slowing(), slowing(tmp_path), Console(file=text, width=200))
    noted = rollouts.noted(tmp_path)
    assert [n["step"] for n in noted] == [4, 8, 12]
    assert [n["success"] for n in noted] == [1.0, 0.0, 0.0]
    assert noted[0]["tasks"] == {"walk": 1.0}
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(each)["loss"] for each in lines]
    assert losses == sorted(losses, reverse=True)
    assert names(tmp_path) == ["best", "step-000004", "step-000012"]  # n_checkpoints is 1
    assert checkpoint.best(tmp_path) == tmp_path / "checkpoints/step-000004"
    shown = text.getvalue()
    assert "step-000008: success 0.0 % of 3 episodes; best: step-000004" in shown
    assert f"policy.checkpoint={tmp_path}/checkpoints/step-000004/policy env=..." in shown
    finished = read_run(tmp_path / "evaluations/step-000004")
    assert finished.identity["policy"]["name"] == "slowing_step-000004"


def test_at_equal_success_the_later_checkpoint_is_the_best(tmp_path: Path) -> None:
    train(Slowing(speed=0.9), slowing(tmp_path), QUIET)
    assert [n["success"] for n in rollouts.noted(tmp_path)] == [1.0, 1.0, 1.0]
    assert names(tmp_path) == ["best", "step-000012"]
    assert checkpoint.best(tmp_path) == tmp_path / "checkpoints/step-000012"


def test_rollouts_change_no_bit_of_the_weights(tmp_path: Path) -> None:
    found = []
    for name, chosen in (("with", evaluation(every=7)), ("without", None)):
        train(Slowing(), slowing(tmp_path / name, evaluation=chosen), QUIET)
        state = tmp_path / name / "checkpoints/step-000012/state.safetensors"
        found.append(state.read_bytes())
    assert found[0] == found[1]


def test_an_evaluation_that_was_cut_short_is_made_up_when_the_training_is_taken_up(
    tmp_path: Path,
) -> None:
    env = {**CORRIDOR, "trouble": "once", "scratch": str(tmp_path)}
    chosen = slowing(tmp_path / "run", evaluation=evaluation(env=env, max_errors=1))
    with pytest.raises(VlaBenchError, match=r"(?s)Stopped after 1 errors.*the simulator fell over"):
        train(Slowing(), chosen, QUIET)
    assert rollouts.noted(tmp_path / "run") == []
    assert names(tmp_path / "run") == ["step-000003", "step-000004"]
    train(Slowing(), chosen, QUIET)
    assert [n["success"] for n in rollouts.noted(tmp_path / "run")] == [1.0, 0.0, 0.0]
    assert names(tmp_path / "run") == ["best", "step-000004", "step-000012"]


def test_a_checkpoint_whose_episodes_end_in_errors_is_never_the_best(tmp_path: Path) -> None:
    env = {**CORRIDOR, "trouble": "crash"}
    text = StringIO()
    chosen = slowing(tmp_path, n_steps=4, evaluation=evaluation(env=env))
    train(Slowing(), chosen, Console(file=text, width=200))
    assert rollouts.noted(tmp_path) == [
        {"step": 4, "success": None, "n_episodes": 3, "n_errors": 1, "tasks": {}}
    ]
    assert names(tmp_path) == ["step-000004"]
    assert "step-000004: success incomplete of 3 episodes; best: none" in text.getvalue()


def test_an_env_that_does_not_fit_is_refused_before_the_first_step(tmp_path: Path) -> None:
    env = {"_target_": "toys.OtherCorridor"}
    with pytest.raises(ActionSpecError, match="slowing_untrained and corridor-v0 disagree"):
        train(Slowing(), slowing(tmp_path, evaluation=evaluation(env=env)), QUIET)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_another_env_is_another_training(tmp_path: Path) -> None:
    chosen = slowing(tmp_path, n_steps=2)
    train(Slowing(), chosen, QUIET)
    other = evaluation(env={**CORRIDOR, "n_episodes": 2})
    with pytest.raises(VlaBenchError, match=r"env\.n_episodes: 3 -> 2"):
        train(Slowing(), replace(chosen, evaluation=other), QUIET)


def test_listeners_hear_every_step_and_every_evaluation(tmp_path: Path) -> None:
    ear = Ear()
    train(Slowing(), slowing(tmp_path), QUIET, [ear])
    metrics = [json.loads(each) for each in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [{"step": s, **v} for s, v in ear.heard if "loss" in v] == metrics
    assert [(s, v) for s, v in ear.heard if "loss" not in v] == [
        (4, {"success": 1.0}),
        (8, {"success": 0.0}),
        (12, {"success": 0.0}),
    ]
    assert ear.is_finished


def test_a_training_that_fails_still_says_goodbye(tmp_path: Path) -> None:
    ear = Ear()
    with pytest.raises(VlaBenchError, match="the loss is inf"):
        train(line(poison=(1, 4)), settings(tmp_path, n_steps=40), QUIET, [ear])
    assert ear.is_finished


def test_trackers_are_checked_before_the_data_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown tracker 'tensorbord'.*'tensorboard'"):
        run(settings(tmp_path, log=["tensorbord"]), QUIET)
    absent = [name for name in trackers.TRACKERS if find_spec(name) is None]
    if not absent:
        pytest.skip("every tracker is installed here")
    with pytest.raises(MissingDependencyError, match=f"pip install {absent[0]}"):
        run(settings(tmp_path, log=absent), QUIET)


def test_tensorboard_gets_every_step(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(line(), settings(tmp_path, log=["tensorboard"]), QUIET)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 9))


def test_wandb_keeps_a_run_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(line(), settings(tmp_path, log=["wandb"]), QUIET)
    (run_file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    assert b"learning_rate" in run_file.read_bytes()
