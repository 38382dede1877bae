"""The plug-in: batches, seeds, observations, action conventions, and its YAMLs."""

from __future__ import annotations

import inspect
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.construct import construct, locate
from vla_bench.data.trajectory import DataError
from vla_bench.errors import ConfigError, PolicyError
from vla_bench.policies.diffusion.actions import (
    AbsolutePose,
    AsTrained,
    rotation_from_6d,
    rotation_to_6d,
)
from vla_bench.policies.diffusion.checkpoint import save_checkpoint
from vla_bench.policies.diffusion.interface import Interface
from vla_bench.policies.diffusion.model import DiffusionModel
from vla_bench.policies.diffusion.policy import DiffusionPolicy
from vla_bench.policies.diffusion.process import Sampler
from vla_bench.policies.diffusion.spec import (
    DiffusionSpec,
    Horizons,
    LanguageSpec,
    ModelSpec,
    ObservationSpec,
    TransformerSpec,
    UnetSpec,
    VisionSpec,
)
from vla_bench.protocols import FloatArray, Observation, Request
from vla_bench.testing import check_policy

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parent.parent
YAMLS = sorted((ROOT / "conf/policy").glob("diffusion*.yaml"))
SPEC = ModelSpec(
    ObservationSpec(
        {"image": [3, 56, 56], "tcp_pose": [7], "gripper": [1], "language": [16]},
        VisionSpec(18, "group", None, [48, 48], 8, 16, is_shared=False, imagenet_norm=True),
        LanguageSpec("hashed", "none", 16),
        [32, 16],
    ),
    10,
    Horizons(2, 8, 4, 1),
    UnetSpec([8, 16], 3, 8, 16, predicts_scale=True),
    DiffusionSpec(10, "squaredcos_cap_v2", "epsilon", 8, masks_padding=False),
)
CAMERAS = {"image": "front"}
POSES = (*(f"tcp_pose.{i}" for i in range(7)), "gripper_open")
PROPRIO = {"tcp_pose": ["tcp_pose"], "gripper": ["gripper_open"]}
DDPM = Sampler("ddpm", 10)


def absolute(rotation_6d: str = "rows") -> AbsolutePose:
    return AbsolutePose(rotation_6d, gripper_closed=0.0, gripper_open=1.0)


def saved(folder: Path, spec: ModelSpec) -> str:
    """A checkpoint with random weights and some normalization."""
    torch.manual_seed(0)
    model = DiffusionModel(spec)
    model.normalizer.fit("action", torch.randn(50, spec.action_dim), "limits")
    save_checkpoint(folder, model)
    return str(folder)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> DiffusionPolicy:
    checkpoint = saved(tmp_path_factory.mktemp("policy"), SPEC)
    interface = Interface(CAMERAS, PROPRIO, absolute())
    return DiffusionPolicy("tiny", checkpoint, SPEC, interface, DDPM, "cpu")


def observation(seed: int, instruction: str = "put carrot on plate") -> Observation:
    rng = np.random.default_rng(seed)
    quaternion = rng.normal(size=4)
    pose = np.concatenate((rng.uniform(-0.3, 0.3, 3), quaternion / np.linalg.norm(quaternion)))
    image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    proprio = {"tcp_pose": pose, "gripper_open": rng.uniform(size=1)}
    return Observation({"front": image}, instruction, proprio)


def request(seed: int, *observations: Observation) -> Request:
    return Request(f"episode-{seed}", observations or (observation(seed),), seed)


def test_it_keeps_the_contract(policy: DiffusionPolicy) -> None:
    check_policy(policy, observation(0), atol=1e-4)  # other batches round otherwise: 1e-5 was seen
    assert policy.action_spec == DELTA_TCP_POSE
    assert (tuple(policy.cameras), policy.history) == (("front",), 2)


def test_it_says_which_weights_it_loaded(policy: DiffusionPolicy, tmp_path: Path) -> None:
    shutil.copytree(policy.checkpoint, tmp_path / "copy")
    load = partial(replace, policy, checkpoint=str(tmp_path / "copy"))
    assert load().weights == policy.weights
    with (tmp_path / "copy/model.safetensors").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\1")
    assert load().weights != policy.weights


def test_a_batch_of_one_gives_the_chunk_of_a_batch_of_sixteen(policy: DiffusionPolicy) -> None:
    together = policy.act([request(seed) for seed in range(16)])
    for seed in (0, 7, 15):
        (alone,) = policy.act([request(seed)])
        np.testing.assert_allclose(alone, together[seed], atol=1e-4)
    assert all(chunk.shape == (4, 7) for chunk in together)


