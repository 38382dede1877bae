"""Bundled weights: found by name, small, described, and still the policy that was trained."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_toys import SPEC

from vla_bench.errors import ConfigError
from vla_bench.policies import bundled
from vla_bench.policies.diffusion import bundle as bundling
from vla_bench.policies.diffusion.actions import AsTrained
from vla_bench.policies.diffusion.bundle import bundle
from vla_bench.policies.diffusion.checkpoint import load_model, save_checkpoint
from vla_bench.policies.diffusion.interface import Interface
from vla_bench.policies.diffusion.model import DiffusionModel
from vla_bench.policies.diffusion.policy import DiffusionPolicy
from vla_bench.policies.diffusion.process import Sampler
from vla_bench.policies.diffusion.spec import LanguageSpec, ObservationSpec, UnetSpec
from vla_bench.protocols import FloatArray, Observation, Request

torch.set_num_threads(1)
SPACE = ObservationSpec(
    {"tcp_pose": [7], "language": [8]}, None, LanguageSpec("hashed", "none", 8), []
)
SMALL = replace(SPEC, observation=SPACE, denoiser=UnetSpec([32, 64], 3, 8, 8, predicts_scale=True))
WIRING = Interface({}, {"tcp_pose": ["tcp_pose"]}, AsTrained("delta_tcp_pose"))
SECTIONS = ("Data", "Training", "Scores", "Limits")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = DiffusionModel(SMALL)
    model.normalizer.fit("action", torch.randn(50, SMALL.action_dim) * 0.0123, "limits")
    save_checkpoint(tmp_path / "trained", model)
    return tmp_path / "trained"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with no models in it."""
    monkeypatch.setattr(bundled, "ROOT", tmp_path / "bundled")
    return tmp_path / "bundled"


def test_a_bundle_takes_half_the_room_and_gives_nearly_the_same_actions(
    trained: Path, home: Path
) -> None:
    n_bytes = bundle(str(trained), home / "ours")
    assert n_bytes < 0.6 * (trained / "model.safetensors").stat().st_size
    (home / "ours" / "card.md").write_text("# ours\n")
    chunks = [_chunk(checkpoint) for checkpoint in (str(trained), "bundled:ours")]
    assert 0 < np.abs(chunks[0] - chunks[1]).max() < 0.02 * np.abs(chunks[0]).max()


def test_what_normalizes_is_bundled_exactly(trained: Path, tmp_path: Path) -> None:
    bundle(str(trained), tmp_path / "small")
    before, after = (
        load_file(folder / "model.safetensors") for folder in (trained, tmp_path / "small")
    )
    kept = [name for name in before if name.startswith("normalizer.")]
    assert kept
    for name in before:
        assert after[name].dtype == (torch.float32 if name in kept else torch.bfloat16)
    for name in kept:
        np.testing.assert_array_equal(before[name], after[name])


def test_a_bundle_that_is_too_large_is_refused_and_leaves_no_weights(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundling, "MAX_BYTES", 1000)
    with pytest.raises(ConfigError, match=r"takes \d+ bytes; a bundled model, 1000"):
        bundle(str(trained), tmp_path / "small")
    assert not (tmp_path / "small" / "model.safetensors").exists()


def test_an_unknown_bundle_is_answered_with_those_there_are(trained: Path, home: Path) -> None:
    bundle(str(trained), home / "ours")
    (home / "ours" / "card.md").write_text("# ours\n")
    with pytest.raises(ConfigError, match=r"bundled model .*'our'.*\n?.*ours"):
        load_model("bundled:our", None)


def test_how_many_rows_are_executed_is_the_configs_to_say(trained: Path) -> None:
    n_trained = SMALL.horizons.n_action_steps
    asked = replace(SMALL, horizons=replace(SMALL.horizons, n_action_steps=1))
    assert load_model(str(trained), None).spec.horizons.n_action_steps == n_trained > 1
    assert load_model(str(trained), asked).spec == asked
    other = replace(asked, action_dim=SMALL.action_dim + 1)
    with pytest.raises(ConfigError, match=r"action_dim: \d+ \| \d+") as caught:
        load_model(str(trained), other)
    assert "n_action_steps" not in str(caught.value)


def test_any_other_checkpoint_is_a_path() -> None:
    assert bundled.checkpoint_folder("~/x") == Path.home() / "x"


def test_every_bundled_model_is_small_and_has_a_card() -> None:
    sizes = {
        name: sum(f.stat().st_size for f in (bundled.ROOT / name).glob("*.safetensors"))
        for name in bundled.names()
    }
    assert all(0 < n_bytes <= bundled.MAX_BYTES for n_bytes in sizes.values()), sizes
    assert sum(sizes.values()) <= 3 * bundled.MAX_BYTES
    for name in sizes:
        card = (bundled.ROOT / name / "card.md").read_text()
        assert re.findall(r"^## (.+)$", card, re.MULTILINE) == list(SECTIONS), name
        assert "vla-bench train" in card, name
    folders = {path.name for path in bundled.ROOT.iterdir() if (path / "config.json").exists()}
    assert folders == set(sizes)


def _chunk(checkpoint: str) -> FloatArray:
    policy = DiffusionPolicy("toy", checkpoint, None, WIRING, Sampler("ddim", 4), "cpu")
    observation = Observation({}, "walk on", {"tcp_pose": np.full(7, 0.1)}, {})
    (chunk,) = policy.act([Request("toy", [observation], 0)])
    return chunk
