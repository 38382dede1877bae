"""From observations to features: one ResNet per camera (or one for all), vectors as they are.

Equal to robomimic 0.2's encoder (Diffusion Policy in simulation), to diffusion_policy's
MultiImageObsEncoder (real robot), and to lerobot's, depending on the spec. Images are
(..., 3, height, width), already normalized; language arrives as a vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vla_bench.errors import ConfigError
from vla_bench.policies.diffusion.resnet import ResNet
from vla_bench.policies.diffusion.spec import ConvSpec, ObservationSpec, VisionSpec

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_STRIDE = 32  # pixels per position of a ResNet's last feature map
_N_STRIDED = 2  # convolutions of a `ConvEncoder`


class SpatialSoftmax(nn.Module):
    """Feature maps (B, C, H, W) -> expected (x, y) of each keypoint, (B, n, 2), in [-1, 1]."""

    def __init__(self, n_channels: int, n_keypoints: int) -> None:
        super().__init__()
        self.nets = nn.Conv2d(n_channels, n_keypoints, 1)

    def forward(self, features: Tensor) -> Tensor:
        maps = self.nets(features)
        height, width = maps.shape[-2:]
        x = torch.linspace(-1, 1, width, device=maps.device, dtype=maps.dtype)
        y = torch.linspace(-1, 1, height, device=maps.device, dtype=maps.dtype)
        attention = maps.flatten(start_dim=2).softmax(dim=-1)
        grid = torch.stack((x.repeat(height), y.repeat_interleave(width)), dim=-1)
        keypoints: Tensor = attention @ grid
        return keypoints


class ImageEncoder(nn.Module):
    """Images (B, 3, H, W) -> (B, n_features)."""

    def __init__(self, spec: VisionSpec) -> None:
        super().__init__()
        self._spec = spec
        self.backbone = ResNet(spec.depth, spec.norm)
        self.n_features = self.backbone.n_features
        if spec.n_keypoints is not None:
            self.pool = SpatialSoftmax(self.backbone.n_features, spec.n_keypoints)
            self.n_features = 2 * spec.n_keypoints
        if spec.feature_dim is not None:
            self.out = nn.Linear(self.n_features, spec.feature_dim)
            self.n_features = spec.feature_dim

    def forward(self, images: Tensor) -> Tensor:
        maps = self.backbone(self._prepare(images))
        if self._spec.n_keypoints is None:
            features = maps.mean(dim=(-2, -1))
        else:
            features = self.pool(maps).flatten(start_dim=1)
        if self._spec.feature_dim is not None:
            features = functional.relu(self.out(features))
        pooled: Tensor = features
        return pooled

    def _prepare(self, images: Tensor) -> Tensor:
        spec = self._spec
        if spec.resize is not None:
            images = functional.interpolate(
                images, size=list(spec.resize), mode="bilinear", antialias=True
            )
        if spec.crop is not None:
            height, width = spec.crop
            images = (random_crop if self.training else center_crop)(images, height, width)
        if spec.imagenet_norm:
            mean, std = images.new_tensor(_IMAGENET_MEAN), images.new_tensor(_IMAGENET_STD)
            images = (images - mean[:, None, None]) / std[:, None, None]
        return images


class ConvEncoder(nn.Module):
    """Images (B, 3, H, W) and an instruction's vector (B, L) -> (B, 2 * n_keypoints)."""

    def __init__(self, spec: ConvSpec, n_language: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (n_in, n_out) in enumerate(pairwise((3, *spec.widths))):
            stride = 2 if i < _N_STRIDED else 1
            layers += [nn.Conv2d(n_in, n_out, 3, stride, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers[:-1])
        self.film = nn.Linear(n_language, 2 * spec.widths[-1])
        self.pool = SpatialSoftmax(spec.widths[-1], spec.n_keypoints)
        self.n_features = 2 * spec.n_keypoints

    def forward(self, images: Tensor, language: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)  # twice as fast on CPUs
        maps = self.convolutions(images)
        scale, shift = self.film(language)[:, :, None, None].chunk(2, dim=1)
        maps = functional.relu(maps * (1.0 + scale) + shift)
        keypoints: Tensor = self.pool(maps).flatten(start_dim=1)
        return keypoints


def center_crop(images: Tensor, height: int, width: int) -> Tensor:
    """The central window; an odd margin leaves the extra pixel where torchvision does."""
    top = round((images.shape[-2] - height) / 2.0)
    left = round((images.shape[-1] - width) / 2.0)
    return images[..., top : top + height, left : left + width]


def random_crop(images: Tensor, height: int, width: int) -> Tensor:
    """A window at its own uniformly random place for every image of (B, C, H, W)."""
    batch, _, full_height, full_width = images.shape
    tops = torch.randint(full_height - height + 1, (batch, 1), device=images.device)
    lefts = torch.randint(full_width - width + 1, (batch, 1), device=images.device)
    rows = tops + torch.arange(height, device=images.device)
    columns = lefts + torch.arange(width, device=images.device)
    index = torch.arange(batch, device=images.device)[:, None, None]
    return images[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class ObservationEncoder(nn.Module):
    """Key -> (B, To, ...) tensors to (B, To, n_features), in the spec's order of keys."""

    def __init__(self, spec: ObservationSpec) -> None:
        super().__init__()
        _check_keypoints(spec)
        self._spec = spec
        self.image_encoders = nn.ModuleDict()
        # Module names cannot hold dots; keys are found by their position instead.
        indices = sorted({encoder_index(spec, key) for key in spec.image_keys})
        self.image_encoders.update({str(i): _image_encoder(spec) for i in indices})
        self.n_features = sum(self._width(shape) for shape in spec.shapes.values())
        layers: list[nn.Module] = []
        for width in spec.mlp:
            layers += [nn.Linear(self.n_features, width), nn.ReLU()]
            self.n_features = width
        self.mlp = nn.Sequential(*layers)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        features = [self._encode(key, observations) for key in self._spec.shapes]
        out: Tensor = self.mlp(torch.cat(features, dim=-1))
        return out

    def _encode(self, key: str, observations: Mapping[str, Tensor]) -> Tensor:
        values = observations[key]
        if key not in self._spec.image_keys:
            return values
        images, encoder = values.flatten(end_dim=1), self._encoder_of(key)
        if isinstance(encoder, ConvEncoder):
            features: Tensor = encoder(images, observations["language"].flatten(end_dim=1))
        else:
            features = encoder(images)
        return features.view(*values.shape[:2], -1)

    def _encoder_of(self, key: str) -> nn.Module:
        return self.image_encoders[str(encoder_index(self._spec, key))]

    def _width(self, shape: object) -> int:
        assert isinstance(shape, (list, tuple))
        if len(shape) == 1:
            return int(shape[0])
        encoder = self.image_encoders["0"]
        assert isinstance(encoder, (ImageEncoder, ConvEncoder))
        return encoder.n_features


def _check_keypoints(spec: ObservationSpec) -> None:
    """A spatial softmax over a single position is constant: the policy would be blind."""
    vision = spec.vision
    if not isinstance(vision, VisionSpec) or vision.n_keypoints is None:
        return
    for key in spec.image_keys:
        size = vision.crop or vision.resize or spec.shapes[key][1:]
        if max(size) <= _STRIDE:
            raise ConfigError(
                f"Keypoints need feature maps of more than one position: {key!r} reaches the "
                f"ResNet as {size[0]} x {size[1]} pixels and leaves it as 1 x 1. Use more than "
                f"{_STRIDE} pixels, or n_keypoints=null."
            )


def encoder_index(spec: ObservationSpec, key: str) -> int:
    """Which of the image encoders sees `key`."""
    is_shared = isinstance(spec.vision, VisionSpec) and spec.vision.is_shared
    return 0 if is_shared else spec.image_keys.index(key)


def _image_encoder(spec: ObservationSpec) -> ImageEncoder | ConvEncoder:
    if isinstance(spec.vision, ConvSpec):
        assert spec.language is not None
        return ConvEncoder(spec.vision, spec.language.dim)
    assert spec.vision is not None
    return ImageEncoder(spec.vision)
