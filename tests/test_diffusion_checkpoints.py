"""Whole policies: losses and actions of published layouts, read from their own files."""

from __future__ import annotations

import json
import math
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vla_bench.errors import ConfigError
from vla_bench.policies.diffusion import lerobot, original
from vla_bench.policies.diffusion.checkpoint import load_model, save_checkpoint
from vla_bench.policies.diffusion.encoder import ObservationEncoder
from vla_bench.policies.diffusion.foreign import ForeignConfig
from vla_bench.policies.diffusion.model import DiffusionModel
from vla_bench.policies.diffusion.process import Sampler
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

torch.set_num_threads(1)
TOLERANCE = 1e-4  # 0 where the goldens were made; up to 6e-5 by other CPUs' convolutions
PIXELS = 0.25  # of some 500: 16 steps of sampling magnify them
TINY_UNET = UnetSpec([8, 16, 24], 5, 8, 16, True)
PROCESS = DiffusionSpec(100, "squaredcos_cap_v2", "epsilon", 1, False)
HYBRID = VisionSpec(18, "group", None, [84, 84], 32, 64, False, False)


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "golden/baselines/diffusion_policy"


@pytest.fixture(scope="module")
def cases(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "meta.json").read_text())["cases"]
    return loaded


@pytest.fixture(scope="module")
def hub(shared: Path) -> Path:
    return shared / "golden/baselines/lerobot"


def weights(golden: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name[2:]: value for name, value in golden.items() if name.startswith("w.")}


def procedural(shapes: Mapping[str, list[int]]) -> dict[str, Tensor]:
    """The goldens' weights that were too large to store, by the formula in their README."""
    made = {}
    for name, shape in shapes.items():
        amplitude = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) >= 2 else 0.1
        phase = (sum(name.encode()) % 997) / 997 * 2 * math.pi
        values = amplitude * np.sin(0.37 * np.arange(math.prod(shape)) + phase)
        if len(shape) == 1 and name.endswith(".weight"):
            values += 1
        made[name] = torch.from_numpy(values.reshape(shape)).float()
    return made


def generators(n: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(n)]