def test_the_noise_follows_the_seed_and_moves_on_with_the_episode(policy: DiffusionPolicy) -> None:
    seen = observation(0)
    episode, again, other = (request(seed, seen) for seed in (3, 3, 4))
    first, second = policy.act([episode])[0], policy.act([episode])[0]
    assert not np.allclose(first, second, atol=1e-3)
    replayed = [policy.act([again])[0] for _ in range(2)]
    np.testing.assert_array_equal([first, second], replayed)
    assert not np.allclose(first, policy.act([other])[0], atol=1e-3)


def test_the_first_observation_stands_for_the_time_before_it(policy: DiffusionPolicy) -> None:
    now, earlier = observation(1), observation(2)
    (short,) = policy.act([request(0, now)])
    (repeated,) = policy.act([request(0, now, now)])
    (moved,) = policy.act([request(0, earlier, now)])
    np.testing.assert_array_equal(short, repeated)
    assert not np.allclose(short, moved, atol=1e-4)


def test_the_executed_rows_begin_where_the_spec_says(tmp_path: Path) -> None:
    low = ObservationSpec({"tcp_pose": [7]}, None, None, [])
    interface = Interface({}, {"tcp_pose": ["tcp_pose"]}, AsTrained("delta_tcp_pose"))
    chunks = []
    for first_action in (1, 2):
        horizons = Horizons(2, 8, 4, first_action)
        spec = replace(SPEC, observation=low, action_dim=7, horizons=horizons)
        checkpoint = saved(tmp_path / str(first_action), spec)  # the same weights
        policy = DiffusionPolicy("low", checkpoint, spec, interface, DDPM, "cpu")
        chunks.append(policy.act([request(0)])[0])
    np.testing.assert_array_equal(chunks[0][1:], chunks[1][:-1])


def test_the_oldest_observation_is_the_one_that_is_repeated(policy: DiffusionPolicy) -> None:
    spec = replace(SPEC, horizons=Horizons(3, 8, 4, 2))
    oldest, newest = observation(1), observation(2)
    batch = policy.interface.observe([request(0, oldest, newest)], spec)
    grips = [float(o.proprio["gripper_open"][0]) for o in (oldest, oldest, newest)]
    assert batch["gripper"][0, :, 0].tolist() == pytest.approx(grips)


def test_the_instruction_matters(policy: DiffusionPolicy) -> None:
    carrot, spoon = observation(0), observation(0, "put spoon on towel")
    one, other = (policy.act([request(0, seen)])[0] for seen in (carrot, spoon))
    assert not np.allclose(one, other, atol=1e-4)


def test_the_policy_is_shown_the_part_of_the_image_that_it_learned_from(
    policy: DiffusionPolicy,
) -> None:
    half = replace(SPEC.observation, boxes={"image": [0.5, 0.0, 1.0, 1.0]})
    seen = observation(0)
    above, below = (seen.images["front"].copy() for _ in range(2))
    above[:24], below[24:] = 0, 0
    shown = [
        policy.interface.observe(
            [request(0, replace(seen, images={"front": image}))], replace(SPEC, observation=half)
        )["image"]
        for image in (seen.images["front"], above, below)
    ]
    assert torch.equal(shown[0], shown[1])
    assert shown[2].max() == 0.0


def test_images_arrive_resized_and_channels_first(policy: DiffusionPolicy) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[:24, :, 0] = 255
    seen = replace(observation(0), images={"front": red})
    batch = policy.interface.observe([request(0, seen)], SPEC)
    assert batch["image"].shape == (1, 2, 3, 56, 56)
    assert batch["image"][0, 0, 0, :24].min() > 0.99
    assert batch["image"][0, 0, 0, 32:].max() < 0.01
    assert batch["image"][0, 0, 1:].max() == 0
    assert batch["tcp_pose"].dtype == torch.float32


