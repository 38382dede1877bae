"""The image augmentation that OpenVLA is fine-tuned with: crop, brightness, contrast, colour.

openvla/openvla@c8f03f4, prismatic/vla/datasets/datasets.py (image_aug), in its order, clipped after
each step; operations are equal to TensorFlow's, draws are our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_bench.data.image_ops import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    crop_and_resize,
    to_float,
    to_uint8,
)
from vla_bench.policies.openvla.resize import CROP_AREA

_BRIGHTNESS = 0.2  # +-, of the full range
_FACTOR = 0.2  # contrast and saturation: 1 +-
_HUE = 0.05  # +-, turns


@dataclass(frozen=True)
class Jitter:
    """One draw.

    Attributes:
        offset: Top and left of the crop, as a share of the room that it has. One number: upstream
            draws both from one seed, so its crops lie on the diagonal.
        brightness: Added to [0, 1].
        contrast, saturation: Factors.
        hue: In turns.
    """

    offset: float
    brightness: float
    contrast: float
    saturation: float
    hue: float

    @classmethod
    def of(cls, uniform: NDArray[np.floating]) -> Jitter:
        """From five numbers in [0, 1)."""
        offset, brightness, contrast, saturation, hue = uniform.tolist()
        return cls(
            offset,
            _BRIGHTNESS * (2 * brightness - 1),
            1 + _FACTOR * (2 * contrast - 1),
            1 + _FACTOR * (2 * saturation - 1),
            _HUE * (2 * hue - 1),
        )

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(height, width, 3) -> the same shape: 90 % of the area, stretched, in other light."""
        height, width, _ = image.shape
        side = float(np.sqrt(CROP_AREA))
        low = self.offset * (1 - side)
        box = (low, low, low + side, low + side)
        pixels = crop_and_resize(to_float(image), box, height, width)
        pixels = np.clip(adjust_brightness(pixels, self.brightness), 0, 1)
        pixels = np.clip(adjust_contrast(pixels, self.contrast), 0, 1)
        pixels = np.clip(adjust_saturation(pixels, self.saturation), 0, 1)
        return to_uint8(np.clip(adjust_hue(pixels, self.hue), 0, 1))
