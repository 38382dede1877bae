"""Checkpoints of real-stanford/diffusion_policy (``.ckpt``): their config and names to ours.

Supported are the policies that condition globally on the observations, with the CNN or the
transformer denoiser: low-dimensional, hybrid image (robomimic encoder) and image
(MultiImageObsEncoder). Evaluation weights are ``ema_model``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vla_bench.errors import ConfigError, unknown_name
from vla_bench.policies.diffusion.encoder import encoder_index
from vla_bench.policies.diffusion.foreign import ForeignConfig, backbone_name
from vla_bench.policies.diffusion.spec import (
    DiffusionSpec,
    Horizons,
    ModelSpec,
    ObservationSpec,
    TransformerSpec,
    UnetSpec,
    VisionSpec,
)
from vla_bench.policies.diffusion.unpickle import read_torch_zip

_POLICIES = {
    "DiffusionUnetLowdimPolicy",
    "DiffusionUnetHybridImagePolicy",
    "DiffusionUnetImagePolicy",
    "DiffusionTransformerLowdimPolicy",
    "DiffusionTransformerHybridImagePolicy",
}
# robomimic registers backbone and pool a second time, in a Sequential.
_ALIASES = ("nets.0.", "nets.1.")
_PLACEHOLDER = re.compile(r"^(mask_generator\.|obs_encoder\.)?_dummy_variable$")


def read_original(path: Path) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Spec and state dict of `DiffusionModel` from a published checkpoint.

    Raises ConfigError for a variant that is not supported or a weight that has no place.
    """
    payload = read_torch_zip(path)
    if not isinstance(payload, dict) or not {"cfg", "state_dicts"} <= set(payload):
        raise ConfigError(f"Expected 'cfg' and 'state_dicts' in {path}, as diffusion_policy saves.")
    dicts = payload["state_dicts"]
    if "ema_model" not in dicts:
        raise ConfigError(
            f"{path} has no 'ema_model' (it has {', '.join(dicts)}): it was trained without EMA, "
            "which no published number is."
        )
    spec = read_spec(payload["cfg"]["policy"])
    return spec, rename(dicts["ema_model"], spec)


def read_spec(policy: Mapping[str, Any]) -> ModelSpec:
    """The spec that a resolved ``cfg.policy`` describes."""
    name = str(policy["_target_"]).rpartition(".")[2]
    if name not in _POLICIES:
        raise unknown_name("diffusion_policy policy", name, _POLICIES)
    config = ForeignConfig(policy, f"the config of {name}")
    is_unet = "Unet" in name
    config.expect("obs_as_global_cond" if is_unet else "obs_as_cond", True, default=True)
    config.expect("pred_action_steps_only", False, default=False)
    network = config.section("model") if "model" in config else config
    n_obs = int(config["n_obs_steps"])
    is_old = name == "DiffusionUnetLowdimPolicy" and not config.get("oa_step_convention", False)
    return ModelSpec(
        _observation(config, name),
        _action_dim(config),
        Horizons(
            n_obs,
            int(config["horizon"]),
            int(config["n_action_steps"]),
            n_obs if is_old else n_obs - 1,
        ),
        _unet(network) if is_unet else _transformer(network),
        _diffusion(config.section("noise_scheduler")),
    )


def _action_dim(config: ForeignConfig) -> int:
    if "action_dim" in config:
        return int(config["action_dim"])
    return int(config["shape_meta"]["action"]["shape"][0])


def _observation(config: ForeignConfig, name: str) -> ObservationSpec:
    if "shape_meta" not in config:
        return ObservationSpec({"obs": [int(config["obs_dim"])]}, None, None, [])
    meta = config["shape_meta"]["obs"]
    shapes = {key: [int(n) for n in item["shape"]] for key, item in meta.items()}
    if name == "DiffusionUnetImagePolicy":
        encoder = config.section("obs_encoder")
        ordered = sorted(shapes, key=lambda key: (len(shapes[key]) != 3, key))
        return ObservationSpec({key: shapes[key] for key in ordered}, _real(encoder), None, [])
    config.expect("eval_fixed_crop", True, default=False)  # else it crops at random in evaluation
    norm = "group" if config.get("obs_encoder_group_norm", False) else "batch"
    vision = VisionSpec(18, norm, None, config["crop_shape"], 32, 64, False, False)
    return ObservationSpec(shapes, vision, None, [])


