"""Samples and batches: right frames, right order, bounded work ahead, errors where they belong."""

from __future__ import annotations

import threading
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from toy_demos import recorded

from vla_bench.data.lerobot_reader import LeRobotFolder
from vla_bench.data.loader import Sample, Samples, read_batches, stacked
from vla_bench.data.order import Order, in_order
from vla_bench.data.trajectory import DataError
from vla_bench.data.windows import Window
from vla_bench.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demos") / "toy"
    recorded(folder, images="png")
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> LeRobotFolder:
    return LeRobotFolder(folder)


@pytest.fixture
def samples(dataset: LeRobotFolder) -> Samples:
    return Samples(dataset, np.arange(3), Window.of_chunk(2, 3), ["front"])


def test_a_sample_is_the_window_around_its_frame(samples: Samples, dataset: LeRobotFolder) -> None:
    assert len(samples) == 15
    sample, whole = samples[9], dataset[1]
    assert (sample.episode, sample.frame) == (1, 4)
    np.testing.assert_array_equal(sample.states, whole.states[3:5])
    np.testing.assert_array_equal(sample.actions, whole.actions[[4, 4, 4]])
    assert sample.is_padding.tolist() == [False, True, True]
    assert sample.instruction == "walk to the end"
    assert list(sample.images) == ["front"]
    np.testing.assert_array_equal(sample.images["front"], whole.images("front", np.array([3, 4])))


@pytest.mark.parametrize("n_workers", [1, 3])
def test_batches_come_in_their_order_whatever_the_number_of_workers(
    samples: Samples, n_workers: int
) -> None:
    def where(sample: Sample) -> tuple[int, int]:
        return sample.episode, sample.frame

    read = list(read_batches(samples, in_order(15, 4), where, n_workers))
    assert [len(batch) for batch in read] == [4, 4, 4, 3]
    assert [place for batch in read for place in batch] == [
        (e, t) for e in range(3) for t in range(5)
    ]


def test_batches_stack_into_arrays(samples: Samples) -> None:
    batch = next(read_batches(samples, [np.array([0, 7])], lambda sample: sample, 1))
    images, states, actions = stacked(batch)
    assert images["front"].shape == (2, 2, 16, 16, 3)
    assert states.shape == (2, 2, 1)
    assert actions.shape == (2, 3, 2)


def test_an_endless_order_is_read_two_batches_ahead_and_stops_when_closed(
    samples: Samples,
) -> None:
    taken: list[int] = []
    threads_before = threading.active_count()
    order = Order(15, 4, seed=0)
    batches = (taken.append(step) or order.batch(step) for step in count())  # type: ignore[func-returns-value]
    reading = read_batches(samples, batches, lambda sample: sample.frame, 2)
    for _ in range(3):
        next(reading)
    assert taken == [0, 1, 2, 3, 4]
    reading.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads_before


def test_an_error_surfaces_at_its_batch(samples: Samples) -> None:
    def refuse_frame_four(sample: Sample) -> int:
        if sample.frame == 4:
            raise DataError("frame 4 is damaged")
        return sample.frame

    reading = read_batches(samples, in_order(15, 2), refuse_frame_four, 2)
    assert [next(reading), next(reading)] == [[0, 1], [2, 3]]
    with pytest.raises(DataError, match="frame 4 is damaged"):
        next(reading)


def test_a_camera_that_the_data_lack_is_refused(dataset: LeRobotFolder) -> None:
    with pytest.raises(ConfigError, match=r"of toy 'fornt'\. Did you mean 'front'\?"):
        Samples(dataset, np.arange(3), Window.of_chunk(1, 1), ["fornt"])


def test_the_documented_code_runs(root: Path, folder: Path) -> None:
    text = (root / "docs" / "demonstrations.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    code = code.replace("results/demos/widowx", str(folder)).replace("    ...\n", "    break\n")
    code = code.replace("3rd_view_camera", "front")
    names: dict[str, list[Sample]] = {}
    exec(code, names)
    assert len(names["batch"]) == 32
    assert names["batch"][0].actions.shape == (8, 2)
