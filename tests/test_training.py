"""The training loop: what it computes, what it resumes, what it refuses."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import random
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from training_toys import (
    INTERFACE,
    Walks,
    absolute_diffusion,
    diffusion,
    line,
    optimization,
    settings,
    train_low_dimensional,
)

from vla_bench.data.loader import Sample
from vla_bench.data.order import Order
from vla_bench.data.trajectory import DataError
from vla_bench.errors import ConfigError, StoreError, VlaBenchError
from vla_bench.policies.diffusion.checkpoint import load_model
from vla_bench.policies.diffusion.language import text_encoder
from vla_bench.policies.diffusion.spec import LanguageSpec
from vla_bench.policies.training import checkpoint
from vla_bench.policies.training.learner import Learner, learner_of
from vla_bench.policies.training.loop import begin, steps
from vla_bench.policies.training.processes import Processes
from vla_bench.policies.training.run import train
from vla_bench.policies.training.schedule import learning_rate

torch.set_num_threads(1)
QUIET = Console(quiet=True)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint.checkpoints(folder)[-1] / "state.safetensors")


def assert_equal_weights(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    differing = [n for n in left if left[n].numpy().tobytes() != right[n].numpy().tobytes()]
    assert differing == []  # by their bytes: a normalizer keeps NaN where it has fitted nothing


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder: Path) -> list[tuple[float, float]]:
    return [(line["step"], line["loss"]) for line in metrics(folder)]


def test_it_is_adamw_written_by_hand(tmp_path: Path) -> None:
    """Four steps in plain torch: schedule, decay groups, clipping and order."""
    chosen = settings(tmp_path, n_steps=4)
    learner, expected = line(), line()
    state = begin(learner, chosen, Processes("cpu"))
    for _ in steps(learner, state, chosen):
        pass
    weight, bias = (expected.module.get_parameter(name) for name in ("weight", "bias"))
    groups = [{"params": [weight], "weight_decay": 0.01}, {"params": [bias], "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, 1e-2, betas=(0.9, 0.999))
    order = Order(len(expected.samples), 4, seed=3)
    for step, factor in enumerate([0.0, 0.5, 1.0, 0.5]):
        for group in adamw.param_groups:
            group["lr"] = 1e-2 * factor
        examples = [expected.prepare(expected.samples[int(i)]) for i in order.batch(step)]
        batch = {key: torch.stack([e[key] for e in examples]) for key in ("x", "y")}
        adamw.zero_grad()
        torch.autograd.backward(expected.loss(batch)[0])
        torch.nn.utils.clip_grad_norm_([weight, bias], 1.0)
        adamw.step()
    for name, value in expected.module.state_dict().items():
        torch.testing.assert_close(learner.module.state_dict()[name], value, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0, 0.5, 1, 1, 1, 1]), ("cosine", [0, 0.5, 1, 0.85355, 0.5, 0.14645])],
)
def test_the_learning_rate_warms_up_and_follows_its_schedule(
    schedule: str, expected: list[float]
) -> None:
    chosen = optimization(learning_rate=1.0, schedule=schedule)
    assert [learning_rate(chosen, step, 6) for step in range(6)] == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_without_a_warm_up_the_first_step_is_at_the_full_rate(schedule: str) -> None:
    chosen = optimization(learning_rate=0.3, schedule=schedule, n_warmup_steps=0)
    assert learning_rate(chosen, 0, 6) == 0.3


def test_accumulated_batches_are_one_larger_batch(tmp_path: Path) -> None:
    parts = settings(tmp_path / "parts", batch_size=3, n_accumulated=2)
    whole = settings(tmp_path / "whole", batch_size=6)
    for chosen in (parts, whole):
        train(line(), chosen, QUIET)
    np.testing.assert_allclose(losses(tmp_path / "parts"), losses(tmp_path / "whole"), rtol=1e-4)
    left, right = weights(tmp_path / "parts"), weights(tmp_path / "whole")
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=1e-4, atol=1e-6)


def test_clipping_holds_the_gradient_and_reports_the_norm_before(tmp_path: Path) -> None:
    chosen = settings(tmp_path, n_steps=1, optimization=optimization(max_grad_norm=1e-3))
    learner = line()
    state = begin(learner, chosen, Processes("cpu"))
    (step,) = steps(learner, state, chosen)
    gradients = [p.grad for p in learner.module.parameters() if p.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-3)
    assert step.grad_norm > 1e-2


def test_what_is_evaluated_is_the_running_average(tmp_path: Path) -> None:
    policy = train(line(), settings(tmp_path), QUIET)
    saved, state = load_file(policy / "line.safetensors"), weights(tmp_path)
    assert torch.equal(saved["weight"], state["average.weight"])
    assert not torch.equal(saved["weight"], state["weights.weight"])


@pytest.mark.parametrize("learner", [line, diffusion])
def test_a_training_that_stopped_ends_with_equal_weights(learner: Any, tmp_path: Path) -> None:
    usual: dict[str, Any] = {"n_steps": 4, "checkpoint_every": 100}
    train(learner(), settings(tmp_path / "whole", **usual), QUIET)
    chosen = settings(tmp_path / "stopped", **usual)
    stopped = learner()
    state = begin(stopped, chosen, Processes("cpu"))
    for _ in islice(steps(stopped, state, chosen), 3):
        pass
    checkpoint.save(tmp_path / "stopped", stopped, state)
    train(learner(), chosen, QUIET)
    assert_equal_weights(tmp_path / "stopped", tmp_path / "whole")


def test_kills_at_random_moments_change_no_bit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training_toys"])
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    lines = killed / "metrics.jsonl"

    def launch(folder: Path) -> multiprocessing.process.BaseProcess:
        process = context.Process(target=train_low_dimensional, args=(str(folder),))
        process.start()
        return process

    rng = random.Random(0)
    for last in (rng.randint(3, 12), rng.randint(16, 24)):
        process = launch(killed)
        while process.is_alive():
            if lines.exists() and lines.read_bytes().count(b"\n") >= last:
                process.kill()
            time.sleep(0.001)
        assert process.exitcode == -signal.SIGKILL
    for folder in (killed, whole):
        process = launch(folder)
        process.join()
        assert process.exitcode == 0
    assert_equal_weights(killed, whole)
    assert losses(killed) == losses(whole)
    assert len(losses(whole)) == 30
    assert len(json.loads((killed / "train.json").read_text())["sessions"]) == 3


def test_a_half_written_checkpoint_is_none(tmp_path: Path) -> None:
    train(line(), settings(tmp_path / "whole"), QUIET)
    (tmp_path / "torn/checkpoints/step-000006.partial").mkdir(parents=True)
    train(line(), settings(tmp_path / "torn"), QUIET)
    assert_equal_weights(tmp_path / "torn", tmp_path / "whole")
    names = [path.name for path in sorted((tmp_path / "torn/checkpoints").iterdir())]
    assert names == ["step-000006", "step-000008"]


def test_the_newest_checkpoint_is_that_of_the_greatest_number(tmp_path: Path) -> None:
    for step in (999_000, 1_000_000, 998_000):
        (tmp_path / f"checkpoints/step-{step:06d}").mkdir(parents=True)
    checkpoint.prune(tmp_path, 2)
    left = [path.name for path in checkpoint.checkpoints(tmp_path)]
    assert left == ["step-999000", "step-1000000"]


def test_a_finished_training_is_left_as_it_is(tmp_path: Path) -> None:
    first = train(line(), settings(tmp_path), QUIET)
    before = weights(tmp_path)
    assert train(line(), settings(tmp_path), QUIET) == first
    assert all(torch.equal(before[name], value) for name, value in weights(tmp_path).items())
    assert len(losses(tmp_path)) == 8


def test_a_loss_that_is_not_finite_stops_the_run_and_names_its_samples(tmp_path: Path) -> None:
    poisoned = line(poison=(1, 4))
    with pytest.raises(VlaBenchError, match=r"Step \d+: the loss is inf\. Its samples, .*1:4"):
        train(poisoned, settings(tmp_path, n_steps=40), QUIET)
    found = json.loads((tmp_path / "bad_batch.json").read_text())
    places = [(place["episode"], place["frame"]) for place in found["samples"]]
    assert (1, 4) in places
    assert len(places) == 4
    assert len(losses(tmp_path)) == found["step"] - 1
    assert all(np.isfinite(loss) for _, loss in losses(tmp_path))


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    train(line(), settings(tmp_path), QUIET)
    other = settings(
        tmp_path, n_idle_frames=3, batch_size=5, optimization=optimization(learning_rate=0.5)
    )
    with pytest.raises(StoreError) as caught:
        train(line(), other, QUIET)
    for change in ("batch_size: 4 -> 5", "n_idle_frames: ", "learning_rate: 0.01 -> 0.5"):
        assert change in str(caught.value)
    train(line(), settings(tmp_path, n_workers=1, checkpoint_every=1), QUIET)


def test_a_training_that_was_refused_leaves_its_folder_to_the_next(tmp_path: Path) -> None:
    muon = optimization(optimizer="muon")
    with pytest.raises(ConfigError, match="Line say of none that it is one"):
        train(line(), settings(tmp_path, optimization=muon), QUIET)
    train(line(), settings(tmp_path), QUIET)
    assert len(json.loads((tmp_path / "train.json").read_text())["sessions"]) == 1


def test_two_processes_do_not_write_one_training(tmp_path: Path) -> None:
    with (tmp_path / "train.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="is being written by another process"):
            train(line(), settings(tmp_path), QUIET)


def test_the_start_and_the_end_are_shown(tmp_path: Path) -> None:
    text = StringIO()
    train(line(), settings(tmp_path), Console(file=text, width=200))
    shown = text.getvalue().splitlines()
    assert shown[:4] == [
        "Data: walks",
        "Trained, slopes: 56 parameters in 1 tensors, weight decay 0.01",
        "Trained, offsets: 7 parameters in 1 tensors, weight decay 0",
        "Frozen: 0 parameters",
    ]
    assert shown[4].startswith("Device: cpu, ")
    assert shown[5].startswith("8 steps of 4 samples, 0.8 epochs of 39; 0 steps done, ")
    assert shown[6].startswith("Warning: that is less than one epoch")
    pattern = r"training: 8/8, loss [\d.]+, l1_loss [\d.]+, [\d.]+ samples/s, [\d.]+ GiB, 0 s left"
    assert re.fullmatch(pattern, shown[7])
    assert shown[8].startswith("Evaluate: vla-bench eval policy=... policy.checkpoint=")


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    learner = line()
    learner.module.get_parameter("bias").requires_grad_(False)
    before = learner.module.get_parameter("bias").clone()
    train(learner, settings(tmp_path), QUIET)
    assert torch.equal(learner.module.get_parameter("bias"), before)
    assert not [name for name in weights(tmp_path) if "bias" in name]
    learner = line()
    learner.module.get_parameter("bias").requires_grad_(False)
    policy = train(learner, settings(tmp_path), QUIET)  # from its last checkpoint
    assert torch.equal(load_file(policy / "line.safetensors")["bias"], before)


def test_a_parameter_in_no_group_is_refused(tmp_path: Path) -> None:
    learner = line()
    learner.groups = learner.groups[:1]
    with pytest.raises(ConfigError, match=r"in a group of Line, found 2; in no group: bias"):
        train(learner, settings(tmp_path), QUIET)


def test_what_a_learner_measures_is_the_mean_over_the_step(tmp_path: Path) -> None:
    for name, n, size in (("parts", 2, 3), ("whole", 1, 6)):
        train(line(), settings(tmp_path / name, batch_size=size, n_accumulated=n), QUIET)
    parts, whole = ([m["l1_loss"] for m in metrics(tmp_path / n)] for n in ("parts", "whole"))
    np.testing.assert_allclose(parts, whole, rtol=1e-4)
    assert parts[-1] < parts[0]


def test_without_an_average_the_weights_are_what_is_evaluated(tmp_path: Path) -> None:
    policy = train(line(), settings(tmp_path, optimization=optimization(ema=None)), QUIET)
    saved, state = load_file(policy / "line.safetensors"), weights(tmp_path)
    assert torch.equal(saved["weight"], state["weights.weight"])
    assert not [name for name in state if name.startswith("average.")]
    assert train(line(), settings(tmp_path, optimization=optimization(ema=None)), QUIET) == policy


def test_bf16_multiplies_in_bfloat16_and_keeps_fp32_weights(tmp_path: Path) -> None:
    full, half = settings(tmp_path / "fp32"), settings(tmp_path / "bf16", precision="bf16")
    train(line(), full, QUIET)
    train(line(), half, QUIET)
    one, other = np.array(losses(tmp_path / "fp32")), np.array(losses(tmp_path / "bf16"))
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one, other, rtol=0.02)
    assert {value.dtype for value in weights(tmp_path / "bf16").values()} == {torch.float32}


def test_a_checkpoint_of_other_code_is_refused(tmp_path: Path) -> None:
    train(line(), settings(tmp_path), QUIET)
    renamed = line()
    renamed.module = torch.nn.Sequential(renamed.module)
    names = (frozenset({f"0.{n}" for n in group.parameters}) for group in renamed.groups)
    renamed.groups = [replace(g, parameters=n) for g, n in zip(renamed.groups, names)]
    with pytest.raises(StoreError) as caught:
        train(renamed, settings(tmp_path), QUIET)
    text = "is of other code: the network's 0.bias, 0.weight are not in it, its bias, weight not in"
    assert text in str(caught.value)


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path: Path) -> None:
    train(line(), settings(tmp_path), QUIET)
    wider = line()
    wider.module = torch.nn.Linear(8, 9)
    with pytest.raises(StoreError) as caught:
        train(wider, settings(tmp_path), QUIET)
    text = (
        "is of other code: shapes differ (there -> now): bias [7] -> [9], weight [7, 8] -> [9, 8]"
    )
    assert text in str(caught.value)


def test_moments_follow_the_name_of_their_parameter_not_its_place(tmp_path: Path) -> None:
    train(line(), settings(tmp_path), QUIET)
    reordered = line()
    reordered.groups = reordered.groups[::-1]
    state = begin(reordered, settings(tmp_path), Processes("cpu"))
    checkpoint.restore(checkpoint.checkpoints(tmp_path)[-1], state)
    (adamw,) = state.optimizers
    assert state.trained[0] is reordered.module.get_parameter("bias")
    for name, parameter in reordered.module.named_parameters():
        kept = weights(tmp_path)[f"optimizer.{name}.exp_avg"]
        assert torch.equal(adamw.state[parameter]["exp_avg"], kept)


def test_each_sample_is_learned_with_the_words_of_its_frame() -> None:
    learner = diffusion()
    encode = text_encoder(LanguageSpec("hashed", "none", 8))
    for frame, told in ((8, "walk on"), (9, "walk slower")):  # of the first walk
        sample = learner.samples[frame]
        assert sample.frame == frame
        assert torch.equal(learner.prepare(sample)["language"], encode(told))
    assert not torch.equal(encode("walk on"), encode("walk slower"))


def test_a_policy_of_absolute_poses_learns_where_it_is_told_to_go(tmp_path: Path) -> None:
    learner = absolute_diffusion()
    sample = learner.samples[20]
    walk = Walks()[sample.episode]
    row = sample.actions[0]  # of the oldest observation
    before = sample.frame - 1
    np.testing.assert_allclose(row[:3], walk.states[before, :3] + walk.actions[before, :3], 1e-5)
    assert learner.prepare(sample)["action"].shape == (4, 10)
    assert any("network's -1..1 is, in action" in text for text in learner.summary())
    policy = train(learner, settings(tmp_path, n_steps=2), QUIET)
    network = load_model(str(policy), None)
    assert network.spec.action_dim == 10
    with pytest.raises(StoreError, match=r"model\.action_dim: 10 -> 7"):
        train(diffusion(), settings(tmp_path, n_steps=2), QUIET)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"cameras": {"image": "fronk"}}, "Unknown camera of data set walks 'fronk'"),
        ({"proprio": {"tcp_pose": ["tcp"], "gripper": ["gripper_open"]}}, "asks for 'tcp', the"),
        (
            {"proprio": {"tcp_pose": ["tcp_pose"], "gripper": ["tcp_pose"]}},
            "the network's 'gripper' takes 1 numbers, the state has 7: tcp_pose.0, tcp_pose.1",
        ),
    ],
)
def test_data_that_do_not_fit_the_policy_are_refused_with_the_difference(
    changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(VlaBenchError) as caught:
        diffusion(interface=replace(INTERFACE, **changes))
    assert text in str(caught.value)


def test_data_beyond_a_checkpoints_normalizer_are_refused_with_the_difference(
    tmp_path: Path,
) -> None:
    policy = str(train(diffusion(), settings(tmp_path, n_steps=1), QUIET))
    diffusion(policy)
    diffusion(policy, Walks(reach=0.104))  # a little further is no reason
    with pytest.raises(DataError) as caught:
        diffusion(policy, Walks(reach=0.3))
    text = str(caught.value)
    assert text.startswith("Data set walks goes beyond what the checkpoint's normalizer has seen")
    assert re.search(r"\n  action x: -0\.\d+\.\.0\.\d+ \| -0\.0\d+\.\.0\.0\d+\n", text)
    assert "tcp_pose" not in text


def test_a_damaged_frame_stops_the_training_which_goes_on_when_it_is_mended(
    tmp_path: Path,
) -> None:
    def damaged(sample: Sample) -> Mapping[str, torch.Tensor]:
        if (sample.episode, sample.frame) == (1, 4):
            raise DataError("walk-1, camera front: frame 4 cannot be read.")
        return line().prepare(sample)

    learner = line()
    learner.prepare = damaged  # type: ignore[method-assign]
    usual: dict[str, Any] = {"n_steps": 20, "checkpoint_every": 1}
    with pytest.raises(DataError, match=r"walk-1, camera front: frame 4"):
        train(learner, settings(tmp_path / "mended", **usual), QUIET)
    assert 0 < len(losses(tmp_path / "mended")) < 20
    train(line(), settings(tmp_path / "mended", **usual), QUIET)
    train(line(), settings(tmp_path / "whole", **usual), QUIET)
    assert_equal_weights(tmp_path / "mended", tmp_path / "whole")


def test_a_policy_that_nothing_trains_is_refused(tmp_path: Path) -> None:
    target = "vla_bench.policies.uniform_random.UniformRandom"
    with pytest.raises(ConfigError, match=r"no module vla_bench\.policies\.training of its own"):
        learner_of(settings(tmp_path, policy={"_target_": target}))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (partial(settings, "out", n_steps=0), "n_steps: expected at least 1, got 0."),
        (partial(settings, "out", n_workers=0), "n_workers: expected at least 1, got 0."),
        (partial(optimization, schedule="cosin"), "Did you mean 'cosine'?"),
        (partial(settings, "out", precision="fp16"), "Unknown precision 'fp16'"),
        (partial(optimization, max_grad_norm=0.0), "optimization.max_grad_norm: expected more"),
    ],
)
def test_settings_that_mean_nothing_are_refused(build: Callable[[], object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build()
    assert text in str(caught.value)


def test_the_toys_are_learners() -> None:
    learners: list[Learner] = [line(), diffusion()]
    assert [len(learner.samples) for learner in learners] == [39, 36]
    assert len(Walks()[2].actions) == 14
