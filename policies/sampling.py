"""Randomness that follows from the episode alone, whatever shares its batch."""

from __future__ import annotations

import zlib

import numpy as np

from vla_bench.protocols import Request


def generator(request: Request) -> np.random.Generator:
    """The episode's own generator, kept in its memory: seeded by its seed and its id."""
    if "generator" not in request.memory:
        seed = [request.seed, zlib.crc32(request.episode_id.encode())]
        request.memory["generator"] = np.random.default_rng(seed)
    kept: np.random.Generator = request.memory["generator"]
    return kept
