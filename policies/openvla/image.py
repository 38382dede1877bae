"""Camera images -> the pixels that the towers were trained on, bit for bit as the published
processor computes them.

The published processor resizes with Pillow's bicubic filter. What a policy may do *before* it
(`lanczos3` as in training, `area`, the centre crop of fine-tuned models) is in `resize.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vla_bench.errors import PolicyError
from vla_bench.policies.openvla.config import OpenVLAConfig


def check_image(image: Any) -> None:
    """Raises PolicyError unless `image` is a (height, width, 3) uint8 array."""
    if not isinstance(image, np.ndarray):
        raise PolicyError(
            f"Expected a (height, width, 3) uint8 RGB array, got a {type(image).__name__}."
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise PolicyError(
            "Expected a (height, width, 3) uint8 RGB array, got shape "
            f"{image.shape} of {image.dtype}."
        )


def to_input_size(image: NDArray[np.uint8], config: OpenVLAConfig) -> NDArray[np.uint8]:
    """(side, side, 3): `config.resize` to its image size by Pillow's antialiased bicubic filter.

    Every tower sees the same pixels. With letterbox the padding has the last tower's mean colour,
    also for the first tower: openvla/openvla@c8f03f4, prismatic/extern/hf/processing_prismatic.py.
    """
    picture, side = Image.fromarray(image), config.image_size
    if config.resize == "letterbox":
        picture = _pad_to_square(picture, config.towers[-1].mean)
    if config.resize == "resize-naive":
        picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    else:
        picture = _crop_centre(_resize_shorter_side(picture, side), side)
    return np.asarray(picture)


def _pad_to_square(picture: Image.Image, mean: Sequence[float]) -> Image.Image:
    """Margins of int((longer - shorter) / 2) on both sides: one pixel short for odd differences."""
    longer = max(picture.size)
    margins = [int((longer - side) / 2) for side in picture.size]
    padded = (picture.width + 2 * margins[0], picture.height + 2 * margins[1])
    canvas = Image.new("RGB", padded, tuple(int(255 * channel) for channel in mean))
    canvas.paste(picture, (margins[0], margins[1]))
    return canvas


def _resize_shorter_side(picture: Image.Image, wanted: int) -> Image.Image:
    shorter = min(picture.size)
    width, height = (int(wanted * side / shorter) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _crop_centre(picture: Image.Image, wanted: int) -> Image.Image:
    left, top = (round((side - wanted) / 2) for side in picture.size)
    return picture.crop((left, top, left + wanted, top + wanted))


def normalize_images(images: Tensor, config: OpenVLAConfig) -> Tensor:
    """(b, side, side, 3) uint8 -> (b, 3 per tower, side, side) fp32, on the device of `images`.

    Divides by tensors: a GPU multiplies by the reciprocal of a Python number, which rounds
    differently.
    """
    scaled = images.permute(0, 3, 1, 2).float() / _channels((255.0,), images.device)
    towers = [
        (scaled - _channels(tower.mean, images.device)) / _channels(tower.std, images.device)
        for tower in config.towers
    ]
    return torch.cat(towers, dim=1)


@functools.lru_cache(maxsize=32)
def _channels(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Cached: a CUDA graph cannot capture an upload."""
    return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)
