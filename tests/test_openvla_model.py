"""The network against what the published code computes on tiny weights, and its true size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vla_bench.policies.openvla.adapter import read_adapter
from vla_bench.policies.openvla.build import build_model
from vla_bench.policies.openvla.checkpoint import open_weights, read_config
from vla_bench.policies.openvla.config import parse_config
from vla_bench.policies.openvla.image import normalize_images, to_input_size
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.native import published_config

CPU = torch.device("cpu")
NOISE = 2e-4  # the published logits err by up to 9e-5, ours by up to 1.2e-4: docs/decisions.md
BASES = {"openvla-7b": "prism-dinosiglip-224px+7b", "openvla-v01-7b": "siglip-224px+7b"}


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield


class Golden:
    """One tiny checkpoint and the published code's results on it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.path = folder / name
        self.config = read_config(self.path)
        self.model = build_model(self.config, open_weights(self.path), CPU, "fp32")
        self.cases: list[dict[str, Any]] = json.loads((folder / f"{name}_actions.json").read_text())
        self._arrays = np.load(folder / f"{name}_fp32.npz")

    def array(self, case: int, name: str) -> NDArray[Any]:
        array: NDArray[Any] = self._arrays[f"{case}/{name}"]
        return array

    def pixels(self, image: str) -> Tensor:
        rgb = np.asarray(Image.open(self.folder / "images" / image).convert("RGB"))
        sized = torch.from_numpy(to_input_size(rgb, self.config).copy())
        return normalize_images(sized[None], self.config)


@pytest.fixture(scope="module", params=["tiny_openvla", "tiny_openvla_v01"])
def golden(request: pytest.FixtureRequest, shared: Path) -> Golden:
    return Golden(shared / "golden" / "openvla", request.param)


@pytest.fixture(scope="module")
def fused(shared: Path) -> Golden:
    return Golden(shared / "golden" / "openvla", "tiny_openvla")


def difference(mine: Tensor, theirs: NDArray[Any]) -> float:
    return float(np.abs(mine.numpy() - theirs).max())


def test_each_tower_computes_the_published_features(fused: Golden) -> None:
    arrays = np.load(fused.folder / "towers_case0_fp32.npz")
    pixels = torch.from_numpy(arrays["pixel_values"])[None]
    backbone = fused.model.vision_backbone
    assert backbone.fused_featurizer is not None
    for name, tower, seen in (
        ("dino", backbone.featurizer, pixels[:, :3]),
        ("siglip", backbone.fused_featurizer, pixels[:, 3:]),
    ):
        tokens = tower.embed(seen)
        assert difference(tokens[0], arrays[f"{name}_tokens_after_pos_embed"]) < 1e-5
        assert difference(tower.blocks[0](tokens)[0], arrays[f"{name}_after_block0"]) < 1e-5
        assert difference(tower(seen)[0], arrays[f"{name}_features"]) < 1e-5


def test_features_and_projections_are_the_published_ones(golden: Golden) -> None:
    for case in golden.cases:
        features = golden.model.vision_backbone(golden.pixels(case["image"]))
        assert difference(features[0], golden.array(case["case"], "vision_features")) < 1e-5
        projected = golden.model.projector(features)
        assert difference(projected[0], golden.array(case["case"], "projector")) < 1e-5


