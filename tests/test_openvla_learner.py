"""OpenVLA through the training loop: every method, and what evaluation makes of its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from hypothesis import given
from hypothesis import strategies as st
from openvla_toys import random_images
from openvla_training_golden import CPU
from rich.console import Console
from training_toys import STATES, Walk, optimization, settings

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.config import plain
from vla_bench.construct import construct
from vla_bench.data.image_ops import Box, center_crop
from vla_bench.data.order import Order
from vla_bench.data.statistics import statistics_of
from vla_bench.data.trajectory import DataError, Schema, TrajectoryDataset
from vla_bench.data.view import WHOLE
from vla_bench.errors import ConfigError, StoreError
from vla_bench.policies.openvla import OpenVLA
from vla_bench.policies.openvla.augment import Jitter
from vla_bench.policies.openvla.demonstrations import Selection, demonstrations
from vla_bench.policies.openvla.lora import lora_modules
from vla_bench.policies.openvla.methods import Lora, Method
from vla_bench.policies.openvla.policy import OpenVLAPolicy
from vla_bench.policies.openvla.resize import recorded_box
from vla_bench.policies.openvla.robots import RobotConvention
from vla_bench.policies.openvla.scratch import ModelSpec, TextSpec, VisionSpec, write_new
from vla_bench.policies.openvla.start import Start, first_checkpoint, method_of
from vla_bench.policies.openvla.training import OpenVLALearner
from vla_bench.policies.openvla.training import learner as learner_of
from vla_bench.policies.training import checkpoint
from vla_bench.policies.training.batches import generators
from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.loop import begin, steps
from vla_bench.policies.training.processes import Processes
from vla_bench.policies.training.run import train
from vla_bench.policies.training.settings import Settings
from vla_bench.protocols import Observation, Request

pytestmark = pytest.mark.usefixtures("one_thread")

SPEC = ModelSpec(
    VisionSpec("siglip", 24, 12, width=32, depth=2, n_heads=2, mlp_width=64),
    TextSpec(width=32, n_layers=2, n_heads=2, mlp_width=64, words="go left right"),
)
LORA = Lora(rank=4, alpha=None, dropout=0.1, weights="fp32")
METHODS = {
    "full": Method("full", None, "fp32", image_aug=False, drop_noops=False, recompute=True),
    "last_layer": Method("last_layer", None, "fp32", False, False, False),
    "lora": Method(None, LORA, "bf16", image_aug=True, drop_noops=False, recompute=False),
    "qlora": Method(None, LORA, "nf4", image_aug=False, drop_noops=True, recompute=True),
}
QUIET = Console(quiet=True)
ACTIONS = {
    "go left": [0.02, 0.04, -0.01, 0.2, -0.3, 0.4, 1.0],
    "go right": [-0.02, -0.04, 0.01, -0.2, 0.3, -0.4, 0.0],
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_new(folder, SPEC, seed=0)
    return folder


class TwoWays:
    """Episodes of one instruction each, whose action it decides; images are noise."""

    name = "two_ways"
    schema = Schema({"front": (40, 40)}, STATES, DELTA_TCP_POSE.names, DELTA_TCP_POSE, 5.0)
    lengths = np.array([8, 8])

    def __getitem__(self, index: int) -> Walk:
        instruction = list(ACTIONS)[index]
        actions = np.tile(np.array(ACTIONS[instruction], np.float32), (8, 1))
        return Walk(f"way-{index}", [instruction] * 8, np.zeros((8, 8), np.float32), actions)


def learner(
    base: Path, method: Method, robot: str = "as_trained", box: Box = WHOLE
) -> OpenVLALearner:
    dataset: TrajectoryDataset = TwoWays()
    data = demonstrations(dataset, RobotConvention(robot, "none"), "front", method.drop_noops)
    start = Start(str(base), base, method.load(base, CPU, seed=0))
    return OpenVLALearner(start, method, data, Selection("front", box))


def policy(checkpoint: Path, root: Path, **changes: Any) -> OpenVLAPolicy:
    config = yaml.safe_load((root / "conf/policy/openvla_mini.yaml").read_text())
    usual = {"checkpoint": str(checkpoint), "model": None, "camera": "front"}
    built: OpenVLAPolicy = construct({**config, **usual, **changes})
    return built


def chosen(output: Path, **changes: Any) -> Settings:
    usual: dict[str, Any] = {"n_steps": 2, "batch_size": 4, "n_workers": 1}
    return settings(output, **{**usual, **changes})


def test_rollouts_of_what_has_hardly_learned_are_no_end_of_a_training(
    base: Path, tmp_path: Path
) -> None:
    config = {"invalid_tokens": "raise", "resize": "area"}
    asked = learner(base, next(iter(METHODS.values()))).policy(config, tmp_path)
    assert (asked["invalid_tokens"], asked["resize"]) == ("substitute", None)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_changes_the_policy_that_evaluation_reads(
    name: str, base: Path, root: Path, tmp_path: Path
) -> None:
    fast = optimization(learning_rate=0.05, ema=None, schedule="constant")
    folder = train(learner(base, METHODS[name]), chosen(tmp_path, optimization=fast), QUIET)
    asked = [Request("e", (Observation({"front": random_images(1, 40)[0]}, "go left"),), 0)]
    acting = policy(folder, root, invalid_tokens="substitute")
    (chunk,) = acting.act(asked)
    assert chunk.shape == (1, 7)
    untrained = OpenVLA.from_pretrained(base, device="cpu", dtype="fp32")
    image = asked[0].observations[0].images["front"]
    shift = acting._model.logits([image], ["go left"]) - untrained.logits([image], ["go left"])
    assert np.abs(shift).max() > 0.1
    assert acting._model.preparation.center_crop is METHODS[name].image_aug


@pytest.mark.parametrize("robot", ["as_trained", "widowx"])
def test_what_is_learned_comes_back_in_the_data_sets_own_units(
    robot: str, base: Path, root: Path, tmp_path: Path
) -> None:
    quick = optimization(learning_rate=1e-2, schedule="constant", weight_decay=0.0, ema=None)
    full = replace(METHODS["full"], recompute=False)
    wanted = chosen(tmp_path, n_steps=80, batch_size=8, optimization=quick, checkpoint_every=99)
    folder = train(learner(base, full, robot), wanted, QUIET)
    acting = policy(folder, root, robot=robot)
    for instruction, action in ACTIONS.items():
        asked = Request("e", (Observation({"front": random_images(1, 40)[0]}, instruction),), 0)
        np.testing.assert_allclose(acting.act([asked])[0][0], action, atol=0.01)
    other = {"as_trained": "widowx", "widowx": "as_trained"}[robot]
    with pytest.raises(ConfigError, match=r"was trained to predict .* Type policy\.robot="):
        policy(folder, root, robot=other)


def test_a_lora_training_that_stopped_ends_with_equal_updates(base: Path, tmp_path: Path) -> None:
    usual: dict[str, Any] = {"n_steps": 4, "checkpoint_every": 100}
    train(learner(base, METHODS["lora"]), chosen(tmp_path / "whole", **usual), QUIET)
    stopped: Learner = learner(base, METHODS["lora"])
    wanted = chosen(tmp_path / "stopped", **usual)
    state = begin(stopped, wanted, Processes("cpu"))
    for _ in islice(steps(stopped, state, wanted), 2):
        pass
    checkpoint.save(tmp_path / "stopped", stopped, state)
    train(learner(base, METHODS["lora"]), wanted, QUIET)
    last = "checkpoints/step-000004/policy/adapter_model.safetensors"
    stopped_bytes, whole = ((tmp_path / n / last).read_bytes() for n in ("stopped", "whole"))
    assert stopped_bytes == whole


def test_a_training_goes_on_with_the_part_of_the_image_that_it_began_with(
    base: Path, tmp_path: Path
) -> None:
    upper = learner(base, METHODS["full"], box=(0.0, 0.0, 0.5, 1.0))
    folder = train(upper, chosen(tmp_path), QUIET)
    assert recorded_box([folder]) == (0.0, 0.0, 0.5, 1.0)
    assert OpenVLA.from_pretrained(folder).preparation == upper._preparation
    with pytest.raises(StoreError, match=r"box"):
        train(learner(base, METHODS["full"]), chosen(tmp_path, n_steps=2), QUIET)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"adapter": "mine"}, "Type vla-bench merge adapter=mine output=MERGED"),
        ({"prompt": "bare"}, "policy.prompt is bare: type policy.prompt=template"),
        ({"resize": "area"}, "policy.resize is area: type policy.resize=lanczos3"),
    ],
)
def test_what_a_training_would_ignore_is_refused(
    changed: Mapping[str, str], text: str, base: Path, root: Path
) -> None:
    policy = yaml.safe_load((root / "conf/policy/openvla_mini.yaml").read_text())
    with pytest.raises(ConfigError) as caught:
        learner_of(settings("out", policy={**policy, "checkpoint": str(base), **changed}))
    assert text in str(caught.value)


def test_a_layer_computed_again_in_bfloat16_gives_the_same_gradient(
    base: Path, tmp_path: Path
) -> None:
    losses = []
    for recompute in (False, True):
        wanted = chosen(tmp_path / str(recompute), precision="bf16")
        method = replace(METHODS["full"], recompute=recompute)
        train(learner(base, method), wanted, QUIET)
        lines = (tmp_path / str(recompute) / "metrics.jsonl").read_text().splitlines()
        steps_taken = [json.loads(line) for line in lines]
        losses.append([(step["loss"], step["grad_norm"]) for step in steps_taken])
    assert losses[0] == losses[1]


def test_a_training_writes_neither_the_base_nor_its_codes(base: Path, tmp_path: Path) -> None:
    train(learner(base, METHODS["qlora"]), chosen(tmp_path), QUIET)
    state = tmp_path / "checkpoints/step-000002/state.safetensors"
    assert state.stat().st_size < 3 * 4 * 4 * 60_000  # weights, average, two moments; fp32
    written = {path.name for path in (tmp_path / "checkpoints/step-000002/policy").iterdir()}
    assert written == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "dataset_statistics.json",
        "preparation.json",
    }


def test_metrics_are_accuracy_and_l1_of_the_batch(base: Path, tmp_path: Path) -> None:
    wanted = chosen(tmp_path)
    trained = learner(base, METHODS["full"])
    (first, _) = steps(trained, begin(trained, wanted, Processes("cpu")), wanted)
    assert set(first.measured) == {"action_accuracy", "l1_loss"}
    assert first.loss == pytest.approx(np.log(trained._labeller.config.decoder.n_tokens), rel=0.05)


def test_several_data_sets_have_metrics_each(base: Path, tmp_path: Path) -> None:
    wanted, method = chosen(tmp_path, n_steps=1, batch_size=16), METHODS["full"]
    data = demonstrations(TwoWays(), RobotConvention("as_trained", "none"), "front", False)
    start = Start(str(base), base, method.load(base, CPU, seed=0))
    trained = OpenVLALearner(start, method, data, Selection("front", owners=["left", "right"]))
    (first,) = steps(trained, begin(trained, wanted, Processes("cpu")), wanted)
    names = [f"l1_loss/{owner}" for owner in ("left", "right")]
    assert {*names, "action_accuracy/left", "action_accuracy/right"} <= set(first.measured)
    halves = [first.measured[name] for name in names]
    assert halves[0] != halves[1]
    assert np.mean(halves) == pytest.approx(first.measured["l1_loss"], rel=1e-5)  # 8 rows each


class TheirWays(TwoWays):
    """The same, recorded by others: columns of other names, and no word on what they mean."""

    def __init__(self) -> None:
        super().__init__()
        names = ("dx", "dy", "dz", "roll", "pitch", "yaw", "gripper")
        self.schema = replace(self.schema, action_names=names, action_spec=None)


@pytest.mark.parametrize("drop_noops", [False, True])
def test_what_others_call_their_columns_changes_nothing(drop_noops: bool) -> None:
    convention = RobotConvention("as_trained", "none")
    ours, theirs = (
        demonstrations(data, convention, "front", drop_noops) for data in (TwoWays(), TheirWays())
    )
    assert theirs.schema.action_names == DELTA_TCP_POSE.names
    assert ours.lengths.tolist() == theirs.lengths.tolist()
    one, other = (statistics_of(data, np.arange(2)).to_dict() for data in (ours, theirs))
    assert one == other
    assert one["action"]["mask"] == [True] * 6 + [False]


def test_the_summary_shows_what_a_wrong_set_up_would_hide(base: Path) -> None:
    text = "\n".join(learner(base, METHODS["lora"], "widowx").summary())
    assert "Data: two_ways, 2 episodes, 16 frames" in text
    assert "  action x: mean 0, std 0.02, -0.02..0.02 is -1..1" in text
    assert "  action roll: " in text
    assert "  action gripper_open: mean 0.5, std 0.5, as it is" in text
    assert "What action should the robot take to go left?" in text
    assert "Images: front to 24 px by lanczos3, whole, augmented; 4 patches" in text


@given(st.tuples(*[st.floats(-1.0, 1.0)] * 3), st.sampled_from(["widowx", "as_trained"]))
def test_what_a_model_is_taught_is_converted_back_by_the_same_robot(
    rotation: tuple[float, float, float], robot: str
) -> None:
    action = np.array([[0.01, -0.02, 0.03, *rotation, 1.0]])
    convention = RobotConvention(robot, "none")
    predicted = convention.to_predict(action)[0].astype(np.float64)
    np.testing.assert_allclose(convention.convert(predicted, {}), action[0], atol=1e-5)


def test_augmentation_follows_from_a_samples_own_generator_alone(base: Path) -> None:
    trained = learner(base, METHODS["lora"])
    examples = [trained.prepare(trained.samples[index]) for index in (0, 9)]
    order = Order(16, 2, seed=5)
    first, other = (trained.collate(examples, generators(order, i))["images"] for i in (0, 1))
    torch.manual_seed(6)
    assert torch.equal(trained.collate(examples, generators(order, 0))["images"], first)
    assert not torch.equal(other, first)
    second = trained.collate(examples[1:], generators(order, 0)[1:])["images"]
    assert torch.equal(second, first[1:])
    plain = learner(base, METHODS["full"]).collate(examples, generators(order, 0))["images"]
    assert torch.equal(plain, torch.stack([example["image"] for example in examples]))


def test_a_neutral_draw_is_the_centre_crop_of_evaluation() -> None:
    image = random_images(1, 96)[0]
    neutral = Jitter.of(np.full(5, 0.5))
    off = neutral.apply(image).astype(int) - center_crop(image, 0.9)
    assert np.abs(off).max() <= 1
    assert (off != 0).mean() < 0.05


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5))
def test_draws_stay_within_the_published_ranges(uniform: list[float]) -> None:
    jitter = Jitter.of(np.array(uniform))
    assert 0 <= jitter.offset < 1
    assert abs(jitter.brightness) <= 0.2
    assert 0.8 <= jitter.contrast <= 1.2
    assert 0.8 <= jitter.saturation <= 1.2
    assert abs(jitter.hue) <= 0.05


def test_brightness_darkens_and_the_offset_moves() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:32] = 200
    dark = Jitter.of(np.array([0.5, 0.0, 0.5, 0.5, 0.5])).apply(image)
    assert dark[0, 0, 0] == pytest.approx(200 - 51, abs=1)
    rows = [
        int((Jitter.of(np.array([offset, *[0.5] * 4])).apply(image)[:, 0, 0] > 100).sum())
        for offset in (0.0, 0.999)
    ]
    assert rows[0] > 32 > rows[1]


@pytest.mark.parametrize("name", ["lora", "qlora", "full", "last_layer", "sandwich"])
def test_a_method_brings_its_own_optimization(name: str, root: Path) -> None:
    with initialize_config_module("vla_bench.conf", version_base="1.3"):
        overrides = ["policy=openvla", f"method={name}", "data=d", "output=o", "batch_size=3"]
        config = plain(compose("train", overrides=overrides))
    assert config["optimization"]["learning_rate"] == (5e-4 if "lora" in name else 2e-5)
    assert config["batch_size"] == 3
    assert isinstance(construct(config["method"]), Method)
    written = yaml.safe_load((root / f"conf/method/{name}.yaml").read_text())["optimization"]
    known = yaml.safe_load((root / "conf/train.yaml").read_text())["optimization"]
    assert set(written) == set(known)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: replace(METHODS["full"], lora=LORA), "method.stage or method.lora, and not both"),
        (lambda: replace(METHODS["full"], weights="nf4"), "method=qlora"),
        (lambda: replace(METHODS["full"], stage="ful"), "Did you mean 'full'"),
        (lambda: replace(METHODS["full"], weights="fp8"), "Unknown method.weights 'fp8'"),
        (lambda: replace(LORA, weights="fp8"), "Unknown method.lora.weights 'fp8'"),
        (lambda: replace(LORA, dropout=1.0).size, "LoRA dropout in [0, 1), got 1.0"),
        (lambda: method_of(settings("out")), "choose one, method=lora"),
        (
            lambda: first_checkpoint(settings("out", policy={"checkpoint": None, "model": None})),
            "set policy.checkpoint=openvla/openvla-7b",
        ),
    ],
)
def test_a_method_that_means_nothing_is_refused(build: Callable[[], object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build()
    assert text in str(caught.value)


def test_data_of_another_action_are_refused() -> None:
    class Other(TwoWays):
        schema = replace(TwoWays.schema, action_spec=None, action_names=("x", "y"))

    with pytest.raises(DataError, match="expected actions with 7 columns"):
        demonstrations(Other(), RobotConvention("widowx", "none"), "front", drop_noops=False)


def test_dropout_acts_in_training_only(base: Path) -> None:
    model = METHODS["lora"].load(base, CPU, seed=0)
    module = lora_modules(model)["language_model.model.layers.0.mlp.up_proj"]
    with torch.no_grad():
        module.b.weight.fill_(1.0)
    x = torch.ones(1, 32, dtype=torch.bfloat16)
    torch.manual_seed(0)
    first, second = module(x), module(x)
    assert not torch.equal(first, second)
    module.eval()
    assert torch.equal(module(x), module(x))
