"""Procedural textures: numpy only, the same pixels every time, uint8 (height, width, 3)."""

from __future__ import annotations

import functools

import numpy as np

from vla_bench.protocols import FloatArray, Image

Color = tuple[int, int, int]


@functools.cache
def wood(base: Color, size: int = 512, seed: int = 1) -> Image:
    """Fine grain along the image's horizontal axis, with slow waves and darker streaks."""
    rng = np.random.default_rng(seed)
    rows = np.arange(size)[:, None] / size
    columns = np.arange(size)[None, :] / size
    warp = _smooth(rng.standard_normal((size, size)), 24, 48)
    bands = np.sin(2 * np.pi * (9 * rows + 0.8 * np.sin(2 * np.pi * columns) + 0.5 * warp))
    streaks = _smooth(rng.standard_normal((size, size)), 0, 40)
    fibres = _smooth(rng.standard_normal((size, size)), 0, 8)
    shade = 7.0 * bands + 9.0 * streaks + 5.0 * fibres + 5.0 * warp
    return _tint(base, shade, (1.0, 0.85, 0.75))


@functools.cache
def weave(base: Color, size: int = 256, thread: int = 4, depth: float = 22.0) -> Image:
    """Woven cloth: threads of `thread` pixels over and under, unevenly dyed."""
    rng = np.random.default_rng(2)
    rows, columns = np.mgrid[:size, :size]
    over = ((rows // thread + columns // thread) % 2) * 2.0 - 1.0
    shade = depth * 0.5 * over + depth * 0.4 * rng.standard_normal((size, size))
    return _tint(base, shade + depth * 0.4 * _smooth(shade, 6, 6), (1.0, 1.0, 1.0))


@functools.cache
def checked_towel(light: Color, dark: Color, size: int = 256) -> Image:
    """A tea towel: pale ground, crossing stripes, a hem."""
    image = weave(light, size, thread=2, depth=12.0).astype(float)
    contrast = np.array(dark, float) - np.array(light, float)
    across = np.zeros(size)
    for centre in (0.2, 0.4, 0.6, 0.8):
        start = int((centre - 0.05) * size)
        across[start : start + size // 10] = 0.5
    image += (across[:, None] + across[None, :])[..., None] * contrast
    hem = size // 40
    image[:hem], image[-hem:], image[:, :hem], image[:, -hem:] = (light,) * 4
    pixels: Image = np.clip(image, 0, 255).astype(np.uint8)
    return pixels


@functools.cache
def rings(base: Color, count: int = 9, size: int = 128) -> Image:
    """Irregular darker rings around the vertical axis: the skin of a carrot."""
    rng = np.random.default_rng(3)
    rows = np.arange(size)[:, None] / size
    columns = np.arange(size)[None, :] / size
    phase = 2 * np.pi * (count * rows + 0.25 * np.sin(2 * np.pi * (columns + rows)))
    shade = -26.0 * np.maximum(np.sin(phase), 0.0) ** 6
    shade = shade + 5.0 * _smooth(rng.standard_normal((size, size)), 1, 3)
    return _tint(base, shade, (1.0, 0.8, 0.4))


@functools.cache
def speckle(base: Color, depth: float = 6.0, size: int = 128) -> Image:
    """Slightly uneven paint or plaster."""
    noise = np.random.default_rng(4).standard_normal((size, size))
    return _tint(base, depth * _smooth(noise, 2, 2), (1.0, 1.0, 1.0))


@functools.cache
def bricks(brick: Color, mortar: Color, n_courses: int = 16, size: int = 256) -> Image:
    """A wall: every other course is shifted by half a brick."""
    rows, columns = np.mgrid[:size, :size] / size * n_courses
    along = columns / 2 + 0.5 * (rows.astype(int) % 2)
    joint = (rows % 1.0 < 0.12) | (along % 1.0 < 0.06)
    number = rows.astype(int) * 7 + along.astype(int) * 13
    shade = 14.0 * np.sin(number * 2.4) + 5.0 * np.random.default_rng(6).standard_normal(rows.shape)
    wall = np.array(brick, float) + shade[..., None]
    pixels = np.where(joint[..., None], np.array(mortar, float), wall)
    return np.asarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _tint(base: Color, shade: FloatArray, weights: tuple[float, float, float]) -> Image:
    image = np.array(base, float) + shade[..., None] * np.array(weights)
    pixels: Image = np.clip(image, 0, 255).astype(np.uint8)
    return pixels


def _smooth(noise: FloatArray, vertical: int, horizontal: int) -> FloatArray:
    """Periodic box blur of half widths in pixels, rescaled to unit variance."""
    spectrum = np.fft.rfft2(noise)
    for half, axis in ((vertical, 0), (horizontal, 1)):
        window = np.zeros(noise.shape[axis])
        window[: half + 1] = 1.0
        if half:
            window[-half:] = 1.0
        if axis == 0:
            spectrum = spectrum * np.fft.fft(window)[:, None]
        else:
            spectrum = spectrum * np.fft.rfft(window)[None, :]
    blurred = np.fft.irfft2(spectrum, s=noise.shape)
    return np.asarray(blurred / blurred.std())