def _real(encoder: ForeignConfig) -> VisionSpec:
    depths = {"resnet18": 18, "resnet50": 50}
    backbone = encoder.section("rgb_model")["name"]
    if backbone not in depths:
        raise unknown_name("backbone", backbone, depths)
    is_shared = bool(encoder.get("share_rgb_model", False))
    # Upstream replaces BatchNorm only in networks that are not shared, whatever use_group_norm.
    norm = "group" if encoder.get("use_group_norm", False) and not is_shared else "batch"
    return VisionSpec(
        depths[backbone],
        norm,
        encoder.get("resize_shape", None),
        encoder.get("crop_shape", None),
        None,
        None,
        is_shared,
        bool(encoder.get("imagenet_norm", False)),
    )


def _unet(model: ForeignConfig) -> UnetSpec:
    return UnetSpec(
        [int(width) for width in model["down_dims"]],
        int(model["kernel_size"]),
        int(model["n_groups"]),
        int(model["diffusion_step_embed_dim"]),
        bool(model["cond_predict_scale"]),
    )


def _transformer(model: ForeignConfig) -> TransformerSpec:
    for flag in ("causal_attn", "time_as_cond", "obs_as_cond"):
        model.expect(flag, True, default=True)
    return TransformerSpec(
        int(model["n_layer"]),
        int(model["n_head"]),
        int(model["n_emb"]),
        int(model["n_cond_layers"]),
        float(model["p_drop_emb"]),
        float(model["p_drop_attn"]),
    )


def _diffusion(scheduler: ForeignConfig) -> DiffusionSpec:
    scheduler.expect("clip_sample", True, default=True)
    return DiffusionSpec(
        int(scheduler["num_train_timesteps"]),
        str(scheduler["beta_schedule"]),
        str(scheduler["prediction_type"]),
        n_noise_draws=1,
        masks_padding=False,
    )


def rename(state: Mapping[str, Tensor], spec: ModelSpec) -> dict[str, Tensor]:
    """Published names to `DiffusionModel`'s. Duplicates under other names are dropped."""
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith("model."):
            renamed[f"denoiser.{name.removeprefix('model.')}"] = value
        elif name.startswith("normalizer."):
            renamed[name] = _per_channel(name, value, spec)
        elif name.startswith("obs_encoder.") and not _PLACEHOLDER.match(name):
            place = _encoder_name(name.removeprefix("obs_encoder."), spec.observation)
            if place is not None:
                renamed[place] = value
        elif not _PLACEHOLDER.match(name):
            raise ConfigError(f"The checkpoint holds {name}, which no known policy has.")
    return renamed


def _per_channel(name: str, value: Tensor, spec: ModelSpec) -> Tensor:
    """Published image normalizers hold one number for all channels."""
    key = name.split(".")[2]
    is_image = key in spec.observation.image_keys
    return value.expand(spec.observation.shapes[key][0]) if is_image else value


def _encoder_name(name: str, spec: ObservationSpec) -> str | None:
    """Our name; None for an alias or a constant."""
    real = re.fullmatch(r"key_model_map\.([^.]+)\.(.+)", name)
    if real:
        key, rest = real.groups()
        index = 0 if key == "rgb" else encoder_index(spec, key)
        return f"encoder.image_encoders.{index}.backbone.{rest}"
    hybrid = re.fullmatch(r"obs_nets\.([^.]+)\.(.+)", name)
    if hybrid is None:
        raise ConfigError(f"The checkpoint holds obs_encoder.{name}, which no known encoder has.")
    key, rest = hybrid.groups()
    if rest.startswith(_ALIASES) or (rest.startswith("pool.") and "nets" not in rest):
        return None
    if rest.startswith("backbone.nets."):
        rest = "backbone." + backbone_name(rest.removeprefix("backbone.nets."))
    rest = re.sub(r"^nets\.3\.", "out.", rest)
    return f"encoder.image_encoders.{encoder_index(spec, key)}.{rest}"