@pytest.mark.parametrize(("suffix", "first_action"), [("", 1), ("_oldconv", 2)])
def test_a_low_dimensional_policy_has_the_published_loss_gradients_and_actions(
    suffix: str, first_action: int, folder: Path, cases: dict[str, Any]
) -> None:
    case = f"policy_lowdim_unet_ddim16{suffix}"
    golden = load_file(folder / f"{case}.safetensors")
    observation = ObservationSpec({"obs": [5]}, None, None, [])
    spec = ModelSpec(observation, 2, Horizons(2, 16, 8, first_action), TINY_UNET, PROCESS)
    model = DiffusionModel(spec)
    model.load_state_dict(original.rename(weights(golden), spec))
    batch = {"obs": golden["obs"], "action": golden["action"]}
    loss = model.loss_at(batch, golden["train_noise"][None], golden["train_t"])
    torch.autograd.backward(loss)
    parameters = dict(model.denoiser.named_parameters())
    names = [name.removeprefix("model.") for name in cases[case]["grad_norm_names"]]
    grads = [parameters[name].grad for name in names]
    norms = torch.stack([grad.norm() for grad in grads if grad is not None])
    torch.testing.assert_close(loss, golden["loss"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(norms, golden["grad_norms"], atol=TOLERANCE, rtol=2e-4)
    whole = model.sample(batch, Sampler("ddim", 16), generators(3), golden["init_noise"])
    torch.testing.assert_close(whole, golden["pred_action_full"], atol=PIXELS, rtol=0)
    executed = whole[:, spec.horizons.executed]
    torch.testing.assert_close(executed, golden["pred_action"], atol=PIXELS, rtol=0)


def test_the_published_file_gives_its_ema_weights_and_its_spec(folder: Path) -> None:
    golden = load_file(folder / "policy_lowdim_unet_ddim16.safetensors")
    model = load_model(str(folder / "published_layout.ckpt"), expected=None)
    observation = ObservationSpec({"obs": [5]}, None, None, [])
    assert model.spec == ModelSpec(observation, 2, Horizons(2, 16, 8, 1), TINY_UNET, PROCESS)
    for name, value in original.rename(weights(golden), model.spec).items():
        assert torch.equal(model.state_dict()[name], value)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_an_image_policy_has_the_published_features_loss_and_actions(
    folder: Path, cases: dict[str, Any]
) -> None:
    case = cases["policy_image_unet_ddim8"]
    golden = load_file(folder / "policy_image_unet_ddim8.safetensors")
    state = procedural(case["param_names"])
    state |= {f"normalizer.{k[5:]}": v for k, v in golden.items() if k.startswith("norm.")}
    aliases = [name for name in case["state_dict_keys"] if name not in state]
    assert len(aliases) > 50  # robomimic stores every encoder weight twice
    state |= dict.fromkeys(aliases, torch.full((1,), torch.nan))
    observation = ObservationSpec({"image": [3, 96, 96], "agent_pos": [2]}, HYBRID, None, [])
    spec = ModelSpec(observation, 2, Horizons(2, 16, 8, 1), TINY_UNET, PROCESS)
    model = DiffusionModel(spec).eval()
    model.load_state_dict(original.rename(state, spec))
    batch = {
        "image": golden["image_u8"].float() / 255,
        "agent_pos": golden["agent_pos"],
        "action": golden["action"],
    }
    with torch.no_grad():
        features = model.condition(batch).flatten(end_dim=1)
        loss = model.loss_at(batch, golden["train_noise"][None], golden["train_t"])
    torch.testing.assert_close(features, golden["features"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(loss, golden["loss"], atol=TOLERANCE, rtol=0)
    whole = model.sample(batch, Sampler("ddim", 8), generators(2), golden["init_noise"])
    torch.testing.assert_close(whole, golden["pred_action_full"], atol=2e-3, rtol=0)
    torch.testing.assert_close(whole[:, 1:9], golden["pred_action"], atol=2e-3, rtol=0)


def test_the_real_robot_encoder_gives_the_published_features(
    folder: Path, cases: dict[str, Any]
) -> None:
    case = cases["multi_image_obs_encoder"]
    golden = load_file(folder / "multi_image_obs_encoder.safetensors")
    # BatchNorm although the case says use_group_norm: upstream skips shared networks.
    vision = VisionSpec(18, "batch", case["resize"], case["crop"], None, None, True, True)
    shapes = {"cam_a": [3, 60, 80], "cam_b": [3, 60, 80], "q": [3]}
    encoder = ObservationEncoder(ObservationSpec(shapes, vision, None, [])).eval()
    named = {k: s for k, s in case["param_names"].items() if k != "_dummy_variable"}
    state = {
        name.replace("key_model_map.rgb", "image_encoders.0.backbone"): value
        for name, value in procedural(named).items()
    }
    encoder.load_state_dict({**encoder.state_dict(), **state})
    with torch.no_grad():
        features = encoder({key: golden[f"in.{key}"][:, None] for key in shapes})[:, 0]
    torch.testing.assert_close(features, golden["features"], atol=TOLERANCE, rtol=0)


CONFIGS: dict[str, dict[str, Any]] = {
    "hybrid": {
        "_target_": "x.DiffusionUnetHybridImagePolicy",
        "shape_meta": {
            "action": {"shape": [2]},
            "obs": {"image": {"shape": [3, 96, 96]}, "agent_pos": {"shape": [2]}},
        },
        "obs_as_global_cond": True,
        "crop_shape": [84, 84],
        "eval_fixed_crop": True,
        "obs_encoder_group_norm": True,
        "diffusion_step_embed_dim": 16,
        "down_dims": [8, 16, 24],
        "kernel_size": 5,
        "n_groups": 8,
        "cond_predict_scale": True,
    },
    "real": {
        "_target_": "x.DiffusionUnetImagePolicy",
        "shape_meta": {
            "action": {"shape": [2]},
            "obs": {"q": {"shape": [3]}, "b": {"shape": [3, 9, 9]}, "a": {"shape": [3, 9, 9]}},
        },
        "obs_encoder": {
            "rgb_model": {"name": "resnet18"},
            "resize_shape": [240, 320],
            "crop_shape": [216, 288],
            "use_group_norm": True,
            "share_rgb_model": False,
            "imagenet_norm": True,
        },
        "diffusion_step_embed_dim": 16,
        "down_dims": [8, 16, 24],
        "kernel_size": 5,
        "n_groups": 8,
        "cond_predict_scale": True,
    },
    "transformer": {
        "_target_": "x.DiffusionTransformerLowdimPolicy",
        "obs_dim": 5,
        "action_dim": 2,
        "model": {
            "n_layer": 2,
            "n_head": 4,
            "n_emb": 32,
            "n_cond_layers": 0,
            "p_drop_emb": 0.0,
            "p_drop_attn": 0.3,
        },
    },
}
UNET_KEYS = {
    "diffusion_step_embed_dim",
    "down_dims",
    "kernel_size",
    "n_groups",
    "cond_predict_scale",
}
COMMON = {
    "n_obs_steps": 2,
    "horizon": 16,
    "n_action_steps": 8,
    "noise_scheduler": {
        "num_train_timesteps": 100,
        "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "epsilon",
    },
}


def test_published_configs_become_the_specs_that_they_describe() -> None:
    horizons = Horizons(2, 16, 8, 1)
    specs = {name: original.read_spec({**COMMON, **CONFIGS[name]}) for name in CONFIGS}
    hybrid = ObservationSpec({"image": [3, 96, 96], "agent_pos": [2]}, HYBRID, None, [])
    assert specs["hybrid"] == ModelSpec(hybrid, 2, horizons, TINY_UNET, PROCESS)
    vision = VisionSpec(18, "group", [240, 320], [216, 288], None, None, False, True)
    real = ObservationSpec({"a": [3, 9, 9], "b": [3, 9, 9], "q": [3]}, vision, None, [])
    assert specs["real"] == ModelSpec(real, 2, horizons, TINY_UNET, PROCESS)
    assert list(specs["real"].observation.shapes) == ["a", "b", "q"]  # order of features
    low = ObservationSpec({"obs": [5]}, None, None, [])
    tokens = TransformerSpec(2, 4, 32, 0, 0.0, 0.3)
    assert specs["transformer"] == ModelSpec(low, 2, horizons, tokens, PROCESS)


@pytest.mark.parametrize(
    ("convention", "first_action"),
    [({"oa_step_convention": True}, 1), ({"oa_step_convention": False}, 2), ({}, 2)],
)
def test_a_low_dimensional_unet_starts_where_its_convention_says(
    convention: dict[str, bool], first_action: int
) -> None:
    unet = {key: value for key, value in CONFIGS["hybrid"].items() if key in UNET_KEYS}
    low = {"_target_": "x.DiffusionUnetLowdimPolicy", "obs_dim": 5, "action_dim": 2, "model": unet}
    spec = original.read_spec({**COMMON, **low, **convention})
    assert spec.horizons == Horizons(2, 16, 8, first_action)


def test_a_shared_real_robot_encoder_keeps_batch_norm_as_upstream_does() -> None:
    encoder = {**CONFIGS["real"]["obs_encoder"], "share_rgb_model": True}
    spec = original.read_spec({**COMMON, **CONFIGS["real"], "obs_encoder": encoder})
    assert isinstance(spec.observation.vision, VisionSpec)
    assert (spec.observation.vision.norm, spec.observation.vision.is_shared) == ("batch", True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs_as_global_cond": False}, "obs_as_global_cond: False; only True is supported"),
        ({"eval_fixed_crop": False}, "eval_fixed_crop: False; only True"),
        ({"pred_action_steps_only": True}, "pred_action_steps_only: True; only False"),
        ({"_target_": "x.DiffusionUnetHybridImagePolic"}, "Did you mean"),
        ({"noise_scheduler": {"clip_sample": False}}, "clip_sample: False; only True"),
        (
            {"noise_scheduler": {}},
            "Expected 'num_train_timesteps' in noise_scheduler of",
        ),
    ],
)
def test_a_variant_that_would_be_computed_wrongly_is_refused(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        original.read_spec({**COMMON, **CONFIGS["hybrid"], **change})


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("never printed",))


def zipped(path: Path, payload: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
    return path


def test_a_checkpoint_that_would_run_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = zipped(tmp_path / "evil.ckpt", pickle.dumps({"cfg": _Evil()}, protocol=2))
    with pytest.raises(ConfigError, match=r"holds __builtin__\.print, which is not allowed"):
        load_model(str(path), expected=None)
    assert capsys.readouterr().out == ""


def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no zip")
    with pytest.raises(ConfigError, match=r"Expected a checkpoint of torch >= 1\.6"):
        load_model(str(text), expected=None)
    with pytest.raises(ConfigError, match=r"is damaged: EOFError"):
        load_model(str(zipped(tmp_path / "torn.ckpt", b"\x80\x02}")), expected=None)
    with pytest.raises(ConfigError, match=r"Expected 'cfg' and 'state_dicts'"):
        load_model(str(zipped(tmp_path / "other.ckpt", pickle.dumps({}, protocol=2))), None)
    with pytest.raises(ConfigError, match="hf download OWNER/NAME --local-dir FOLDER"):
        load_model(str(tmp_path / "absent"), expected=None)


def test_tensors_are_read_as_torch_wrote_them(tmp_path: Path) -> None:
    base = torch.arange(24.0).view(4, 6)
    saved = {
        "strided": base.t()[1:4, ::2],
        "half": base.bfloat16(),
        "flags": base > 5,
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base[0]),
    }
    torch.save(saved, tmp_path / "t.pt")
    loaded = read_torch_zip(tmp_path / "t.pt")
    for name, value in saved.items():
        assert loaded[name].dtype == value.dtype
        assert torch.equal(loaded[name], value)


def lerobot_case(
    spec: ModelSpec, named: Mapping[str, Tensor], golden: Mapping[str, Tensor]
) -> None:
    """Loss, loss without padded rows, and the first three actions that lerobot selected."""
    model = DiffusionModel(spec).eval()
    model.load_state_dict({**model.state_dict(), **lerobot.rename(named)})
    prefix = "batch.observation."
    seen = {
        lerobot.observation_key(k.removeprefix("batch.")): v
        for k, v in golden.items()
        if k.startswith(prefix)
    }
    batch = {
        **seen,
        "action": golden["batch.action"],
        "action_is_pad": golden["batch.action_is_pad"],
    }
    draws = (golden["train_noise"][None], golden["train_t"])
    with torch.no_grad():
        loss = model.loss_at(batch, *draws)
        model.spec = replace(spec, diffusion=replace(spec.diffusion, masks_padding=True))
        masked = model.loss_at(batch, *draws)
    torch.testing.assert_close(loss, golden["loss"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(masked, golden["loss_masked"], atol=TOLERANCE, rtol=0)
    assert masked < loss
    first = {k: torch.stack((v[:, 0], v[:, 0]), dim=1) for k, v in seen.items()}
    chunk = model.sample(first, Sampler("ddim", 10), generators(2), golden["init_noise"])
    selected = chunk[:, spec.horizons.executed][:, :3].transpose(0, 1)
    torch.testing.assert_close(selected, golden["selected"], atol=TOLERANCE, rtol=0)


def test_lerobots_hub_folder_gives_its_loss_and_actions(hub: Path) -> None:
    model = load_model(str(hub / "hub_layout"), expected=None)
    golden = load_file(hub / "state.safetensors")
    for name, value in lerobot.rename(weights(golden)).items():
        assert torch.equal(model.state_dict()[name], value)
    lerobot_case(model.spec, weights(golden), golden)


def test_lerobots_image_policy_gives_its_loss_and_actions(hub: Path) -> None:
    config = json.loads((hub / "hub_layout/config.json").read_text())
    config["crop_shape"] = [84, 84]
    config["input_features"] = {
        "observation.image": {"type": "VISUAL", "shape": [3, 96, 96]},
        "observation.state": {"type": "STATE", "shape": [2]},
    }
    names = json.loads((hub / "meta.json").read_text())["cases"]["image"]["param_names"]
    spec = lerobot.read_spec(ForeignConfig(config, "config.json"))
    assert list(spec.observation.shapes) == ["state", "image"]  # order of features
    lerobot_case(spec, procedural(names), load_file(hub / "image.safetensors"))


def test_lerobots_separate_encoders_have_a_place_for_every_weight(hub: Path) -> None:
    config = json.loads((hub / "hub_layout/config.json").read_text())
    config["use_separate_rgb_encoder_per_camera"] = True
    config["input_features"] = {
        "observation.images.a": {"type": "VISUAL", "shape": [3, 96, 96]},
        "observation.images.b": {"type": "VISUAL", "shape": [3, 96, 96]},
        "observation.state": {"type": "STATE", "shape": [2]},
    }
    cases = json.loads((hub / "meta.json").read_text())["cases"]
    names = cases["two_cams_separate"]["param_names"]
    found = lerobot.rename(
        {name: torch.empty(shape, device="meta") for name, shape in names.items()}
    )
    with torch.device("meta"):
        model = DiffusionModel(lerobot.read_spec(ForeignConfig(config, "config.json")))
    wanted = {name: value.shape for name, value in model.named_parameters()}
    assert {name: value.shape for name, value in found.items()} == wanted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "act"}, "type: 'act'; only 'diffusion' is supported"),
        ({"vision_backbone": "resnet34"}, "Unknown backbone 'resnet34'"),
        ({"crop_ratio": 0.9}, "crop_ratio: 0.9; only 1.0"),
        ({"clip_sample_range": 2.0}, "clip_sample_range: 2.0; only 1.0"),
        ({"input_features": {"t": {"type": "TEXT", "shape": [1]}}}, "Unknown type of t 'TEXT'"),
    ],
)
def test_a_hub_folder_of_something_else_is_refused(
    change: dict[str, Any], message: str, hub: Path, tmp_path: Path
) -> None:
    config = json.loads((hub / "hub_layout/config.json").read_text())
    config["input_features"]["observation.image"] = {"type": "VISUAL", "shape": [3, 96, 96]}
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ConfigError, match=message):
        load_model(str(tmp_path), expected=None)


