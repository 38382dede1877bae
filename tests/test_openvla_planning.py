"""The memory planner: its extrapolation, its parts, and what it says about the published sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from openvla_toys import TOY_VISION
from training_toys import optimization, settings

from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.config import OpenVLAConfig, parse_config
from vla_bench.policies.openvla.memory import Needs, kept_bytes, needs
from vla_bench.policies.openvla.methods import Lora, Method
from vla_bench.policies.openvla.native import published_config
from vla_bench.policies.openvla.scratch import ModelSpec, TextSpec, VisionSpec, config_of
from vla_bench.policies.training.learner import plan_of
from vla_bench.policies.training.settings import Machine

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = config_of(
    ModelSpec(
        VisionSpec("dinov2+siglip", 24, 12, width=32, depth=3, n_heads=2, mlp_width=64),
        TextSpec(width=32, n_layers=4, n_heads=2, mlp_width=64, words="go"),
    )
)
LORA = Method(None, Lora(8, None, 0.0, "bf16"), "bf16", False, False, recompute=False)
FULL = Method("full", None, "fp32", False, False, recompute=False)
POLICY = {
    "_target_": "vla_bench.policies.openvla.policy.OpenVLAPolicy",
    "checkpoint": "openvla/openvla-7b",
    "model": None,
}


@pytest.fixture(scope="module")
def lora() -> Needs:
    return needs(SMALL, LORA, "bf16", averages=False)


def test_two_layers_and_two_samples_tell_of_more(lora: Needs) -> None:
    counted = kept_bytes(SMALL, LORA, "bf16", 4)
    assert lora.casts + 4 * lora.per_sample == pytest.approx(counted, rel=0.01)


def test_weights_gradients_and_moments_are_those_of_the_parameters(lora: Needs) -> None:
    full = needs(SMALL, FULL, "fp32", averages=True)
    assert full.moments == 2 * full.gradients
    assert full.weights / 2 > full.gradients > 0.5 * full.weights / 2  # an EMA doubles the first
    assert lora.gradients < 0.5 * lora.weights
    assert max(full.casts, lora.casts) < 0.02 * lora.weights


def test_computing_again_trades_activations_only(lora: Needs) -> None:
    again = needs(SMALL, replace(LORA, recompute=True), "bf16", averages=False)
    assert again.per_sample < 0.6 * lora.per_sample
    assert replace(again, per_sample=0) == replace(lora, per_sample=0)


def test_the_largest_batch_is_the_last_that_fits(lora: Needs) -> None:
    room = lora.fixed + 7.5 * lora.per_sample
    assert lora.largest_batch(room) == 7
    assert lora.total(7) <= room < lora.total(8)
    assert lora.largest_batch(lora.fixed / 2) == 0


def test_sharding_splits_parameters_but_not_buffers_and_gathers_blocks() -> None:
    full = needs(SMALL, FULL, "fp32", averages=False)
    four = full.sharded(4)
    assert (four.gradients, four.moments) == (full.gradients / 4, full.moments / 4)
    assert four.weights == (full.weights - full.buffers) / 4 + full.buffers
    assert four.gathered == full.root + 2 * full.block
    assert four.per_sample == full.per_sample
    qlora = needs(SMALL, replace(LORA, weights="nf4"), "bf16", averages=False)
    assert qlora.buffers > 0.05 * qlora.weights  # the codes
    assert qlora.sharded(1000).weights == pytest.approx(qlora.buffers, rel=0.05)


def test_a_7b_that_one_gpu_cannot_train_whole_fits_on_eight() -> None:
    full = needs(published(32), FULL, "bf16", averages=False)
    assert full.total(1) > 80e9
    assert 15e9 < full.sharded(8).total(1) < 60e9


def published(n_layers: int) -> OpenVLAConfig:
    config = parse_config(published_config({"vla": {"base_vlm": "prism-dinosiglip-224px+7b"}}))
    return replace(config, decoder=replace(config.decoder, n_layers=n_layers))


def test_full_size_plans_without_full_size_memory() -> None:
    found = needs(published(32), replace(LORA, lora=Lora(32, None, 0.0, "bf16")), "bf16", False)
    assert found.weights == pytest.approx(2 * (7_541_237_184 + 110_828_288), rel=0.001)
    assert 45e9 < found.total(16) < 60e9  # published: 59.7 GB
    assert 12 <= found.largest_batch(48e9) <= 14  # published: 12


def test_a_plan_is_printed_and_what_has_none_is_refused() -> None:
    method = {
        "_target_": "vla_bench.policies.openvla.methods.Method",
        "stage": "last_layer",
        "lora": None,
        "weights": "bf16",
        "image_aug": False,
        "drop_noops": False,
        "recompute": False,
    }
    model = {
        "_target_": "vla_bench.policies.openvla.scratch.ModelSpec",
        "vision": {"_target_": "vla_bench.policies.openvla.scratch.VisionSpec", **TOY_VISION},
        "text": {
            "_target_": "vla_bench.policies.openvla.scratch.TextSpec",
            "width": 32,
            "n_layers": 3,
            "n_heads": 2,
            "mlp_width": 64,
            "words": "go",
        },
    }
    policy = {**POLICY, "checkpoint": None, "model": model}
    chosen = settings("o", policy=policy, method=method, optimization=optimization(ema=None))
    lines = plan_of(chosen, Machine(1, 80.0))
    assert lines[0] == "Memory for policy.model, batch_size=4, on 80 GB:"
    assert lines[1].startswith("method.recompute=false: 1.5 GB, fits")
    assert lines[3].startswith("  largest batch_size: ")
    assert lines[4].startswith("method.recompute=true: ")
    assert lines[7].startswith("Host memory: 0.0 GB while 1 process(es) load, ")
    split = plan_of(replace(chosen, sharded=True), Machine(2, 80.0))
    assert split[0] == "Memory for policy.model, batch_size=4, on 2 x 80 GB:"
    assert split[7] == "Per GPU and process, weights, gradients and moments split."
    other = settings(
        "o", policy={"_target_": "vla_bench.policies.diffusion.policy.DiffusionPolicy"}
    )
    with pytest.raises(ConfigError, match="leave out dry_run=true"):
        plan_of(other, Machine(1, 80.0))
