"""Image operations: equal to what TensorFlow computed, and to what their names promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PillowImage

from vla_bench.data import image_ops as ops

IMAGES = (
    "img0_256x256.png",
    "img1_640x480.png",
    "img2_480x640.png",
    "img3_224x224.png",
    "img4_100x60.png",
    "img5_1280x720.png",
    "img6_300x301_gray.png",
    "img7_320x256_rgba.png",
)
ADJUSTMENTS = {
    "brightness": ops.adjust_brightness,
    "contrast": ops.adjust_contrast,
    "saturation": ops.adjust_saturation,
    "hue": ops.adjust_hue,
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, NDArray[np.uint8]]:
    with np.load(shared / "golden/openvla/tf_pipeline.npz") as archive:
        names = ("lanczos3", "center_crop", "aug")
        return {name: archive[name] for name in archive.files if name.split("/")[0] in names}


@pytest.mark.parametrize("name", IMAGES)
def test_lanczos3_is_within_one_level_of_tensorflow_on_at_most_43_values(
    name: str, golden: dict[str, NDArray[np.uint8]], shared: Path
) -> None:
    with PillowImage.open(shared / "golden/openvla/images" / name) as picture:
        resized = ops.resize_lanczos3(np.asarray(picture.convert("RGB")), 224, 224)
    error = np.abs(resized.astype(int) - golden[f"lanczos3/{name}"])
    assert error.max() <= 1
    assert np.count_nonzero(error) <= 43


@pytest.mark.parametrize("name", IMAGES[:4])
def test_the_centre_crop_is_exactly_tensorflows(
    name: str, golden: dict[str, NDArray[np.uint8]]
) -> None:
    cropped = ops.center_crop(golden[f"lanczos3/{name}"], area=0.9)
    np.testing.assert_array_equal(cropped, golden[f"center_crop/{name}"])


@pytest.mark.parametrize(
    ("kind", "strength", "tolerance"),
    [
        ("brightness", "-0.2", 0),
        ("brightness", "0.13", 0),
        ("contrast", "0.8", 1),
        ("contrast", "1.17", 1),
        ("saturation", "0.8", 0),
        ("saturation", "1.2", 0),
        ("hue", "-0.05", 0),
        ("hue", "0.04", 0),
    ],
)
def test_colour_jitter_is_tensorflows(
    kind: str, strength: str, tolerance: int, golden: dict[str, NDArray[np.uint8]]
) -> None:
    image = ops.to_float(golden[f"lanczos3/{IMAGES[0]}"])
    adjusted = ops.to_uint8(ADJUSTMENTS[kind](image, float(strength)))
    error = np.abs(adjusted.astype(int) - golden[f"aug/{kind}/{strength}"])
    assert error.max() <= tolerance


sides = st.integers(1, 40)


@given(sides, sides, sides, sides, st.integers(0, 255))
def test_resizing_a_plain_image_keeps_its_colour(
    height: int, width: int, new_height: int, new_width: int, level: int
) -> None:
    plain = np.full((height, width, 3), level, np.uint8)
    resized = ops.resize_lanczos3(plain, new_height, new_width)
    assert resized.shape == (new_height, new_width, 3)
    assert np.all(resized == level)


@given(st.integers(0, 2**32 - 1))
def test_neutral_jitter_changes_nothing(seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    real = ops.to_float(image)
    neutral = {"brightness": 0.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
    for kind, adjust in ADJUSTMENTS.items():
        np.testing.assert_allclose(adjust(real, neutral[kind]), real, atol=1e-6)
    np.testing.assert_array_equal(ops.to_uint8(real), image)


def test_a_full_turn_of_the_hue_passes_through_green() -> None:
    red = np.array([[[1.0, 0.0, 0.0]]], np.float32)
    np.testing.assert_allclose(ops.adjust_hue(red, 1 / 3), [[[0, 1, 0]]], atol=1e-6)
    np.testing.assert_allclose(ops.adjust_hue(red, -1 / 3), [[[0, 0, 1]]], atol=1e-6)
