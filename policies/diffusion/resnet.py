"""ResNet-18 and ResNet-50 without torchvision, but with its parameter names.

GroupNorm usually replaces BatchNorm, because running statistics do not fit an averaged copy of the
weights (Diffusion Policy, section V-A). Knows neither crops nor keypoints.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from vla_bench.errors import ConfigError, unknown_name

Norm = Callable[[int], nn.Module]
"""Number of channels -> a normalization layer."""

_CHANNELS_PER_GROUP = 16  # diffusion_policy and droid_policy_learning alike
_STAGES = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}  # blocks per stage, He et al. 2016, table 1


class ResNet(nn.Module):
    """Images (B, 3, H, W) -> feature maps (B, n_features, H / 32, W / 32)."""

    def __init__(self, depth: int, norm: str) -> None:
        """`norm` is ``group`` (16 channels each) or ``batch``."""
        super().__init__()
        if norm not in _NORMS:
            raise unknown_name("norm", norm, _NORMS)
        if depth not in _STAGES:
            raise ConfigError(f"Unknown ResNet depth {depth}. Valid: 18, 50.")
        block = BasicBlock if depth == 18 else Bottleneck
        make_norm = _NORMS[norm]
        self.n_features = 512 * block.expansion
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = make_norm(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        n_in = 64
        for stage, n_blocks in enumerate(_STAGES[depth]):
            width, stride = 64 * 2**stage, 1 if stage == 0 else 2
            blocks: list[nn.Module] = [block(n_in, width, stride, make_norm)]
            n_in = width * block.expansion
            blocks += [block(n_in, width, 1, make_norm) for _ in range(n_blocks - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return x


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip."""

    expansion = 1

    def __init__(self, n_in: int, width: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, width, 3, stride, padding=1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = norm(width)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(n_in, width, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(h)) + self.downsample(x))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 (which carries the stride), 1x1 convolutions and a skip."""

    expansion = 4

    def __init__(self, n_in: int, width: int, stride: int, norm: Norm) -> None:
        super().__init__()
        n_out = self.expansion * width
        self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, n_out, 1, bias=False)
        self.bn3 = norm(n_out)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(n_in, n_out, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.bn1(self.conv1(x)))
        h = self.relu(self.bn2(self.conv2(h)))
        out: Tensor = self.relu(self.bn3(self.conv3(h)) + self.downsample(x))
        return out


def _shortcut(n_in: int, n_out: int, stride: int, norm: Norm) -> nn.Module:
    if stride == 1 and n_in == n_out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), norm(n_out))


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(channels // _CHANNELS_PER_GROUP, channels)


_NORMS: dict[str, Norm] = {"group": _group_norm, "batch": nn.BatchNorm2d}
