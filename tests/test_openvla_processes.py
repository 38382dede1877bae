"""OpenVLA under several processes: one model to begin with, one cache, one loss curve."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import yaml
from openvla_toys import TOY_VISION, random_images
from process_toys import assert_same_curve, metrics, tensors, together
from training_toys import STATES, optimization, run_quietly, settings

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.lerobot_format import Features
from vla_bench.data.lerobot_reader import LeRobotFolder
from vla_bench.data.lerobot_writer import Assembly, assemble
from vla_bench.data.staging import RecordedEpisode, stage
from vla_bench.data.view import View
from vla_bench.errors import StoreError
from vla_bench.policies.openvla import OpenVLA
from vla_bench.policies.openvla.start import first_checkpoint
from vla_bench.policies.training.learner import learner_of
from vla_bench.policies.training.settings import Settings

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = {
    "vision": TOY_VISION,
    "text": {"width": 32, "n_layers": 2, "n_heads": 2, "mlp_width": 64, "words": "go left right"},
}


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two episodes of random actions, of six and of nine frames, as a LeRobot folder."""
    folder = tmp_path_factory.mktemp("data") / "two_ways"
    features = Features({"front": (40, 40)}, STATES, DELTA_TCP_POSE.names, "png")
    rng = np.random.default_rng(0)
    for name, n in (("left", 6), ("right", 9)):
        actions = rng.uniform(-1, 1, (n, 7)).astype(np.float32)
        vectors = {"action": actions, "expert_action": actions}
        vectors["observation.state"] = rng.uniform(-1, 1, (n, len(STATES))).astype(np.float32)
        images = {"front": random_images(n, 40)}
        episode = RecordedEpisode(name, [f"go {name}"] * n, images, vectors, True, {})
        stage(folder / "staging", episode, features, 5)
    facts = {"action_spec": [asdict(d) for d in DELTA_TCP_POSE.dimensions]}
    assemble(Assembly(folder, folder / "staging", ["left", "right"], features, 5, facts))
    return folder


@pytest.fixture
def chosen(root: Path, demonstrations: Path, tmp_path: Path) -> Settings:
    """A training of a few thousand parameters from nothing."""
    policy: dict[str, Any] = yaml.safe_load((root / "conf/policy/openvla_mini.yaml").read_text())
    for part, sizes in SIZES.items():
        policy["model"][part] |= sizes
    method = yaml.safe_load((root / "conf/method/from_scratch.yaml").read_text())["method"]
    return settings(
        tmp_path / "one",
        policy={**policy, "checkpoint": None, "camera": "front"},
        method=method,
        data=str(demonstrations),
        frame_cache=str(tmp_path / "cache"),
        n_steps=5,
        batch_size=6,
        optimization=optimization(learning_rate=1e-3),
    )


@pytest.mark.parametrize("cached", [False, True])
def test_a_training_sees_the_part_of_the_image_that_the_policy_names(
    chosen: Settings, cached: bool
) -> None:
    box = (0.5, 0.0, 1.0, 0.5)
    cache = chosen.frame_cache if cached else None
    made = learner_of(
        replace(chosen, policy={**chosen.policy, "box": list(box)}, frame_cache=cache)
    )
    seen = made.prepare(made.samples[0])["image"].numpy()
    image = LeRobotFolder(chosen.folders[0], "action")[0].images("front", np.array([0]))[0]
    assert np.array_equal(seen, View(seen.shape[0], seen.shape[1], box)(image))


@pytest.mark.parametrize("sharded", [False, True])
def test_two_processes_are_one_with_the_doubled_batch(
    sharded: bool, chosen: Settings, tmp_path: Path
) -> None:
    both = replace(chosen, output=str(tmp_path / "two"), batch_size=3, sharded=sharded)
    assert together(run_quietly, both) == [0, 0]
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 1
    run_quietly(chosen)
    assert_same_curve(tmp_path / "two", tmp_path / "one")
    one, two = (
        OpenVLA.from_pretrained(tmp_path / name / "checkpoints/step-000005/policy").logits(
            random_images(2, 24), ["go left", "go right"]
        )
        for name in ("one", "two")
    )
    np.testing.assert_allclose(one, two, atol=0.01 * np.abs(one).max())


METHODS = {
    "lora": ("bf16", "bf16"),
    "qlora": ("nf4", "bf16"),
    "full": ("fp32", "bf16"),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_sharded_fine_tuning_is_one_process_with_the_doubled_batch(
    name: str, chosen: Settings, root: Path, tmp_path: Path
) -> None:
    weights, precision = METHODS[name]
    base = {**chosen.policy, "checkpoint": first_checkpoint(chosen), "model": None}
    method = yaml.safe_load((root / f"conf/method/{name}.yaml").read_text())["method"]
    method |= {"weights": weights, "image_aug": True}
    if method["lora"] is not None:
        method["lora"] |= {"rank": 4, "weights": "fp32"}
    one = replace(
        chosen, policy=base, method=method, precision=precision, n_steps=3, frame_cache=None
    )
    both = replace(one, output=str(tmp_path / "two"), batch_size=3, sharded=True)
    assert together(run_quietly, both) == [0, 0]
    run_quietly(one)
    split_curve, curve = (
        metrics(tmp_path / folder)[:, :2] for folder in ("two", "one")
    )  # l1 is of bins
    np.testing.assert_allclose(split_curve, curve, rtol=0.01)
    split, whole = (tensors(tmp_path / name) for name in ("two", "one"))
    assert {n: v.shape for n, v in split.items()} == {n: v.shape for n, v in whole.items()}


def test_of_those_who_ask_at_once_one_writes_the_start(chosen: Settings) -> None:
    at_once = Barrier(3)

    def ask(_: int) -> int:
        at_once.wait()
        return (Path(first_checkpoint(chosen)) / "model.safetensors").stat().st_mtime_ns

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(ask, range(3)))) == 1


def test_a_half_written_start_is_written_anew(chosen: Settings) -> None:
    folder = Path(first_checkpoint(chosen))
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    folder.with_suffix(".json").unlink()  # it is written last
    weights.write_bytes(whole[:1000])
    assert first_checkpoint(chosen) == str(folder)
    assert weights.read_bytes() == whole


def test_the_start_of_another_model_is_kept_and_refused(chosen: Settings) -> None:
    weights = Path(first_checkpoint(chosen)) / "model.safetensors"
    before = weights.read_bytes()
    wider = {**chosen.policy, "model": {**chosen.policy["model"]}}
    wider["model"]["text"] = {**wider["model"]["text"], "width": 64}
    with pytest.raises(StoreError, match=r"\n  model\.text\.width: 32 -> 64\n  seed: 3 -> 4\n"):
        first_checkpoint(replace(chosen, policy=wider, seed=4))
    assert weights.read_bytes() == before
