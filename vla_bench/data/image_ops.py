"""Image operations that give TensorFlow's results, in numpy and scipy alone.

OpenVLA, Octo and their data pipeline were trained on images that TensorFlow resized, cropped and
jittered; Pillow's and OpenCV's filters of the same name give other pixels. Images are
(height, width, 3) RGB: uint8, or float32 in [0, 1] between `to_float` and `to_uint8`. Checked
against TensorFlow 2.15. Knows neither data sets nor policies.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Uint8Image = NDArray[np.uint8]
FloatImage = NDArray[np.float32]
Box = tuple[float, float, float, float]
"""Top, left, bottom, right as fractions of height and width, y down."""

_LANCZOS_RADIUS = 3.0


def resize_lanczos3(image: Uint8Image, height: int, width: int) -> Uint8Image:
    """`tf.image.resize(..., method="lanczos3", antialias=True)`, rounded and saturated.

    Ignores the aspect ratio. Within 1 level of TensorFlow on at most 43 of 150,528 values: it sums
    in float32 in another order, so products that fall on a half round differently.
    """
    if image.shape[:2] == (height, width):
        return image
    n_rows, n_columns = image.shape[:2]
    tall = _lanczos3_weights(n_rows, height) @ image.reshape(n_rows, -1).astype(np.float64)
    sideways = tall.reshape(height, n_columns, 3).transpose(1, 0, 2).reshape(n_columns, -1)
    resized = (_lanczos3_weights(n_columns, width) @ sideways).reshape(width, height, 3)
    levels: Uint8Image = np.clip(np.rint(resized), 0, 255).astype(np.uint8).transpose(1, 0, 2)
    return np.ascontiguousarray(levels)


@lru_cache(maxsize=64)
def _lanczos3_weights(n_in: int, n_out: int) -> Any:
    """Sparse (n_out, n_in), rows sum to 1. Pixel centres lie at i + 1/2; shrinking widens it."""
    scale = n_in / n_out
    centers = (np.arange(n_out) + 0.5) * scale
    distance = (np.arange(n_in) + 0.5 - centers[:, None]) / max(scale, 1.0)
    kernel = np.sinc(distance) * np.sinc(distance / _LANCZOS_RADIUS)
    weights: NDArray[np.float64] = np.where(np.abs(distance) < _LANCZOS_RADIUS, kernel, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return sparse.csr_array(weights)  # four times as fast as dense for a 640 x 480 image


def to_float(image: Uint8Image) -> FloatImage:
    """uint8 0..255 -> float32 0..1."""
    return image.astype(np.float32) * np.float32(1 / 255)


def to_uint8(image: FloatImage) -> Uint8Image:
    """float32 0..1 -> uint8, `tf.image.convert_image_dtype`: 256 equal bins, not the nearest."""
    levels = np.floor(np.clip(image, 0, 1) * np.float32(255.5))
    saturated: Uint8Image = np.minimum(levels, 255).astype(np.uint8)
    return saturated


def center_crop_box(area: float) -> Box:
    """The centred box that covers `area` (0..1] of an image at its own aspect ratio."""
    side = np.sqrt(np.float32(area))
    low = (np.float32(1) - side) / np.float32(2)
    return (low, low, low + side, low + side)


def crop_and_resize(image: FloatImage, box: Box, height: int, width: int) -> FloatImage:
    """`tf.image.crop_and_resize`: bilinear, corners aligned, no antialiasing.

    `box` must lie inside the image.
    """
    y_low, y_high, y_weight = _bilinear_taps(image.shape[0], box[0], box[2], height)
    x_low, x_high, x_weight = _bilinear_taps(image.shape[1], box[1], box[3], width)
    across = x_weight[None, :, None]
    upper, lower = image[y_low], image[y_high]
    top = upper[:, x_low] + (upper[:, x_high] - upper[:, x_low]) * across
    bottom = lower[:, x_low] + (lower[:, x_high] - lower[:, x_low]) * across
    blended: FloatImage = top + (bottom - top) * y_weight[:, None, None]
    return blended


def center_crop(image: Uint8Image, area: float) -> Uint8Image:
    """Keep the central `area` of the image and stretch it back to the image's size."""
    height, width = image.shape[:2]
    return to_uint8(crop_and_resize(to_float(image), center_crop_box(area), height, width))


def _bilinear_taps(
    n_in: int, low: float, high: float, n_out: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatImage]:
    """Lower and upper source index and the upper one's weight, in float32 as TensorFlow does."""
    extent, start = np.float32(n_in - 1), np.float32(low)
    step = (np.float32(high) - start) * extent / np.float32(n_out - 1)
    position = start * extent + np.arange(n_out, dtype=np.float32) * step
    lower = np.floor(position).astype(np.intp)
    upper = np.minimum(np.ceil(position).astype(np.intp), n_in - 1)
    return lower, upper, position - lower.astype(np.float32)


def adjust_brightness(image: FloatImage, delta: float) -> FloatImage:
    """Add `delta` to every channel; the caller clips."""
    return image + np.float32(delta)


def adjust_contrast(image: FloatImage, factor: float) -> FloatImage:
    """Scale the distance of every pixel from its channel's mean; the caller clips.

    Within 1 level of TensorFlow, whose float32 mean depends on its thread count.
    """
    mean = image.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    adjusted: FloatImage = (image - mean) * np.float32(factor) + mean
    return adjusted


def adjust_saturation(image: FloatImage, factor: float) -> FloatImage:
    """Scale the saturation in HSV, clipped to [0, 1]."""
    hue, saturation, value = _rgb_to_hsv(image)
    return _hsv_to_rgb(hue, np.clip(saturation * np.float32(factor), 0, 1), value)


def adjust_hue(image: FloatImage, delta: float) -> FloatImage:
    """Turn the hue by `delta`, in turns (1 is the full circle)."""
    hue, saturation, value = _rgb_to_hsv(image)
    return _hsv_to_rgb(np.mod(hue + np.float32(delta), np.float32(1)), saturation, value)


def _rgb_to_hsv(image: FloatImage) -> tuple[FloatImage, FloatImage, FloatImage]:
    """Hue in turns [0, 1), saturation, value; grey has hue 0."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    value = image.max(axis=-1)
    spread = value - image.min(axis=-1)
    is_grey = spread == 0
    sixth = np.float32(1) / (np.float32(6) * np.where(is_grey, np.float32(1), spread))
    hue = np.where(
        red == value,
        sixth * (green - blue),
        np.where(
            green == value,
            sixth * (blue - red) + np.float32(2 / 6),
            sixth * (red - green) + np.float32(4 / 6),
        ),
    )
    hue = np.where(is_grey, np.float32(0), np.where(hue < 0, hue + np.float32(1), hue))
    saturation = spread / np.where(value > 0, value, np.float32(1))
    return hue, saturation, value


def _hsv_to_rgb(hue: FloatImage, saturation: FloatImage, value: FloatImage) -> FloatImage:
    chroma = saturation * value
    sextant = hue * np.float32(6)
    middle = chroma * (np.float32(1) - np.abs(np.mod(sextant, np.float32(2)) - np.float32(1)))
    zero = np.zeros_like(chroma)
    index = np.minimum(sextant.astype(np.intp), 5)
    red = np.choose(index, (chroma, middle, zero, zero, middle, chroma))
    green = np.choose(index, (middle, chroma, chroma, middle, zero, zero))
    blue = np.choose(index, (zero, zero, middle, chroma, chroma, middle))
    return np.stack((red, green, blue), axis=-1) + (value - chroma)[..., None]