@pytest.mark.parametrize("keeps_statistics_in_the_model", [False, True])
def test_lerobots_normalization_is_read_from_either_place(
    keeps_statistics_in_the_model: bool, hub: Path, tmp_path: Path
) -> None:
    golden = load_file(hub / "processors.safetensors")
    folder = hub / "hub_layout"
    if keeps_statistics_in_the_model:
        named = load_file(folder / "model.safetensors")
        for name, value in golden.items():
            key, _, statistic = name.removeprefix("stats.").rpartition(".")
            if name.startswith("stats."):
                kind = "unnormalize_outputs" if key == "action" else "normalize_inputs"
                named[f"{kind}.buffer_{key.replace('.', '_')}.{statistic}"] = value
        save_file(named, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text((folder / "config.json").read_text())
        folder = tmp_path
    normalizer = load_model(str(folder), expected=None).normalizer
    for key in ("state", "environment_state"):
        normalized = normalizer.normalize(key, golden[f"raw.observation.{key}"])
        expected = golden[f"norm.observation.{key}"][0]
        torch.testing.assert_close(normalized, expected, atol=1e-6, rtol=0)
    action = normalizer.unnormalize("action", golden["post_in"])
    torch.testing.assert_close(action, golden["post_out"], atol=1e-6, rtol=0)


def tiny_model() -> DiffusionModel:
    observation = ObservationSpec({"obs": [5]}, None, None, [])
    torch.manual_seed(0)
    model = DiffusionModel(
        ModelSpec(observation, 2, Horizons(2, 8, 4, 1), UnetSpec([8, 16], 3, 8, 16, True), PROCESS)
    )
    model.normalizer.fit("action", torch.randn(50, 2) * 100, "limits")
    return model


def test_our_own_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    model = tiny_model()
    save_checkpoint(tmp_path / "run", model)
    loaded = load_model(str(tmp_path / "run"), expected=model.spec)
    assert loaded.spec == model.spec
    for name, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, equal_nan=True, atol=0, rtol=0)
    assert not loaded.training


