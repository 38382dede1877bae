"""What happens to a camera image before the checkpoint's own processor.

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

from vla_bench.data.image_ops import Box, center_crop, resize_lanczos3
from vla_bench.data.view import WHOLE, cut, to_box
from vla_bench.errors import ConfigError, PolicyError, unknown_name
from vla_bench.policies.openvla.config import OpenVLAConfig, read_json
from vla_bench.policies.openvla.image import to_input_size

Image = NDArray[np.uint8]
RESIZES = ("none", "lanczos3", "area")
TRAINED_RESIZE = "lanczos3"
CROP_AREA = 0.9  # openvla/openvla@c8f03f4, experiments/robot/openvla_utils.py: crop_scale


@dataclass(frozen=True)
class Preparation:
    """What to do to a camera image.

    Attributes:
        resize: ``none`` (the checkpoint's processor alone), ``lanczos3`` or ``area``; both ignore
            the aspect ratio, as the published pipelines do.
        center_crop: Keep the centre 90 % of the area, stretched back to the image's size.
        box: Before all this, the part that is seen: top, left, bottom, right as fractions. The
            published models see the whole.
    """

    resize: str
    center_crop: bool
    box: Box = WHOLE

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise unknown_name("resize", self.resize, RESIZES)

    def apply(self, image: Image, side: int) -> Image:
        """(height, width, 3) -> the same kind, side x side unless `resize` is none."""
        image = cut(image, self.box)
        if self.resize == "lanczos3":
            image = resize_lanczos3(image, side, side)
        elif self.resize == "area":
            image = shrink_area(image, side)
        return center_crop(image, CROP_AREA) if self.center_crop else image


def input_image(image: Image, config: OpenVLAConfig) -> Image:
    """As a training sees a camera image, before augmentation: (side, side, 3)."""
    resized = Preparation(TRAINED_RESIZE, center_crop=False).apply(image, config.image_size)
    return to_input_size(resized, config)


def read_preparation(
    folders: Sequence[Path],
    resize: str | None,
    center_crop: bool | None,
    box: Sequence[float] | None = None,
) -> Preparation:
    """As stated; what is None comes from the first preparation.json in `folders`.

    Raises ConfigError when it is not there either, or says something else: guessing would change
    the measurement. Only a `box` may be nowhere, and is the whole image then.
    """
    path = _record(folders)
    record: dict[str, Any] = {} if path is None else {"box": list(WHOLE), **read_json(path)}
    stated: dict[str, Any] = {
        "resize": resize,
        "center_crop": center_crop,
        "box": None if box is None else list(to_box(box)),
    }
    for key, value in stated.items():
        if None not in (value, record.get(key)) and value != record[key]:
            raise ConfigError(
                f"{path} says that the checkpoint was trained with {key} {record[key]}, the "
                f"config says {value}. Type policy.{key}=null to take what is recorded; to measure "
                "the other on purpose, change the record."
            )
    filled: dict[str, Any] = {
        key: record.get(key) if value is None else value for key, value in stated.items()
    }
    if filled["box"] is None:
        filled["box"] = WHOLE
    unknown = [key for key, value in filled.items() if value is None]
    if unknown:
        raise ConfigError(
            f"The checkpoint has no preparation.json that says {' and '.join(unknown)}. State what "
            "it was trained with: policy.resize=lanczos3 policy.center_crop=false for the released "
            "openvla-7b, center_crop=true for models fine-tuned with image augmentation."
        )
    return Preparation(**{**filled, "box": to_box(filled["box"])})


def recorded_preparation(folders: Sequence[Path]) -> Preparation:
    """As the first preparation.json in `folders` says; without one, nothing is done."""
    if _record(folders) is None:
        return Preparation("none", center_crop=False)
    return read_preparation(folders, None, None)


def recorded_box(folders: Sequence[Path]) -> Box:
    """What the first preparation.json in `folders` says was seen; the whole if none says."""
    path = _record(folders)
    box = None if path is None else read_json(path).get("box")
    return WHOLE if box is None else to_box(box)


def _record(folders: Sequence[Path]) -> Path | None:
    return next((path for f in folders if (path := f / "preparation.json").exists()), None)


def shrink_area(image: Image, side: int) -> Image:
    """(side, side, 3): the average over each output pixel's footprint, rounded to nearest.

    What OpenCV's INTER_AREA does when shrinking. Raises PolicyError when the image would grow.
    """
    height, width, _ = image.shape
    if min(height, width) < side:
        raise PolicyError(
            f"resize 'area' only shrinks: expected at least {side} x {side}, got "
            f"{width} x {height}. Use lanczos3."
        )
    rows = _area_weights(height, side) @ image.reshape(height, -1).astype(np.float64)
    columns = rows.reshape(side, width, 3).transpose(1, 0, 2).reshape(width, -1)
    result = (_area_weights(width, side) @ columns).reshape(side, side, 3)
    return np.ascontiguousarray(np.rint(result).astype(np.uint8).transpose(1, 0, 2))


@functools.lru_cache(maxsize=16)
def _area_weights(n_inputs: int, n_outputs: int) -> Any:
    """Sparse (n_outputs, n_inputs): share of every input pixel in every output pixel."""
    step = n_inputs / n_outputs
    start = (np.arange(n_outputs) * step)[:, None]
    pixel = np.arange(n_inputs)
    overlap = np.minimum(start + step, pixel + 1.0) - np.maximum(start, pixel)
    return sparse.csr_array(np.maximum(overlap, 0.0) / step)
