"""Statistics against plain numpy, normalizers against OpenVLA's own outputs, the no-op rule."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.frames import acting_frames, without_noops
from vla_bench.data.lerobot_statistics import describe, describe_pixels, histogram
from vla_bench.data.normalize import Normalizer
from vla_bench.data.statistics import FieldStatistics, statistics_of, write_statistics
from vla_bench.data.trajectory import DataError, Images, Indices, Schema, Trajectory, Vectors
from vla_bench.errors import ConfigError

FLOATS = st.floats(-10, 10, width=32)
ROWS = arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=FLOATS)
NAMES = ("mean", "std", "max", "min", "q01", "q99", "mask")


@dataclass(frozen=True)
class Rows:
    """A trajectory that is nothing but actions; its state is the frame number."""

    actions: Vectors
    id: str = "toy"

    @property
    def instructions(self) -> Sequence[str]:
        return [f"frame {i}" for i in range(len(self.actions))]

    @property
    def states(self) -> Vectors:
        return np.arange(len(self.actions), dtype=np.float32)[:, None]

    def images(self, camera: str, frames: Indices) -> Images:
        assert camera == "front"
        return np.tile(frames[:, None, None, None], (1, 2, 2, 3)).astype(np.uint8)


@dataclass(frozen=True)
class Toy:
    """A data set of such trajectories."""

    episodes: Sequence[Vectors]
    action_names: tuple[str, ...] = ("x", "y", "gripper_open")
    name: str = "toy"

    @property
    def schema(self) -> Schema:
        return Schema({"front": (2, 2)}, ("frame",), self.action_names, None, 5.0)

    @property
    def lengths(self) -> Indices:
        return np.array([len(rows) for rows in self.episodes])

    def __getitem__(self, index: int) -> Trajectory:
        return Rows(self.episodes[index])


def of(values: NDArray[Any], mask: Sequence[bool]) -> FieldStatistics:
    return FieldStatistics.of(values, mask)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_statistics_equal_numpys_over_all_frames(episodes: list[Vectors]) -> None:
    found = statistics_of(Toy(episodes), np.arange(len(episodes)))
    rows = np.concatenate(episodes).astype(np.float64)
    assert (found.n_frames, found.n_episodes) == (len(rows), len(episodes))
    np.testing.assert_array_equal(found.action.mean, rows.mean(axis=0))
    np.testing.assert_array_equal(found.action.std, rows.std(axis=0))
    np.testing.assert_array_equal(found.action.min, rows.min(axis=0))
    np.testing.assert_array_equal(found.action.max, rows.max(axis=0))
    np.testing.assert_array_equal(found.action.q01, np.quantile(rows, 0.01, axis=0))
    np.testing.assert_array_equal(found.action.q99, np.quantile(rows, 0.99, axis=0))
    assert found.action.mask.tolist() == [True, True, False]  # the gripper is absolute
    assert found.state is not None
    assert found.state.mask.tolist() == [True]


def test_statistics_are_of_the_chosen_episodes_alone() -> None:
    toy = Toy([np.full((2, 3), value, np.float32) for value in (1.0, 2.0, 9.0)])
    assert statistics_of(toy, np.array([0, 1])).action.max.tolist() == [2.0, 2.0, 2.0]


def test_statistics_are_written_as_openvla_reads_them(tmp_path: Path) -> None:
    found = statistics_of(Toy([np.eye(3, dtype=np.float32)]), np.array([0]))
    write_statistics(tmp_path / "dataset_statistics.json", {"toy": found})
    block = json.loads((tmp_path / "dataset_statistics.json").read_text())["toy"]
    assert set(block) == {"action", "proprio", "num_transitions", "num_trajectories"}
    assert set(block["action"]) == set(NAMES)
    assert (block["num_transitions"], block["num_trajectories"]) == (3, 1)
    back = FieldStatistics.from_dict(block["action"])
    assert back.to_dict() == found.action.to_dict()


def test_an_empty_episode_and_a_nan_are_named() -> None:
    empty = Toy([np.ones((2, 3), np.float32), np.ones((0, 3), np.float32)])
    with pytest.raises(DataError, match=r"^toy, episode 1 \(toy\), action: the episode is empty"):
        statistics_of(empty, np.array([0, 1]))
    rows = np.ones((4, 3), np.float32)
    rows[2, 1] = np.nan
    with pytest.raises(DataError, match=r"action: frame 2 is not finite: \[1\.0, nan, 1\.0\]"):
        statistics_of(Toy([rows]), np.array([0]))
    with pytest.raises(DataError, match="expected at least one episode for statistics, got none"):
        statistics_of(Toy([rows]), np.array([], np.int64))


@pytest.fixture(scope="module")
def golden(shared: Path) -> Mapping[str, NDArray[Any]]:
    found = np.load(shared / "golden" / "openvla" / "tf_pipeline.npz")
    return {key: found[key] for key in found.files if key.startswith("norm/")}


@pytest.mark.parametrize("kind", ["normal", "bounds", "bounds_q99"])
def test_normalization_equals_openvlas(kind: str, golden: Mapping[str, NDArray[Any]]) -> None:
    block = {name: golden[f"norm/stats/{name}"] for name in NAMES}
    ours = Normalizer(kind, FieldStatistics.from_dict(block)).normalize(golden["norm/in"])
    np.testing.assert_allclose(ours, golden[f"norm/out/{kind}"], atol=2e-6)


@given(ROWS, st.sampled_from(["normal", "bounds", "bounds_q99"]))
def test_what_is_inside_the_bounds_comes_back(rows: Vectors, kind: str) -> None:
    statistics = of(rows, [True, True, False])
    normalizer = Normalizer(kind, statistics)
    inside = rows.astype(np.float64)
    if kind == "bounds_q99":
        inside[:, :2] = np.clip(inside[:, :2], statistics.q01[:2], statistics.q99[:2])
    back = normalizer.unnormalize(normalizer.normalize(inside))
    is_kept = statistics.mask | (statistics.min != statistics.max) | (kind == "normal")
    np.testing.assert_allclose(back[:, is_kept], inside[:, is_kept], atol=1e-6)


@given(ROWS)
def test_bounds_clip_and_constant_columns_become_zero_whatever_the_mask(rows: Vectors) -> None:
    rows[:, 1:] = 0.5
    normalized = Normalizer("bounds_q99", of(rows, [True, True, False])).normalize(rows * 3)
    assert np.abs(normalized[:, 0]).max() <= 1.0
    assert (normalized[:, 1:] == 0.0).all()


def test_an_unknown_normalization_is_refused_with_the_valid_ones() -> None:
    text = (
        r"Unknown normalization 'bounds_q9'\. Did you mean 'bounds_q99'\? "
        r"Valid: bounds, bounds_q99, normal"
    )
    with pytest.raises(ConfigError, match=text):
        Normalizer("bounds_q9", of(np.ones((1, 1)), [True]))


def test_steps_that_do_nothing_are_left_out() -> None:
    actions = np.zeros((8, DELTA_TCP_POSE.dim), np.float32)
    actions[:, -1] = [1, 1, 1, 1, 0, 0, 0, 1]
    actions[[1, 3], 0] = [2e-4, 9e-5]  # moves; too little
    actions[6, 3] = 0.1
    # 0 does nothing; 2, 3, 5 neither; 4 and 7 move the gripper
    assert acting_frames(actions).tolist() == [1, 4, 6, 7]


def test_the_gripper_counts_only_once_a_frame_was_kept() -> None:
    actions = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    assert acting_frames(actions).tolist() == [2, 3]


def test_a_data_set_without_noops_is_a_data_set() -> None:
    rows = np.zeros((5, 3), np.float32)
    rows[[1, 4], 0] = 1.0
    filtered = without_noops(Toy([rows, np.zeros((2, 3), np.float32)]))
    assert filtered.lengths.tolist() == [2, 0]
    trajectory = filtered[0]
    assert trajectory.states.ravel().tolist() == [1.0, 4.0]
    assert trajectory.actions[:, 0].tolist() == [1.0, 1.0]
    assert list(trajectory.instructions) == ["frame 1", "frame 4"]
    assert trajectory.images("front", np.array([1, 0]))[:, 0, 0, 0].tolist() == [4, 1]
    assert (filtered.name, filtered.schema) == ("toy", Toy([]).schema)


def test_the_noop_rule_needs_an_absolute_gripper_last() -> None:
    with pytest.raises(ConfigError, match="needs 'gripper_open' as the last action column, got"):
        without_noops(Toy([], action_names=("x", "y", "z")))


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 256))
def test_image_statistics_from_counts_equal_numpys(seed: int, n: int, levels: int) -> None:
    images = np.random.default_rng(seed).integers(0, levels, (n, 3, 5, 3), dtype=np.uint8)
    found = describe_pixels(histogram(list(images)), n)
    pixels = images.reshape(-1, 3) / 255.0
    expected = describe(pixels)
    assert found["count"].tolist() == [n]
    for name in ("min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99"):
        assert found[name].shape == (3, 1, 1)
        np.testing.assert_allclose(found[name].ravel(), expected[name], atol=1e-7)
