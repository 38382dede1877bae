"""The plug-in: robots' conventions, one batch for any mix of episodes, and its YAML."""

from __future__ import annotations

import inspect
import json
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from openvla_toys import random_images, write_toy
from scipy.spatial.transform import Rotation

from vla_bench.construct import construct
from vla_bench.errors import ConfigError, MissingDependencyError, PolicyError
from vla_bench.policies.openvla import kernels
from vla_bench.policies.openvla.lora import LoraSize, add_lora
from vla_bench.policies.openvla.lora_file import save_lora
from vla_bench.policies.openvla.policy import OpenVLAPolicy, _called
from vla_bench.policies.openvla.robots import RobotConvention, rotation_vector
from vla_bench.policies.openvla.stages import load_trainable
from vla_bench.policies.weights import fingerprint
from vla_bench.preflight import check_images_matter
from vla_bench.protocols import Observation, Request

CAMERA = "3rd_view_camera"
OPENINGS = st.lists(st.floats(0.0, 1.0, width=16), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def config(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """conf/policy/openvla.yaml, for a tiny checkpoint on a CPU."""
    data: dict[str, Any] = yaml.safe_load((root / "conf/policy/openvla.yaml").read_text())
    folder = write_toy(tmp_path_factory.mktemp("openvla-toy"))
    return {
        **data,
        "checkpoint": str(folder),
        "statistics_key": None,
        "precision": "fp32",
        "device": "cpu",
        "compile": False,
        "resize": None,
        "center_crop": None,
        "box": None,
    }


def observation(image: Any, instruction: str = "pick up the cup") -> Observation:
    return Observation({CAMERA: image}, instruction)


def requests(images: Sequence[Any]) -> list[Request]:
    return [Request(f"e{i}", (observation(image),), i) for i, image in enumerate(images)]


@pytest.mark.parametrize(
    "name",
    [
        "openvla",
        "openvla_google_robot",
        "openvla_mini",
        "openvla_mini_google_robot",
        "openvla_mini_widowx",
    ],
)
def test_the_yaml_has_exactly_the_constructors_parameters(name: str, root: Path) -> None:
    data = yaml.safe_load((root / f"conf/policy/{name}.yaml").read_text())
    assert data.pop("_target_") == "vla_bench.policies.openvla.policy.OpenVLAPolicy"
    assert list(data) == list(inspect.signature(OpenVLAPolicy).parameters)


def test_the_released_models_configs_follow_the_published_conventions(root: Path) -> None:
    folder = root / "conf/policy"
    widowx = yaml.safe_load((folder / "openvla.yaml").read_text())
    google = yaml.safe_load((folder / "openvla_google_robot.yaml").read_text())
    changed = {key for key in widowx if widowx[key] != google[key]}
    assert changed == {"statistics_key", "camera", "robot", "sticky_gripper"}
    assert RobotConvention(widowx["robot"], widowx["sticky_gripper"])
    assert RobotConvention(google["robot"], google["sticky_gripper"])


def test_act_answers_every_request_with_one_row_alone_or_together(config: dict[str, Any]) -> None:
    policy = construct(config)
    asked = requests(random_images(4))
    chunks = policy.act(asked)
    assert [chunk.shape for chunk in chunks] == [(1, 7)] * 4
    for request, chunk in zip(asked, chunks):
        assert np.array_equal(policy.act([request])[0], chunk)
    assert len({chunk.tobytes() for chunk in chunks}) == 4
    assert set(np.concatenate(chunks)[:, 6]) <= {0.0, 1.0}
    assert np.abs(np.concatenate(chunks)[:, :3]).max() <= 0.05


def test_the_newest_observation_is_the_one_that_counts(config: dict[str, Any]) -> None:
    policy = construct(config)
    old, new = (observation(image) for image in random_images(2))
    both, alone = Request("e", (old, new), 0), Request("e", (new,), 0)
    assert np.array_equal(policy.act([both])[0], policy.act([alone])[0])


def test_the_policy_passes_the_self_test_of_images(config: dict[str, Any]) -> None:
    check_images_matter(construct(config), [observation(random_images(1)[0])])


def test_the_name_says_weights_precision_and_prompt(config: dict[str, Any]) -> None:
    weights = Path(config["checkpoint"]).name
    assert construct(config).name == f"{weights} fp32"
    changed = {**config, "precision": "int8", "prompt": "bare"}
    assert construct(changed).name == f"{weights} int8 bare"
    assert construct({**changed, "name": "mine"}).name == "mine"


def test_checkpoints_of_a_training_have_names_of_their_own(
    config: dict[str, Any], tmp_path: Path
) -> None:
    checkpoints = tmp_path / "carrot/checkpoints"
    for step in ("step-000002", "step-000004"):
        shutil.copytree(config["checkpoint"], checkpoints / step / "policy")
    (checkpoints / "best").symlink_to("step-000004")
    names = {
        step: construct({**config, "checkpoint": str(checkpoints / step / "policy")}).name
        for step in ("step-000002", "step-000004", "best")
    }
    assert names == {
        "step-000002": "carrot_step-000002 fp32",
        "step-000004": "carrot_step-000004 fp32",
        "best": "carrot_step-000004 fp32",
    }


def test_a_step_of_a_native_run_is_called_by_run_and_step() -> None:
    assert _called("/runs/mine/checkpoints/step-2-loss=0.2.pt") == "mine_step-2-loss=0.2"


def test_it_says_which_weights_it_loaded_and_which_adapter(
    config: dict[str, Any], tmp_path: Path
) -> None:
    base, other = Path(config["checkpoint"]), write_toy(tmp_path / "other", seed=1)
    assert construct(config).weights == fingerprint([base])
    assert construct({**config, "checkpoint": str(other)}).weights != fingerprint([base])
    adapter, size = tmp_path / "adapter", LoraSize(4, 4)
    model = load_trainable(base, torch.device("cpu"), torch.float32)
    add_lora(model, size, seed=0)
    save_lora(model, size, str(base), adapter)
    adapted = construct({**config, "adapter": str(adapter)})
    assert adapted.weights == fingerprint([adapter, base])
    assert construct({**config, "checkpoint": str(adapter)}).weights == adapted.weights


def test_a_bare_prompt_is_another_measurement(config: dict[str, Any]) -> None:
    asked = requests(random_images(1))
    template, bare = (construct({**config, "prompt": style}) for style in ("template", "bare"))
    assert not np.array_equal(template.act(asked)[0], bare.act(asked)[0])


def test_a_device_is_checked_before_a_checkpoint_is_looked_for(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"got policy\.device=gpu"):
        construct({**config, "checkpoint": "/no/such/folder", "device": "gpu"})


def test_a_compiler_is_checked_before_a_checkpoint_is_looked_for(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("Cannot find a working triton installation.")

    monkeypatch.setattr(kernels, "compile_function", lambda *_, **__: refuse)
    with pytest.raises(
        MissingDependencyError, match=r"working triton .* type policy\.compile=false"
    ):
        construct({**config, "checkpoint": "/no/such/folder", "compile": True})


def test_preparation_that_is_neither_recorded_nor_stated_is_asked_for(
    config: dict[str, Any],
) -> None:
    record = Path(config["checkpoint"]) / "preparation.json"
    text = record.read_text()
    record.unlink()
    try:
        with pytest.raises(ConfigError, match="says resize and center_crop"):
            construct(config)
    finally:
        record.write_text(text)


def test_a_box_that_the_checkpoint_was_not_trained_with_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"Type policy\.box=null"):
        construct({**config, "box": [0.0, 0.0, 0.5, 1.0]})


def test_statistics_of_another_robot_are_refused(config: dict[str, Any], tmp_path: Path) -> None:
    folder = write_toy(tmp_path / "eight")
    eight = {"toy": {"action": {"q01": [0.0] * 8, "q99": [1.0] * 8}}}
    (folder / "dataset_statistics.json").write_text(json.dumps(eight))
    with pytest.raises(ConfigError, match="have 8 dimensions; robot widowx takes 7: x, y, z"):
        construct({**config, "checkpoint": str(folder)})


def test_substituted_tokens_are_counted_and_logged(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    policy = construct({**config, "invalid_tokens": "substitute"})
    head = policy._model.engine.model.language_model.lm_head.weight
    head[2] = 2.0 * head[-64 - 256 : -64].abs().amax(0)
    asked = requests(random_images(8))
    with caplog.at_level(logging.WARNING):
        policy.act(asked)
        once = [request.counts.get("substituted_tokens", 0) for request in asked]
        policy.act(asked)
    assert [request.counts.get("substituted_tokens", 0) for request in asked] == [
        2 * count for count in once
    ]
    assert len(set(once)) > 1
    assert policy.n_substituted_tokens == 2 * sum(once) > 0
    assert f"({policy.n_substituted_tokens} in all)" in caplog.text
    refusing = construct(config)
    refusing._model.engine.model.language_model.lm_head.weight.copy_(head)
    with pytest.raises(PolicyError, match="stand for no action"):
        refusing.act(requests(random_images(8)))


@given(st.tuples(*[st.floats(-3.0, 3.0)] * 3))
def test_euler_angles_turn_about_fixed_x_then_y_then_z(angles: tuple[float, float, float]) -> None:
    x, y, z = (
        Rotation.from_rotvec(angle * np.array(axis)).as_matrix()
        for angle, axis in zip(angles, np.eye(3))
    )
    mine = Rotation.from_rotvec(rotation_vector(np.array(angles))).as_matrix()
    assert np.abs(mine - z @ y @ x).max() < 1e-9


def play(convention: RobotConvention, openings: Sequence[float]) -> list[float]:
    memory: dict[str, Any] = {}
    actions = (np.array([0.0] * 6 + [opening]) for opening in openings)
    return [float(convention.convert(action, memory)[6]) for action in actions]


def test_the_widowx_opens_above_a_half_and_closes_otherwise() -> None:
    assert play(RobotConvention("widowx", "none"), [0.0, 0.5, 0.51, 1.0, 1.3]) == [0, 0, 1, 1, 1]


def test_the_google_robot_without_a_sticky_gripper_follows_the_opening() -> None:
    convention = RobotConvention("google_robot", "none")
    assert play(convention, [0.25, -0.1, 1.2]) == [0.25, 0.0, 1.0]


def commands_of_simpler(openings: Sequence[float], n_steps: int, follow: bool) -> list[float]:
    """The relative gripper commands that SIMPLER's adapters send, written as they describe it."""
    previous: float | None = None
    latched, remaining, commands = 0.0, 0, []
    for opening in openings:
        relative = 0.0 if previous is None else previous - opening
        if previous is None or follow:
            previous = opening
        if abs(relative) > 0.5 and remaining == 0:
            latched, remaining, previous = relative, n_steps, opening
        if remaining > 0:
            relative, remaining = latched, remaining - 1
        commands.append(relative)
    return commands


@given(OPENINGS, st.sampled_from([("15_steps", 15, True), ("10_steps", 10, False)]))
def test_the_sticky_gripper_sums_the_commands_of_its_published_variant(
    openings: list[float], variant: tuple[str, int, bool]
) -> None:
    name, n_steps, follow = variant
    expected, target = [], 1.0
    for command in commands_of_simpler(openings, n_steps, follow):
        target = min(max(target - command, 0.0), 1.0)
        expected.append(target)
    assert play(RobotConvention("google_robot", name), openings) == pytest.approx(expected)


def test_a_close_command_is_held_although_the_model_changes_its_mind() -> None:
    flicker = [1.0, 0.0, 1.0, 1.0] + [1.0] * 20
    fifteen = play(RobotConvention("google_robot", "15_steps"), flicker)
    ten = play(RobotConvention("google_robot", "10_steps"), flicker)
    assert fifteen[1:] == [0.0] * 23  # the opening was seen while the latch held, and forgotten
    assert ten[1:11] == [0.0] * 10
    assert ten[11:] == [1.0] * 13  # compared with the opening at the last command


def test_two_episodes_never_share_a_gripper_state() -> None:
    convention = RobotConvention("google_robot", "15_steps")
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    for memory in (first, second):
        convention.convert(np.array([0.0] * 6 + [1.0]), memory)
    assert convention.convert(np.array([0.0] * 7), first)[6] == 0.0
    assert convention.convert(np.array([0.0] * 6 + [1.0]), second)[6] == 1.0


@pytest.mark.parametrize(
    ("robot", "sticky", "message"),
    [
        ("widow", "none", "Did you mean 'widowx'"),
        ("google_robot", "15", "Unknown sticky_gripper '15'"),
        ("widowx", "15_steps", "sticky_gripper belongs to google_robot"),
    ],
)
def test_an_impossible_convention_is_refused(robot: str, sticky: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        RobotConvention(robot, sticky)
