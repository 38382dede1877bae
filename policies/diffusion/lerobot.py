"""Diffusion policies of lerobot's hub folders: their config, names and normalization to ours.

Written against lerobot 0.4.4: ``config.json``, ``model.safetensors`` and the statistics of
``policy_preprocessor.json``; older folders keep the statistics in the model file. The folder is
read without lerobot, which does not resolve beside current torch and transformers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from vla_bench.errors import ConfigError, unknown_name
from vla_bench.policies.diffusion.foreign import ForeignConfig, backbone_name, unet_name
from vla_bench.policies.diffusion.spec import (
    DiffusionSpec,
    Horizons,
    ModelSpec,
    ObservationSpec,
    UnetSpec,
    VisionSpec,
)

_EPS = 1e-8  # lerobot/processor/normalize_processor.py
_BUFFER = re.compile(r"^(?:un)?normalize_(?:inputs|targets|outputs)\.buffer_(.+)\.(\w+)$")
_ORDER = {"STATE": 0, "VISUAL": 1, "ENV": 2}  # in which lerobot concatenates features


def read_lerobot(folder: Path) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Spec and state dict of `DiffusionModel`; raises ConfigError for what is not supported."""
    place = f"{folder / 'config.json'}"
    config = ForeignConfig(json.loads((folder / "config.json").read_text()), place)
    config.expect("type", "diffusion", default=None)
    spec = read_spec(config)
    weights = load_file(folder / "model.safetensors")
    statistics = dict(_statistics(folder, weights))
    return spec, {**rename(weights), **_affines(config, statistics)}


def observation_key(feature: str) -> str:
    """``observation.images.top`` -> ``images_top``; module names cannot hold dots."""
    return feature.removeprefix("observation.").replace(".", "_")


def read_spec(config: ForeignConfig) -> ModelSpec:
    config.expect("clip_sample", True, default=True)
    config.expect("clip_sample_range", 1.0, default=1.0)
    n_obs = int(config["n_obs_steps"])
    for name, feature in config["input_features"].items():
        if feature["type"] not in _ORDER:
            raise unknown_name(f"type of {name}", feature["type"], _ORDER)
    features = sorted(config["input_features"].items(), key=lambda item: _ORDER[item[1]["type"]])
    shapes = {observation_key(name): list(feature["shape"]) for name, feature in features}
    has_images = any(feature["type"] == "VISUAL" for _, feature in features)
    return ModelSpec(
        ObservationSpec(shapes, _vision(config) if has_images else None, None, []),
        int(config["output_features"]["action"]["shape"][0]),
        Horizons(n_obs, int(config["horizon"]), int(config["n_action_steps"]), n_obs - 1),
        UnetSpec(
            list(config["down_dims"]),
            int(config["kernel_size"]),
            int(config["n_groups"]),
            int(config["diffusion_step_embed_dim"]),
            bool(config["use_film_scale_modulation"]),
        ),
        DiffusionSpec(
            int(config["num_train_timesteps"]),
            str(config["beta_schedule"]),
            str(config["prediction_type"]),
            n_noise_draws=1,
            masks_padding=bool(config["do_mask_loss_for_padding"]),
        ),
    )


def _vision(config: ForeignConfig) -> VisionSpec:
    depths = {"resnet18": 18, "resnet50": 50}
    backbone = config["vision_backbone"]
    if backbone not in depths:
        raise unknown_name("backbone", backbone, depths)
    config.expect("crop_ratio", 1.0, default=1.0)
    n_keypoints = int(config["spatial_softmax_num_keypoints"])
    return VisionSpec(
        depths[backbone],
        "group" if config["use_group_norm"] else "batch",
        config.get("resize_shape", None),
        config["crop_shape"],
        n_keypoints,
        2 * n_keypoints,
        not config["use_separate_rgb_encoder_per_camera"],
        imagenet_norm=False,
    )


def rename(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of lerobot to `DiffusionModel`'s."""
    places = ((_place(name), value) for name, value in weights.items())
    return {place: value for place, value in places if place is not None}


def _place(name: str) -> str | None:
    """Our name; None for constants and statistics."""
    if _BUFFER.match(name) or name.endswith(".pos_grid"):
        return None
    if name.startswith("diffusion.unet."):
        return f"denoiser.{unet_name(name.removeprefix('diffusion.unet.'))}"
    encoder = re.fullmatch(r"diffusion\.rgb_encoder\.(?:(\d+)\.)?(backbone|pool|out)\.(.+)", name)
    if encoder is None:
        raise ConfigError(f"The folder holds {name}, which no known lerobot policy has.")
    index, part, rest = encoder.groups()
    rest = backbone_name(rest) if part == "backbone" else rest
    return f"encoder.image_encoders.{index or 0}.{part}.{rest}"


def _statistics(folder: Path, weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """``(key.statistic, values)``, e.g. ``state.max``."""
    preprocessor = folder / "policy_preprocessor.json"
    if not preprocessor.is_file():
        for name, value in weights.items():
            buffer = _BUFFER.match(name)
            if buffer:
                key = buffer[1].removeprefix("observation_")
                yield f"{key}.{buffer[2]}", value
        return
    for step in json.loads(preprocessor.read_text())["steps"]:
        if step.get("registry_name") == "normalizer_processor":
            for name, value in load_file(folder / step["state_file"]).items():
                feature, _, statistic = name.rpartition(".")
                yield f"{observation_key(feature)}.{statistic}", value


def _affines(config: ForeignConfig, statistics: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The normalizer's part of the state dict, by the config's mode for each type of feature."""
    modes = config["normalization_mapping"]
    features: dict[str, Any] = {**config["input_features"], **config["output_features"]}
    found: dict[str, Tensor] = {}
    for name, feature in features.items():
        key = observation_key(name)
        n = int(feature["shape"][0])
        mode = modes.get(feature["type"], "IDENTITY")
        scale, offset = _affine(key, mode, statistics, n)
        prefix = f"normalizer.params_dict.{key}"
        found |= {f"{prefix}.scale": scale, f"{prefix}.offset": offset}
        for statistic in ("min", "max", "mean", "std"):
            values = statistics.get(f"{key}.{statistic}", torch.full((n,), torch.nan))
            found[f"{prefix}.input_stats.{statistic}"] = values.flatten()
    return found


def _affine(key: str, mode: str, statistics: Mapping[str, Tensor], n: int) -> tuple[Tensor, Tensor]:
    """Scale and offset, (n,) each, of what lerobot computes."""
    if mode == "IDENTITY":
        return torch.ones(n), torch.zeros(n)
    needed = {"MIN_MAX": ("min", "max"), "MEAN_STD": ("mean", "std")}
    if mode not in needed:
        raise unknown_name("lerobot normalization mode", mode, ("IDENTITY", *needed))
    absent = [name for name in needed[mode] if f"{key}.{name}" not in statistics]
    if absent:
        raise ConfigError(
            f"{mode} of {key!r} needs its {' and '.join(absent)}; the folder holds "
            f"{', '.join(sorted(statistics)) or 'no statistics'}."
        )
    first, second = (statistics[f"{key}.{name}"].flatten().float() for name in needed[mode])
    if mode == "MEAN_STD":
        scale = 1.0 / (second + _EPS)
        return scale, -first * scale
    spread = second - first
    scale = 2.0 / torch.where(spread == 0, _EPS, spread)
    return scale, -1.0 - first * scale
