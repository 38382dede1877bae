"""From a data set to batches: windows of frames, decoded by threads, a few batches ahead.

Decoding (libav, zlib) and resizing release Python's lock, so threads keep all cores busy without
copies between processes. Memory is bounded by the batches in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vla_bench.data.trajectory import Images, Indices, TrajectoryDataset, Vectors
from vla_bench.data.windows import Window, WindowIndex
from vla_bench.errors import unknown_name

_N_BATCHES_AHEAD = 2

Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class Sample:
    """One window.

    Attributes:
        images: Camera -> (n_observations, height, width, 3) uint8 RGB, oldest first.
        states: (n_observations, state dim).
        actions: (n_actions, action dim).
        is_padding: (n_actions,), True where an action repeats the episode's edge.
        instruction: At the current frame.
        episode, frame: Where the current frame is in the data set.
    """

    images: Mapping[str, Images]
    states: Vectors
    actions: Vectors
    is_padding: NDArray[np.bool_]
    instruction: str
    episode: int
    frame: int


class Samples:
    """The windows of some episodes of a data set, by number.

    Attributes:
        episodes: Which.
    """

    def __init__(
        self,
        dataset: TrajectoryDataset,
        episodes: Indices,
        window: Window,
        cameras: Sequence[str],
        n_used: Indices | None = None,
    ) -> None:
        """Images of `cameras` and no others are decoded. Raises ConfigError for an unknown one.

        `n_used` says how many of each episode's first frames may be the current one; None: all.
        """
        for camera in cameras:
            if camera not in dataset.schema.cameras:
                raise unknown_name(f"camera of {dataset.name}", camera, dataset.schema.cameras)
        self._dataset, self._window, self._cameras = dataset, window, tuple(cameras)
        self.episodes = np.asarray(episodes, dtype=np.int64)
        self._index = WindowIndex(dataset.lengths, episodes, window, n_used)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Sample:
        episode, frame = self._index.locate(index)
        trajectory = self._dataset[episode]
        length = len(trajectory.actions)
        observed = self._window.observed(frame, length)
        acted, is_padding = self._window.acted(frame, length)
        return Sample(
            images={camera: trajectory.images(camera, observed) for camera in self._cameras},
            states=trajectory.states[observed],
            actions=trajectory.actions[acted],
            is_padding=is_padding,
            instruction=trajectory.instructions[frame],
            episode=episode,
            frame=frame,
        )


def read_batches(
    samples: Samples,
    batches: Iterable[Indices],
    prepare: Callable[[Sample], Prepared],
    n_workers: int,
) -> Iterator[list[Prepared]]:
    """Each of `batches` (see `order`), its samples read and put through `prepare` by threads.

    Batches come in their order whatever the number of workers; an error in one surfaces there.
    Closing the iterator drops what is in flight.
    """

    def read(index: int) -> Prepared:
        return prepare(samples[index])

    waiting = iter(batches)
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix="decode")
    in_flight: deque[list[Future[Prepared]]] = deque()
    try:
        while True:
            for batch in islice(waiting, 1 + _N_BATCHES_AHEAD - len(in_flight)):
                in_flight.append([pool.submit(read, int(index)) for index in batch])
            if not in_flight:
                return
            yield [future.result() for future in in_flight.popleft()]
    finally:
        pool.shutdown(cancel_futures=True)


def stacked(samples: Sequence[Sample]) -> tuple[dict[str, Images], Vectors, Vectors]:
    """Images by camera (b, n_observations, h, w, 3), states (b, n_observations, s), actions
    (b, n_actions, a) of samples whose images have one size.
    """
    images = {
        camera: np.stack([sample.images[camera] for sample in samples])
        for camera in samples[0].images
    }
    states = np.stack([sample.states for sample in samples])
    return images, states, np.stack([sample.actions for sample in samples])
