"""The Google Robot's counter under the two tablecloths of the OpenVLA paper's unseen conditions.

Blue sky with white clouds, and bright yellow and brown (arXiv:2406.09246v3 Appendix B.2.1).
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from vla_bench.envs.tabletop.objects.builder import Paint
from vla_bench.envs.tabletop.scenes.counter import COUNTER
from vla_bench.protocols import Image


@functools.cache
def _clouds(size: int = 256) -> Image:
    """Noise of falling amplitude, thresholded: the same pixels every time."""
    rng = np.random.default_rng(6)
    rows, columns = np.mgrid[:size, :size] * (2 * np.pi / size)
    height = np.zeros((size, size))
    for waves in (1, 2, 3, 5, 8, 13):
        for _ in range(4):
            down, across = rng.integers(-waves, waves + 1, 2)
            phase = rng.uniform(0.0, 2 * np.pi)
            height += np.sin(down * rows + across * columns + phase) / waves**0.8
    share = np.clip((height / height.std() - 0.2) / 0.9, 0.0, 1.0)[..., None]
    return np.asarray(((1 - share) * (86, 152, 216) + share * (246, 248, 250)).astype(np.uint8))


@functools.cache
def _diamonds(size: int = 256) -> Image:
    """Brown diamonds and lines on yellow."""
    rows, columns = np.mgrid[:size, :size] * (4.0 / size)
    away = np.abs(rows % 1.0 - 0.5) + np.abs(columns % 1.0 - 0.5)
    image = np.tile(np.array((244, 200, 40), np.uint8), (size, size, 1))
    image[away < 0.30] = (140, 84, 34)
    image[away < 0.15] = (250, 228, 130)
    image[np.abs(away - 0.5) < 0.04] = (140, 84, 34)
    return image


SKY_COUNTER = dataclasses.replace(
    COUNTER,
    name="counter_sky_tablecloth",
    repaint={"worktop": Paint(texture=_clouds(), repeat=(2.0, 2.0), specular=0.0)},
)
YELLOW_COUNTER = dataclasses.replace(
    COUNTER,
    name="counter_yellow_tablecloth",
    repaint={"worktop": Paint(texture=_diamonds(), repeat=(3.0, 3.0), specular=0.0)},
)
