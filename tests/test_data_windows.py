"""Windows, splits and the order of samples: pure functions, checked over many inputs."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_bench.data.order import Order, in_order, permuted
from vla_bench.data.windows import Window, WindowIndex, split_episodes
from vla_bench.errors import ConfigError

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=6)
CHUNKS = st.builds(Window.of_chunk, st.integers(1, 4), st.integers(1, 12))


@given(LENGTHS, CHUNKS)
def test_windows_stay_inside_their_episode_and_say_what_is_padding(
    lengths: list[int], window: Window
) -> None:
    index = WindowIndex(np.array(lengths), np.arange(len(lengths)), window)
    assert len(index) == sum(lengths)
    located = [index.locate(i) for i in range(len(index))]
    assert located == [(e, t) for e, n in enumerate(lengths) for t in range(n)]
    for episode, frame in located:
        n = lengths[episode]
        observed = window.observed(frame, n)
        assert observed[-1] == frame
        assert observed.tolist() == [max(0, frame + o) for o in window.observations]
        acted, is_padding = window.acted(frame, n)
        assert acted.tolist() == [min(n - 1, frame + a) for a in window.actions]
        assert is_padding.tolist() == [frame + a > n - 1 for a in window.actions]


@given(LENGTHS, st.integers(1, 3), st.integers(1, 4), st.integers(0, 4))
def test_horizon_windows_are_those_of_the_published_diffusion_policy(
    lengths: list[int], n_observations: int, n_executed: int, extra: int
) -> None:
    horizon = n_observations + n_executed - 1 + extra
    window = Window.of_horizon(horizon, n_observations, n_executed)
    index = WindowIndex(np.array(lengths), np.arange(len(lengths)), window)
    located = [index.locate(i) for i in range(len(index))]
    ours = [(e, window.acted(t, lengths[e])[0].tolist()) for e, t in located]
    theirs = [  # in its own terms: where a window may start, relative to its episode
        (episode, np.clip(np.arange(start, start + horizon), 0, n - 1).tolist())
        for episode, n in enumerate(lengths)
        for start in range(1 - n_observations, n - horizon + n_executed)
    ]
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("w1_f0", Window.of_chunk(1, 1)),
        ("w1_f3", Window.of_chunk(1, 4)),
        ("w2_f2", Window((-1, 0), (-1, 0, 1, 2))),
    ],
)
def test_chunks_equal_those_of_openvlas_pipeline(name: str, window: Window, shared: Path) -> None:
    golden = np.load(shared / "golden" / "openvla" / "tf_pipeline.npz")
    actions = golden["chunk/in"]
    for frame, expected in enumerate(golden[f"chunk/{name}/action"]):
        frames, is_padding = window.acted(frame, len(actions))
        chunk = actions[frames]
        is_after = is_padding & (frames == len(actions) - 1)
        chunk[is_after, :6] = 0.0  # upstream stands still after the end; the gripper is repeated
        np.testing.assert_array_equal(chunk, expected)


def test_only_the_chosen_episodes_are_numbered_in_the_order_given() -> None:
    index = WindowIndex(np.array([2, 3, 1]), np.array([2, 0]), Window.of_chunk(1, 1))
    assert [index.locate(i) for i in range(len(index))] == [(2, 0), (0, 0), (0, 1)]
    with pytest.raises(IndexError, match=r"expected a window in 0\.\.2, got 3"):
        index.locate(3)


def test_frames_left_out_as_idle_and_as_too_late_for_a_window_are_not_added_up() -> None:
    window = Window.of_horizon(6, 1, 3)
    assert window.n_last_unused == 3
    index = WindowIndex(np.array([10, 10, 2]), np.arange(3), window, np.array([5, 9, 2]))
    located = [index.locate(i) for i in range(len(index))]
    assert located == [(0, t) for t in range(5)] + [(1, t) for t in range(7)]


def test_windows_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one observation and one action, got 0 and 4"):
        Window.of_chunk(0, 4)
    with pytest.raises(ConfigError, match="A horizon of 4 cannot hold 2 observations and 8"):
        Window.of_horizon(4, 2, 8)


@given(st.integers(2, 200), st.floats(0.0, 0.9), st.integers(0, 5))
def test_a_split_parts_whole_episodes(n: int, held_out: float, seed: int) -> None:
    train, validation = split_episodes(n, held_out, seed)
    assert sorted([*train, *validation]) == list(range(n))
    assert len(train) >= 1
    assert (len(validation) > 0) == (held_out > 0.0)
    again = split_episodes(n, held_out, seed)
    np.testing.assert_array_equal(train, again[0])
    if n >= 20 and held_out >= 0.3:
        other = split_episodes(n, held_out, seed + 1)
        assert train.tolist() != other[0].tolist()


def test_a_split_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Cannot hold out a share of 0\.5 of 1 episode"):
        split_episodes(1, 0.5, 0)
    with pytest.raises(ConfigError, match=r"expected a share in \[0, 1\), got 1\.0"):
        split_episodes(5, 1.0, 0)


@given(st.integers(1, 3000), st.integers(0, 2**40), st.integers(0, 50))
def test_every_epoch_visits_every_sample_once(n: int, seed: int, epoch: int) -> None:
    order = Order(n, batch_size=1, seed=seed)
    visited = order.samples(np.arange(epoch * n, (epoch + 1) * n))
    np.testing.assert_array_equal(np.sort(visited), np.arange(n))


def test_epochs_and_seeds_differ_and_neighbours_are_scattered() -> None:
    n = 5000
    first, second = (permuted(np.arange(n), n, (0, epoch)) for epoch in (0, 1))
    other = permuted(np.arange(n), n, (1, 0))
    identity = np.arange(n)
    for left, right in ((first, second), (first, other), (first, identity)):
        assert np.mean(left == right) < 0.005
        assert abs(np.corrcoef(left, right)[0, 1]) < 0.06  # 4 standard deviations
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.06
    epochs = Order(n, 1, seed=0).samples(np.arange(2 * n)).reshape(2, n)
    np.testing.assert_array_equal(epochs, [first, second])
    halves = np.bincount(first[: n // 2] * 10 // n, minlength=10)  # deciles of the first half
    assert (((halves - n / 20) ** 2) / (n / 20)).sum() < 30


@given(st.integers(1, 100), st.integers(1, 17), st.integers(0, 40))
def test_a_run_resumes_at_its_exact_sample(n: int, batch_size: int, step: int) -> None:
    order = Order(n, batch_size, seed=3)
    whole = np.concatenate(list(islice(order.batches(0), step + 2)))
    rest = np.concatenate(list(islice(order.batches(step), 2)))
    np.testing.assert_array_equal(whole[step * batch_size :], rest)


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4), st.integers(0, 9))
def test_ranks_together_see_what_one_large_batch_sees(
    n: int, batch_size: int, n_ranks: int, step: int
) -> None:
    large = Order(n, batch_size * n_ranks, seed=1).batch(step)
    parts = [Order(n, batch_size, 1, rank, n_ranks).batch(step) for rank in range(n_ranks)]
    np.testing.assert_array_equal(np.concatenate(parts), large)


def test_a_step_far_into_a_huge_data_set_is_found_without_a_table() -> None:
    batch = Order(10**12, batch_size=64, seed=0).batch(10**9)
    assert len(set(batch.tolist())) == 64
    assert batch.max() < 10**12


def test_in_order_gives_each_sample_once_with_a_smaller_last_batch() -> None:
    assert [batch.tolist() for batch in in_order(5, 2)] == [[0, 1], [2, 3], [4]]


def test_an_impossible_order_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"n_samples >= 1, .*, got 0, 4 and 0 of 1"):
        Order(0, 4, 0)
    with pytest.raises(ConfigError, match=r"rank in 0\.\.n_ranks-1, got 5, 4 and 2 of 2"):
        Order(5, 4, 0, rank=2, n_ranks=2)