def test_a_checkpoint_of_another_model_is_refused_with_the_difference(tmp_path: Path) -> None:
    model = tiny_model()
    save_checkpoint(tmp_path / "run", model)
    asked = replace(model.spec, horizons=Horizons(1, 8, 4, 0))
    with pytest.raises(ConfigError) as caught:
        load_model(str(tmp_path / "run"), expected=asked)
    assert str(caught.value).splitlines()[1:] == [
        "  horizons.n_obs_steps: 1 | 2",
        "  horizons.first_action: 0 | 1",
        "To take what the checkpoint says, add policy.model=null.",
    ]


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", tiny_model())
    named = load_file(tmp_path / "run/model.safetensors")
    named["stranger"] = named.pop("denoiser.final_conv.1.bias")
    save_file(named, tmp_path / "run/model.safetensors")
    with pytest.raises(ConfigError) as caught:
        load_model(str(tmp_path / "run"), expected=None)
    assert str(caught.value).splitlines()[1:] == [
        "  absent: denoiser.final_conv.1.bias",
        "  unknown: stranger",
    ]


def test_a_sequence_that_the_unet_cannot_halve_is_refused() -> None:
    spec = replace(tiny_model().spec, horizons=Horizons(2, 9, 4, 1))
    with pytest.raises(ConfigError, match="predicts a multiple of 2 rows, not 9"):
        DiffusionModel(spec)
    with pytest.raises(ConfigError, match="Rows 1 to 8 are to be executed, but only 8"):
        Horizons(2, 8, 8, 1)