def test_patches_are_embedded_without_tf32_and_nothing_else_is_changed(
    fused: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend: Any = torch.backends.cudnn
    convolutions = backend.conv
    embed = fused.model.vision_backbone.featurizer.patch_embed
    seen: list[str] = []
    inner = embed.proj.forward

    def watched(pixels: Tensor) -> Tensor:
        seen.append(convolutions.fp32_precision)
        return inner(pixels)

    monkeypatch.setattr(embed.proj, "forward", watched)
    for allowed in (True, False):
        monkeypatch.setattr(backend, "allow_tf32", allowed)
        before = convolutions.fp32_precision
        embed(torch.zeros(1, 3, 224, 224))
        assert convolutions.fp32_precision == before
        assert backend.allow_tf32 is allowed
    assert seen == ["ieee", "ieee"]


def test_hidden_states_and_logits_at_every_position_are_the_published_ones(golden: Golden) -> None:
    for case in golden.cases:
        pixels, ids = golden.pixels(case["image"]), torch.tensor([case["input_ids"]])
        decoder = golden.model.language_model.model
        x = golden.model.embed(pixels, ids)
        hidden = decoder(x, decoder.place_prompt(x.shape[1]))
        assert difference(hidden[0], golden.array(case["case"], "final_hidden")) < 1e-4
        logits = golden.model(pixels, ids)[0]
        assert difference(logits[-1], golden.array(case["case"], "prefill_last_logits")) < 1e-4
        sums = golden.array(case["case"], "logits_every_pos_sum")
        assert difference(logits.double().sum(-1), sums) < 1e-2  # of 32064 logits up to 30
        best = golden.array(case["case"], "logits_every_pos_argmax")
        assert np.array_equal(logits.argmax(-1).numpy(), best)


def test_teacher_forced_logits_are_the_published_ones(golden: Golden) -> None:
    for case in golden.cases:
        ids = torch.tensor([[*case["input_ids"], *case["action_token_ids"]]])
        logits = golden.model(golden.pixels(case["image"]), ids)[0, -8:, 31744:32000]
        expected = golden.array(case["case"], "teacher_forced_action_logits")
        assert difference(logits, expected) < NOISE


def test_decoding_with_the_cache_computes_the_logits_of_the_whole_sequence(fused: Golden) -> None:
    case = fused.cases[1]
    prompt, picks = case["input_ids"], case["action_token_ids"]
    cache = fused.model.language_model.model.new_cache(1, 300, 256 + len(prompt))
    pixels = fused.pixels(case["image"])
    length = torch.tensor([len(prompt)])
    steps = [fused.model.prefill(pixels, torch.tensor([prompt]), length, cache)]
    for index, pick in enumerate(picks[:-1]):
        steps.append(fused.model.step(torch.tensor([pick]), length + 256 + index, cache))
    mine = torch.cat(steps)[:, 31744:32000]
    assert difference(mine, fused.array(1, "step_action_logits")) < NOISE


@pytest.mark.parametrize("recorded", ["full_lr2e-5_clip1", "lora_r4_lr5e-4"])
def test_a_training_batch_has_the_published_loss_per_token(recorded: str, fused: Golden) -> None:
    weights = open_weights(fused.path)
    if recorded.startswith("lora"):
        weights = read_adapter(fused.folder / "tiny_lora_adapter").merge(weights)
    model = build_model(fused.config, weights, CPU, "fp32")
    data = json.loads((fused.folder / "train_step.json").read_text())
    arrays = np.load(fused.folder / "train_step.npz")
    pixels = torch.cat([fused.pixels(image) for image in data["images"]])
    labels = torch.from_numpy(arrays["labels"])
    logits = model(pixels, torch.from_numpy(arrays["input_ids"]))[:, 256:-1]
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], reduction="none"
    )
    counted = (labels[:, 1:] != -100).numpy()
    expected = arrays[f"{recorded}/token_losses"]
    assert np.abs(losses.numpy() - expected)[counted].max() < 1e-4


def test_bf16_stays_near_the_published_bf16_run(fused: Golden) -> None:
    model = build_model(fused.config, open_weights(fused.path), CPU, "bf16")
    arrays = np.load(fused.folder / "tiny_openvla_bf16.npz")
    for case in fused.cases[:4]:
        pixels = fused.pixels(case["image"]).to(torch.bfloat16)
        logits = model(pixels, torch.tensor([case["input_ids"]]))[0, -1].float()
        expected = arrays[f"{case['case']}/prefill_last_logits"]
        # Of logits that reach 13; from fp32, the published run errs by 0.02 to 0.04 in the mean,
        # ours by as much on an AMD EPYC, by 0.02 to 0.09 with an Intel Xeon's AMX.
        assert np.abs(logits.numpy() - expected).mean() < 0.1
        assert difference(logits, expected) < 1.0


@pytest.mark.parametrize("name", list(BASES))
def test_the_real_configuration_has_exactly_the_published_tensors(name: str, shared: Path) -> None:
    path = shared / "specs" / "openvla" / "real_model_shapes.json"
    listed = json.loads(path.read_text())[name]
    config = parse_config(published_config({"vla": {"base_vlm": BASES[name]}}))
    model = OpenVLAModel.on_meta(config)
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert shapes == listed["state_dict"]
    assert sum(p.numel() for p in model.parameters()) == listed["counts"]["total"]


def test_the_released_model_has_seven_and_a_half_billion_parameters() -> None:
    config = parse_config(published_config({"vla": {"base_vlm": BASES["openvla-7b"]}}))
    model = OpenVLAModel.on_meta(config)
    assert sum(p.numel() for p in model.parameters()) == 7_541_237_184
    model.drop_unused()
    assert sum(p.numel() for p in model.parameters()) == 7_541_237_184 - 43_080_480
