"""Which samples make up training step k: a pure function of the seed, so that any step can be next.

Each epoch visits every sample once, in an order of its own. The order is a keyed permutation that
is computed, not stored: a run resumes at its exact sample at once, and an epoch of a billion
samples needs no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_bench.data.trajectory import Indices
from vla_bench.errors import ConfigError

_N_ROUNDS = 6  # a Feistel network of four rounds is already pseudo-random (Luby and Rackoff, 1988)


@dataclass(frozen=True)
class Order:
    """Shuffled batches of one rank among several.

    Attributes:
        n_samples: How many samples there are.
        batch_size: Per rank. Two ranks with batch size b see together, step by step, what one
            rank with 2 b sees.
        seed: Of the shuffling.
        rank, n_ranks: Which of how many processes this is.
    """

    n_samples: int
    batch_size: int
    seed: int
    rank: int = 0
    n_ranks: int = 1

    def __post_init__(self) -> None:
        if self.n_samples < 1 or self.batch_size < 1 or not 0 <= self.rank < self.n_ranks:
            raise ConfigError(
                "Expected n_samples >= 1, batch_size >= 1 and rank in 0..n_ranks-1, got "
                f"{self.n_samples}, {self.batch_size} and {self.rank} of {self.n_ranks}."
            )

    def batch(self, step: int) -> Indices:
        """Samples of training step `step`, from 0; a batch may straddle two epochs."""
        return self.samples(self.positions(step))

    def positions(self, step: int) -> Indices:
        """Where in the endless sequence the samples of `step` are."""
        first = (step * self.n_ranks + self.rank) * self.batch_size
        return np.arange(first, first + self.batch_size)

    def samples(self, positions: Indices) -> Indices:
        """The samples at `positions` of the endless sequence epoch 0, epoch 1, …"""
        epochs, within = np.divmod(positions, self.n_samples)
        found = np.empty_like(within)
        for epoch in np.unique(epochs):
            chosen = epochs == epoch
            found[chosen] = permuted(within[chosen], self.n_samples, (self.seed, int(epoch)))
        return found

    def batches(self, first_step: int) -> Iterator[Indices]:
        """Batches from `first_step` on, for ever."""
        step = first_step
        while True:
            yield self.batch(step)
            step += 1


def in_order(n_samples: int, batch_size: int) -> Iterator[Indices]:
    """Every sample once, unshuffled; the last batch may be smaller."""
    for first in range(0, n_samples, batch_size):
        yield np.arange(first, min(first + batch_size, n_samples))


def permuted(values: Indices, n: int, key: tuple[int, int]) -> Indices:
    """A bijection of 0..n-1 chosen by `key`, applied to `values`.

    A Feistel network on the next power of four; what falls outside 0..n-1 goes through it again
    ("cycle walking"), fewer than four times on average.
    """
    half_bits = max(1, ((n - 1).bit_length() + 1) // 2)
    keys = np.random.SeedSequence(key).generate_state(_N_ROUNDS, np.uint64).astype(np.uint64)
    found = _feistel(values.astype(np.uint64), half_bits, keys)
    outside = found >= n
    while outside.any():
        found[outside] = _feistel(found[outside], half_bits, keys)
        outside = found >= n
    return found.astype(np.int64)


def _feistel(
    values: NDArray[np.uint64], half_bits: int, keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    shift, low = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> shift, values & low
    for key in keys:
        left, right = right, left ^ (_mixed(right, key) & low)
    return (left << shift) | right


def _mixed(values: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    """SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014) of value plus key."""
    mixed = values + key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
