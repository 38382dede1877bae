"""Per-dimension affine maps into a network's range and back, kept with its weights.

State dict layout (``params_dict.<key>.{scale, offset, input_stats.*}``) and results are those of
real-stanford/diffusion_policy's published checkpoints (model/common/normalizer.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vla_bench.errors import unknown_name

_MIN_RANGE = 1e-4  # a dimension that varies less is shifted, not scaled


class Normalizer(nn.Module):
    """Key -> scale and offset, one pair per column of a vector or per channel of an image."""

    def __init__(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Identity maps for (dim,) vectors and (channels, height, width) images."""
        super().__init__()
        self.params_dict = nn.ModuleDict(
            {key: _Affine(shape[0], is_image=len(shape) == 3) for key, shape in shapes.items()}
        )

    def fit(self, key: str, values: Tensor, mode: str) -> None:
        """Learn the map of `key` from (..., dim) vectors.

        ``limits`` sends [min, max] to [-1, 1]; ``gaussian`` sends mean and standard deviation to 0
        and 1. A dimension that varies by less than 1e-4 keeps its scale and is centred at 0.
        """
        flat = values.reshape(-1, values.shape[-1])
        low, high = flat.amin(dim=0), flat.amax(dim=0)
        mean, std = flat.mean(dim=0), flat.std(dim=0)
        if mode == "limits":
            is_flat = high - low < _MIN_RANGE
            scale = torch.where(is_flat, 1.0, 2.0 / torch.where(is_flat, 2.0, high - low))
            offset = torch.where(is_flat, -low, -1.0 - scale * low)
        elif mode == "gaussian":
            scale = 1.0 / torch.where(std < _MIN_RANGE, 1.0, std)
            offset = -mean * scale
        else:
            raise unknown_name("normalization mode", mode, ("limits", "gaussian"))
        affine = self._affine(key)
        affine.set(scale, offset)
        affine.input_stats.set(low, high, mean, std)

    def set(self, key: str, scale: Tensor, offset: Tensor) -> None:
        """``normalized = value * scale + offset``."""
        self._affine(key).set(scale, offset)

    def seen(self, key: str) -> tuple[Tensor, Tensor]:
        """Least and greatest of every dimension that `fit` saw; NaN where the map was set."""
        found = self._affine(key).input_stats
        return found.get_buffer("min"), found.get_buffer("max")

    def normalize(self, key: str, values: Tensor) -> Tensor:
        """Vectors are (..., dim), images (..., channels, height, width)."""
        affine = self._affine(key)
        return values * affine.broadcast(affine.scale) + affine.broadcast(affine.offset)

    def unnormalize(self, key: str, values: Tensor) -> Tensor:
        """Inverse of `normalize`."""
        affine = self._affine(key)
        return (values - affine.broadcast(affine.offset)) / affine.broadcast(affine.scale)

    def _affine(self, key: str) -> _Affine:
        if key not in self.params_dict:
            raise unknown_name("normalizer key", key, self.params_dict.keys())
        affine = self.params_dict[key]
        assert isinstance(affine, _Affine)
        return affine


class _Affine(nn.Module):
    scale: Tensor
    offset: Tensor

    def __init__(self, dim: int, is_image: bool) -> None:
        super().__init__()
        self._is_image = is_image
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("offset", torch.zeros(dim))
        self.input_stats = _Statistics(dim)

    def set(self, scale: Tensor, offset: Tensor) -> None:
        self.scale.copy_(scale)
        self.offset.copy_(offset)

    def broadcast(self, values: Tensor) -> Tensor:
        return values[:, None, None] if self._is_image else values


class _Statistics(nn.Module):
    """Of the data that `Normalizer.fit` saw; NaN where the map was set otherwise."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        for name in ("min", "max", "mean", "std"):
            self.register_buffer(name, torch.full((dim,), torch.nan))

    def set(self, low: Tensor, high: Tensor, mean: Tensor, std: Tensor) -> None:
        for name, values in (("min", low), ("max", high), ("mean", mean), ("std", std)):
            self.get_buffer(name).copy_(values)
