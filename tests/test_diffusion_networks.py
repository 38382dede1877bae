"""Diffusion Policy's networks: equal to what the published code computed from the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vla_bench.errors import ConfigError
from vla_bench.policies.diffusion import original
from vla_bench.policies.diffusion.encoder import (
    ObservationEncoder,
    SpatialSoftmax,
    center_crop,
    random_crop,
)
from vla_bench.policies.diffusion.optimizer import decayed_parameters
from vla_bench.policies.diffusion.resnet import ResNet
from vla_bench.policies.diffusion.spec import (
    DiffusionSpec,
    Horizons,
    ModelSpec,
    ObservationSpec,
    TransformerSpec,
    UnetSpec,
    VisionSpec,
)
from vla_bench.policies.diffusion.transformer import TransformerDenoiser
from vla_bench.policies.diffusion.unet import StepEmbedding, Unet1d

torch.set_num_threads(1)
TOLERANCE = 1e-4  # 0 where the goldens were made; up to 4e-5 by other CPUs' convolutions
UNETS = ("film", "bias_only", "uncond", "localcond_bug", "two_levels_h8")
PUSH_T = TransformerSpec(8, 4, 256, 0, 0.0, 0.3)


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "golden/baselines/diffusion_policy"


@pytest.fixture(scope="module")
def meta(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    return loaded


def weights(golden: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[2:]: value for name, value in golden.items() if name.startswith("w.")}


def unet(config: dict[str, Any]) -> Unet1d:
    spec = UnetSpec(
        config["down_dims"],
        config["kernel_size"],
        config["n_groups"],
        config["diffusion_step_embed_dim"],
        config["cond_predict_scale"],
        config.get("local_cond_dim"),
    )
    return Unet1d(spec, config["input_dim"], config.get("global_cond_dim") or 0)


@pytest.mark.parametrize("case", UNETS)
def test_a_unet_computes_the_published_outputs_and_gradients(
    case: str, folder: Path, meta: dict[str, Any]
) -> None:
    golden = load_file(folder / f"unet_{case}.safetensors")
    expected = meta["cases"][f"unet_{case}"]
    net = unet(expected["config"])
    net.load_state_dict(weights(golden))
    x = golden["x"].requires_grad_()
    conditions = (golden.get("global_cond"), golden.get("local_cond"))
    y = net(x, golden["timesteps"], *conditions)
    loss = y.square().mean()
    loss.backward()
    parameters = dict(net.named_parameters())
    grads = [parameters[name].grad for name in expected["grad_norm_names"]]
    norms = torch.stack([grad.norm() for grad in grads if grad is not None])
    torch.testing.assert_close(y, golden["y"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(loss, golden["loss"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(x.grad, golden["grad_x"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(norms, golden["grad_norms"], atol=TOLERANCE, rtol=2e-4)
    idle = [name for name, parameter in parameters.items() if parameter.grad is None]
    assert idle == expected["params_without_grad"]
    at_five = net(golden["x"], torch.tensor(5), *conditions)
    torch.testing.assert_close(at_five, golden["y_t5"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("size", ["lowdim_default", "image_default", "droid_lang"])
def test_a_full_size_unet_has_the_published_names_shapes_and_parameters(
    size: str, folder: Path
) -> None:
    expected = json.loads((folder / "unet_fullsize_state_dict_shapes.json").read_text())[size]
    with torch.device("meta"):
        net = unet(expected["config"])
    assert {name: list(value.shape) for name, value in net.state_dict().items()} == expected["keys"]
    assert sum(parameter.numel() for parameter in net.parameters()) == expected["n_params"]


def test_the_step_embedding_is_the_published_one(folder: Path) -> None:
    golden = load_file(folder / "sinusoidal.safetensors")
    torch.testing.assert_close(StepEmbedding(16)(golden["t"]), golden["y"], atol=1e-6, rtol=0)


def transformer(config: dict[str, Any]) -> TransformerDenoiser:
    spec = TransformerSpec(
        config["n_layer"],
        config["n_head"],
        config["n_emb"],
        config["n_cond_layers"],
        config["p_drop_emb"],
        config["p_drop_attn"],
    )
    lengths = (config["horizon"], config["n_obs_steps"])
    return TransformerDenoiser(spec, config["input_dim"], config["cond_dim"], lengths)


@pytest.mark.parametrize("case", ["transformer", "transformer_cond_encoder"])
def test_a_transformer_computes_the_published_outputs(
    case: str, folder: Path, meta: dict[str, Any]
) -> None:
    golden = load_file(folder / f"{case}.safetensors")
    net = transformer(meta["cases"][case]["config"]).eval()
    net.load_state_dict(weights(golden))
    y = net(golden["x"], golden["timesteps"], golden["cond"])
    torch.testing.assert_close(y, golden["y"], atol=TOLERANCE, rtol=0)


def test_the_masks_are_the_published_ones_before_any_state_dict_brings_its_own(
    folder: Path, meta: dict[str, Any]
) -> None:
    golden = load_file(folder / "transformer.safetensors")
    net = transformer(meta["cases"]["transformer"]["config"])
    assert torch.equal(net.get_buffer("mask"), golden["mask"])
    assert torch.equal(net.get_buffer("memory_mask"), golden["memory_mask"])


def test_weight_decay_spares_biases_norms_and_positions(meta: dict[str, Any]) -> None:
    expected = meta["cases"]["transformer"]
    net = transformer(expected["config"])
    assert sorted(decayed_parameters(net)) == expected["decay"]
    everything = {name for name, _ in net.named_parameters()}
    assert sorted(everything - decayed_parameters(net)) == sorted(expected["no_decay"])


def test_the_push_t_transformer_has_the_published_number_of_parameters(
    meta: dict[str, Any],
) -> None:
    with torch.device("meta"):
        net = TransformerDenoiser(PUSH_T, 2, 20, (16, 2))
    n_parameters = sum(parameter.numel() for parameter in net.parameters())
    assert n_parameters == meta["transformer_default_n_params"]


def test_an_action_token_sees_no_later_action() -> None:
    spec = TransformerSpec(2, 2, 16, 0, 0.0, 0.0)
    net = TransformerDenoiser(spec, 3, 5, (8, 2)).eval()
    actions, condition = torch.randn(1, 8, 3), torch.randn(1, 2, 5)
    changed = actions.clone()
    changed[:, 5:] += 1
    before, after = (net(a, torch.tensor(3), condition) for a in (actions, changed))
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_keypoints_are_the_published_ones(folder: Path) -> None:
    golden = load_file(folder / "spatial_softmax.safetensors")
    pool = SpatialSoftmax(12, 5)
    named = weights(golden)
    pool.load_state_dict({name: named[name] for name in ("nets.weight", "nets.bias")})
    torch.testing.assert_close(pool(golden["features"]), golden["keypoints"], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("depth", "n_parameters"),
    [(18, 11_689_512 - 513_000), (50, 25_557_032 - 2_049_000)],  # torchvision's less its classifier
)
def test_a_resnet_is_torchvisions_without_its_classifier(depth: int, n_parameters: int) -> None:
    net = ResNet(depth, "batch").eval()
    assert sum(parameter.numel() for parameter in net.parameters()) == n_parameters
    assert net(torch.zeros(1, 3, 64, 96)).shape == (1, net.n_features, 2, 3)


def test_an_unknown_resnet_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"Unknown ResNet depth 34\. Valid: 18, 50\."):
        ResNet(34, "group")
    with pytest.raises(ConfigError, match="Did you mean 'group'"):
        ResNet(18, "groups")


def test_a_random_crop_is_a_window_of_its_own_image() -> None:
    torch.manual_seed(0)
    images = torch.arange(4 * 3 * 10 * 12.0).view(4, 3, 10, 12)
    crops = random_crop(images, 7, 8)
    windows = images.unfold(2, 7, 1).unfold(3, 8, 1)  # (4, 3, 4, 5, 7, 8)
    corners = set()
    for crop, own in zip(crops, windows):
        hits = [(i, j) for i in range(4) for j in range(5) if torch.equal(crop, own[:, i, j])]
        assert len(hits) == 1
        corners.add(hits[0])
    assert len(corners) > 1


def test_the_centre_crop_leaves_equal_margins() -> None:
    image = torch.arange(96 * 96.0).view(1, 96, 96)
    assert torch.equal(center_crop(image, 84, 84), image[:, 6:90, 6:90])


@pytest.mark.parametrize("is_shared", [False, True])
def test_each_camera_has_the_network_that_the_spec_gives_it(is_shared: bool) -> None:
    vision = VisionSpec(18, "group", None, None, None, None, is_shared, imagenet_norm=False)
    spec = ObservationSpec({"a": [3, 32, 32], "q": [2], "b": [3, 32, 32]}, vision, None, [])
    encoder = ObservationEncoder(spec).eval()
    image, vector = torch.rand(1, 1, 3, 32, 32), torch.tensor([[[0.25, 0.5]]])
    with torch.no_grad():
        features = encoder({"a": image, "b": image, "q": vector})[0, 0]
    assert torch.equal(features[512:514], vector[0, 0])  # in the spec's order
    assert torch.allclose(features[:512], features[514:], atol=1e-6) == is_shared
    assert len(encoder.image_encoders) == (1 if is_shared else 2)


def test_a_published_state_dict_fills_each_cameras_own_network() -> None:
    vision = VisionSpec(18, "group", None, None, None, None, False, imagenet_norm=False)
    observation = ObservationSpec({"a": [3, 32, 32], "b": [3, 32, 32]}, vision, None, [])
    unet, process = UnetSpec([8], 3, 8, 16, True), DiffusionSpec(10, "linear", "sample", 1, False)
    spec = ModelSpec(observation, 2, Horizons(1, 4, 4, 0), unet, process)
    named = {f"obs_encoder.key_model_map.{key}.conv1.weight": torch.empty(0) for key in "ba"}
    assert list(original.rename(named, spec)) == [
        "encoder.image_encoders.1.backbone.conv1.weight",
        "encoder.image_encoders.0.backbone.conv1.weight",
    ]