@pytest.mark.parametrize(
    ("interface", "message"),
    [
        (Interface({}, PROPRIO, absolute()), "takes cameras image, the interface gives none"),
        (Interface(CAMERAS, {}, absolute()), "takes proprio gripper, tcp_pose, the interface"),
        (Interface(CAMERAS, PROPRIO, AsTrained("delta_tcp_pose")), "10 columns, AsTrained takes 7"),
    ],
)
def test_an_interface_that_does_not_cover_the_network_is_refused(
    interface: Interface, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        interface.check(SPEC)


def test_absent_proprio_is_named(policy: DiffusionPolicy) -> None:
    seen = observation(0)
    partial = {"tcp_pose": seen.proprio["tcp_pose"]}
    with pytest.raises(PolicyError, match="needs the proprio gripper_open; this env offers: tcp"):
        policy.act([request(0, replace(seen, proprio=partial))])
    wide = {**seen.proprio, "gripper_open": np.zeros(2)}
    with pytest.raises(PolicyError, match="gripper_open are 2 numbers; the network's 'gripper'"):
        policy.act([request(0, replace(seen, proprio=wide))])


def test_the_loss_reaches_every_part_of_the_network() -> None:
    torch.manual_seed(0)
    model = DiffusionModel(SPEC)
    batch = {
        "image": torch.rand(4, 2, 3, 56, 56),
        "tcp_pose": torch.randn(4, 2, 7),
        "gripper": torch.rand(4, 2, 1),
        "language": torch.randn(4, 16),
        "action": torch.randn(4, 8, 10).clamp(-1, 1),
    }
    loss = model.loss({**batch, **model.draws([torch.default_generator] * 4)})
    torch.autograd.backward(loss)
    assert 0.3 < loss.item() < 3.0  # noise of variance 1, predicted by chance
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_images_too_small_for_keypoints_are_refused() -> None:
    assert isinstance(SPEC.observation.vision, VisionSpec)
    vision = replace(SPEC.observation.vision, crop=[28, 28])
    with pytest.raises(ConfigError, match="'image' reaches the ResNet as 28 x 28 pixels"):
        DiffusionModel(replace(SPEC, observation=replace(SPEC.observation, vision=vision)))


@pytest.mark.parametrize(
    "denoiser", [SPEC.denoiser, TransformerSpec(1, 2, 16, 0, 0.0, 0.0)], ids=["unet", "transformer"]
)
def test_eight_noise_draws_are_the_mean_of_eight_single_ones(
    denoiser: UnetSpec | TransformerSpec,
) -> None:
    torch.manual_seed(0)
    low = ObservationSpec({"tcp_pose": [7]}, None, None, [])
    model = DiffusionModel(replace(SPEC, observation=low, denoiser=denoiser))
    far = 1000.0  # observations that a fresh network cannot overlook
    batch = {"tcp_pose": far * torch.randn(3, 2, 7), "action": torch.randn(3, 8, 10)}
    noise, steps = torch.randn(8, 3, 8, 10), torch.tensor([0, 4, 9])
    singly = torch.stack([model.loss_at(batch, draw[None], steps) for draw in noise])
    torch.testing.assert_close(model.loss_at(batch, noise, steps), singly.mean())


seeds = st.integers(0, 2**32 - 1)
layouts = st.sampled_from(["rows", "columns"])


@given(seeds, layouts)
def test_six_numbers_are_a_rotation_and_back(seed: int, layout: str) -> None:
    rotations = Rotation.random(5, rng=np.random.default_rng(seed))
    six = rotation_to_6d(rotations, layout)
    again = rotation_from_6d(3.0 * six, layout)  # their length carries nothing
    np.testing.assert_allclose(again.as_matrix(), rotations.as_matrix(), atol=1e-9)
    matrix = rotations.as_matrix()[0]
    two = matrix[:2] if layout == "rows" else matrix[:, :2].T
    np.testing.assert_allclose(six[0], two.ravel())


def carried_out(pose: FloatArray, chunk: FloatArray) -> list[tuple[FloatArray, Rotation]]:
    """Where an ideal controller of `DELTA_TCP_POSE` takes a tool."""
    position, rotation = pose[:3], Rotation.from_quat(pose[3:], scalar_first=True)
    reached = []
    for row in chunk:
        position, rotation = position + row[:3], Rotation.from_rotvec(row[3:6]) * rotation
        reached.append((position, rotation))
    return reached


@given(seeds, layouts)
def test_changes_of_pose_lead_to_the_absolute_poses(seed: int, layout: str) -> None:
    rng = np.random.default_rng(seed)
    targets, positions = Rotation.random(4, rng=rng), rng.normal(size=(4, 3))
    rows = np.concatenate(
        (positions, rotation_to_6d(targets, layout), rng.uniform(size=(4, 1))), axis=1
    )
    asked = request(seed % 1000)
    chunk = absolute(rotation_6d=layout).convert(rows, asked)
    reached = carried_out(asked.observations[-1].proprio["tcp_pose"], chunk)
    for (position, rotation), wanted, target in zip(reached, positions, targets):
        np.testing.assert_allclose(position, wanted, atol=1e-9)
        assert (rotation * target.inv()).magnitude() < 1e-7
    np.testing.assert_allclose(chunk[:, 6], rows[:, 9])


@given(seeds, layouts)
def test_what_an_absolute_policy_learns_turns_back_into_the_logged_actions(
    seed: int, layout: str
) -> None:
    """Exactly at the start of a chunk, and throughout where the arm followed its commands."""
    rng = np.random.default_rng(seed)
    actions = np.concatenate((rng.uniform(-0.05, 0.05, (5, 6)), rng.uniform(size=(5, 1))), axis=1)
    seen = observation(seed % 1000)
    poses = [seen.proprio["tcp_pose"]]
    for position, rotation in carried_out(poses[0], actions[:-1]):
        poses.append(np.concatenate((position, rotation.as_quat(scalar_first=True))))
    states = np.concatenate((np.array(poses), np.ones((5, 1))), axis=1)
    converter = AbsolutePose(layout, gripper_closed=1.0, gripper_open=0.0)
    rows = converter.rows(actions, states, POSES)
    np.testing.assert_allclose(converter.convert(rows, request(0, seen)), actions, atol=1e-7)
    lagging = states + rng.normal(0, 0.01, states.shape)
    for row, state, action in zip(converter.rows(actions, lagging, POSES), lagging, actions):
        here = replace(seen, proprio={"tcp_pose": state[:7]})
        chunk = converter.convert(row[None], request(0, here))
        np.testing.assert_allclose(chunk[0], action, atol=1e-7)


def test_absolute_poses_need_a_logged_pose() -> None:
    with pytest.raises(DataError, match=r"it has no tcp_pose\.6, only: tcp_pose\.0, "):
        absolute().rows(np.zeros((2, 7)), np.zeros((2, 6)), POSES[:6])


def test_absolute_poses_lead_the_widowx_along_their_path() -> None:
    env = construct(yaml.safe_load((ROOT / "conf/env/widowx_simpler_tabletop.yaml").read_text()))
    env.reset(env.episodes()[0])
    start = env.observe((), False).proprio["tcp_pose"]
    phase = np.arange(1, 33)[:, None] / 64 * 2 * np.pi
    positions = start[:3] + np.sin(phase) * [0.04, 0.06, -0.03]
    turns = Rotation.from_rotvec(np.sin(phase) * [0.1, 0.2, 0.5])
    targets = turns * Rotation.from_quat(start[3:], scalar_first=True)
    rows = np.concatenate((positions, rotation_to_6d(targets, "rows"), np.ones((32, 1))), axis=1)
    errors = []
    for first in range(0, 32, 8):
        seen = env.observe((), False)
        for row in absolute().convert(rows[first : first + 8], Request("e", (seen,), 0)):
            env.step(row)
        reached = env.observe((), False).proprio["tcp_pose"]
        errors.append(np.linalg.norm(reached[:3] - positions[first + 7]))
    env.close()
    assert max(errors) < 0.01  # about what one step moves


@pytest.mark.parametrize(("predicted", "opened"), [(1.0, 0.0), (0.0, 1.0), (0.25, 0.75), (1.5, 0)])
def test_the_gripper_column_is_turned_into_an_opening(predicted: float, opened: float) -> None:
    droid = AbsolutePose("rows", gripper_closed=1.0, gripper_open=0.0)
    row = np.array([[0, 0, 0, 1, 0, 0, 0, 1, 0, predicted]])
    assert droid.convert(row, request(0))[0, 6] == pytest.approx(opened)


def test_absolute_poses_need_to_know_where_the_tool_is() -> None:
    blind = Request("e", (Observation({}, "go", {"joints": np.zeros(6)}),), 0)
    with pytest.raises(PolicyError, match=r"need the proprio 'tcp_pose'.*this env offers: joints"):
        absolute().convert(np.ones((1, 10)), blind)
    with pytest.raises(ConfigError, match="Did you mean 'rows'"):
        absolute("row")


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_a_yaml_describes_a_network_that_its_interface_and_sampler_fit(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    spec, interface, sampler = (construct(config[key]) for key in ("model", "interface", "sampler"))
    interface.check(spec)
    sampler.check(spec.diffusion)
    with torch.device("meta"):
        model = DiffusionModel(spec)
    n_parameters = sum(parameter.numel() for parameter in model.denoiser.parameters())
    known = {
        "diffusion": 251.9e6,
        "diffusion_droid": 79_904_266,
        "diffusion_matched": 48.8e6,
        "diffusion_mini_google_robot": 517_767,
        "diffusion_mini_widowx": 517_767,
    }
    assert n_parameters == pytest.approx(known[path.stem], rel=1e-3)


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_a_yaml_states_every_parameter_at_every_depth(path: Path) -> None:
    def check(config: Any) -> None:
        if isinstance(config, dict):
            if "_target_" in config:
                given = set(config) - {"_target_"}
                assert given == set(inspect.signature(locate(config["_target_"])).parameters)
            for value in config.values():
                check(value)

    check(yaml.safe_load(path.read_text()))
