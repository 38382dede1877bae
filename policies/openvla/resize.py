"""What happens to a camera image before the checkpoint's own processor, in numpy.

OpenVLA was trained on images that TensorFlow had resized to 224 x 224 with `lanczos3`; SIMPLER's
OpenVLA fork uses OpenCV's area average; models fine-tuned with image augmentation expect the
centre 90 % of the image. After any of these the processor's own bicubic resize changes nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vla_bench.errors import ConfigError, PolicyError, unknown_name
from vla_bench.policies.openvla.config import IMAGE_SIZE, read_json

Image = NDArray[np.uint8]
RESIZES = ("none", "lanczos3", "area")
CROP_AREA = 0.9  # openvla/openvla@c8f03f4, experiments/robot/openvla_utils.py: crop_scale


@dataclass(frozen=True)
class Preparation:
    """What to do to a camera image.

    Attributes:
        resize: ``none`` (the checkpoint's processor alone), ``lanczos3`` or ``area``; both ignore
            the aspect ratio, as the published pipelines do.
        center_crop: Keep the centre 90 % of the area, scaled back to 224 x 224.
    """

    resize: str
    center_crop: bool

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise unknown_name("resize", self.resize, RESIZES)

    def apply(self, image: Image) -> Image:
        """(height, width, 3) -> the same kind, 224 x 224 where anything was done."""
        if self.resize != "none":
            image = resize(image, self.resize)
        return center_crop(image) if self.center_crop else image


def read_preparation(
    folders: Sequence[Path], resize: str | None, center_crop: bool | None
) -> Preparation:
    """As stated; what is None comes from the first preparation.json in `folders`.

    Raises ConfigError when it is not there either: guessing would change the measurement.
    """
    recorded = [folder / "preparation.json" for folder in folders]
    record: dict[str, Any] = next((read_json(path) for path in recorded if path.exists()), {})
    stated: dict[str, Any] = {"resize": resize, "center_crop": center_crop}
    filled: dict[str, Any] = {
        key: record.get(key) if value is None else value for key, value in stated.items()
    }
    unknown = [key for key, value in filled.items() if value is None]
    if unknown:
        raise ConfigError(
            f"The checkpoint has no preparation.json that says {' and '.join(unknown)}. State what "
            "it was trained with: policy.resize=lanczos3 policy.center_crop=false for the released "
            "openvla-7b, center_crop=true for models fine-tuned with image augmentation."
        )
    return Preparation(**filled)


def resize(image: Image, kind: str) -> Image:
    """(224, 224, 3), rounded to nearest. An image of that size comes back as it is.

    `lanczos3` is tf.image.resize(..., method="lanczos3", antialias=True): within one level of
    TensorFlow 2.15, on fewer than one value in 3000. `area` is the exact average over each output
    pixel's footprint; it raises PolicyError when the image would have to grow.
    """
    height, width, _ = image.shape
    if height == width == IMAGE_SIZE:
        return image
    if kind == "area" and min(height, width) < IMAGE_SIZE:
        raise PolicyError(
            f"resize 'area' only shrinks: expected at least {IMAGE_SIZE} x {IMAGE_SIZE}, got "
            f"{width} x {height}. Use lanczos3."
        )
    make = _lanczos3 if kind == "lanczos3" else _area
    rows = make(height) @ image.reshape(height, -1).astype(np.float32)
    columns = rows.reshape(IMAGE_SIZE, width, 3).transpose(1, 0, 2).reshape(width, -1)
    result = (make(width) @ columns).reshape(IMAGE_SIZE, IMAGE_SIZE, 3).transpose(1, 0, 2)
    rounded: Image = np.clip(np.rint(result), 0, 255).astype(np.uint8)
    return rounded


@functools.lru_cache(maxsize=16)
def _lanczos3(n_inputs: int) -> Any:
    """Sparse (224, n_inputs) weights; rows sum to 1. The kernel widens when shrinking."""
    step = n_inputs / IMAGE_SIZE
    stretch = max(step, 1.0)
    centres = (np.arange(IMAGE_SIZE) + 0.5) * step
    distance = (np.arange(n_inputs) + 0.5 - centres[:, None]) / stretch
    weights = np.where(np.abs(distance) <= 3.0, np.sinc(distance) * np.sinc(distance / 3.0), 0.0)
    return sparse.csr_array((weights / weights.sum(1, keepdims=True)).astype(np.float32))


@functools.lru_cache(maxsize=16)
def _area(n_inputs: int) -> Any:
    """Sparse (224, n_inputs) shares of every input pixel in every output pixel."""
    step = n_inputs / IMAGE_SIZE
    start = (np.arange(IMAGE_SIZE) * step)[:, None]
    pixel = np.arange(n_inputs)
    overlap = np.minimum(start + step, pixel + 1.0) - np.maximum(start, pixel)
    return sparse.csr_array((np.maximum(overlap, 0.0) / step).astype(np.float32))


def center_crop(image: Image) -> Image:
    """The centre 90 % of the area, bilinear, back to 224 x 224; equal to TensorFlow's result.

    Corner-aligned sampling and the final truncation of 255.5 x are those of
    tf.image.crop_and_resize and tf.image.convert_image_dtype (TensorFlow 2.15).
    """
    height, width, _ = image.shape
    value = image.astype(np.float32) * np.float32(1.0 / 255.0)
    value = _sample(value, *_crop_positions(width), axis=1)
    value = _sample(value, *_crop_positions(height), axis=0)
    return (np.clip(value, 0.0, 1.0) * np.float32(255.5)).astype(np.uint8)


def _crop_positions(n_inputs: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Index to the left and distance from it, for each of 224 samples."""
    side = np.float32(np.sqrt(np.float32(CROP_AREA)))
    start = (np.float32(1.0) - side) / np.float32(2.0)
    step = ((start + side) - start) * np.float32(n_inputs - 1) / np.float32(IMAGE_SIZE - 1)
    where = start * np.float32(n_inputs - 1) + np.arange(IMAGE_SIZE, dtype=np.float32) * step
    left = np.floor(where)
    return left.astype(np.int64), where - left


def _sample(
    value: NDArray[np.float32], left: NDArray[np.int64], share: NDArray[np.float32], axis: int
) -> NDArray[np.float32]:
    low = value.take(left, axis)
    high = value.take(np.minimum(left + 1, value.shape[axis] - 1), axis)
    share = share[:, None, None] if axis == 0 else share[None, :, None]
    mixed: NDArray[np.float32] = low + (high - low) * share
    return mixed
