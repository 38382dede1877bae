"""The batches of a training, made by threads while the device computes with the one before.

What is drawn for a sample (noise, augmentation) follows from the seed and its position in the
endless sequence of samples: neither threads nor processes that share a batch change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import torch
from torch import Tensor

from vla_bench.data.loader import Samples, read_batches
from vla_bench.data.order import Order
from vla_bench.policies.training.learner import Learner


def batches(
    learner: Learner, samples: Samples, order: Order, numbers: range, n_workers: int
) -> Iterator[Mapping[str, Tensor]]:
    """Batches `numbers` of `order`, on the CPU; one is collated ahead.

    Closing the iterator drops what is in flight.
    """
    reader = read_batches(samples, map(order.batch, numbers), learner.prepare, n_workers)
    with closing(reader) as read, ThreadPoolExecutor(1, "collate") as thread:  # type: ignore[type-var]
        made = (
            learner.collate(examples, generators(order, number))
            for number, examples in zip(numbers, read)
        )
        coming = thread.submit(next, made, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, made, None)
            yield batch


def generators(order: Order, number: int) -> list[torch.Generator]:
    """One for each sample of batch `number`."""
    return [
        torch.Generator().manual_seed(derived_seed(order.seed, int(position)))
        for position in order.positions(number)
    ]


def derived_seed(seed: int, position: int) -> int:
    """A seed of its own for every pair, below 2^63."""
    state = np.random.SeedSequence((seed, position)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
