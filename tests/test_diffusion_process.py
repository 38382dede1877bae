"""Noise, schedulers, averages, normalizers, windows: equal to the published code, and lawful."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers import scheduling_ddpm
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from vla_bench.data.windows import Window, WindowIndex
from vla_bench.errors import ConfigError
from vla_bench.policies.diffusion.episodes import limit_episodes, validation_mask
from vla_bench.policies.diffusion.normalizer import Normalizer
from vla_bench.policies.diffusion.process import Sampler, add_noise
from vla_bench.policies.diffusion.spec import DiffusionSpec
from vla_bench.policies.training.ema import Ema, ema_decay
from vla_bench.policies.training.schedule import cosine_with_warmup

torch.set_num_threads(1)
SPEC = DiffusionSpec(100, "squaredcos_cap_v2", "epsilon", 1, False)


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "golden/baselines/diffusion_policy"


@pytest.fixture(scope="module")
def meta(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def schedules(folder: Path) -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = load_file(folder / "schedulers.safetensors")
    return loaded


def toy_network(x: Tensor, step: Tensor) -> Tensor:
    return torch.tanh(0.9 * x + 0.004 * step) * 0.9


def generators(n: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(n)]


@pytest.mark.parametrize("n_steps", [8, 10, 16, 100])
def test_ddim_ends_where_the_published_one_does(n_steps: int, schedules: dict[str, Tensor]) -> None:
    sample = Sampler("ddim", n_steps)(SPEC, toy_network, schedules["xT"], generators(2))
    expected = schedules[f"ddim{n_steps}_final"]
    torch.testing.assert_close(sample, expected, atol=2e-6, rtol=0)


def test_ddim_is_the_eight_lines_of_its_paper(schedules: dict[str, Tensor]) -> None:
    """Song et al. 2021, equation 12 with eta 0; noise not recomputed after x0 is clipped."""
    alphas = schedules["alphas_cumprod"]
    x = schedules["xT"]
    for step in range(90, -1, -10):
        eps = toy_network(x, torch.tensor(step))
        x0 = ((x - (1 - alphas[step]).sqrt() * eps) / alphas[step].sqrt()).clamp(-1, 1)
        before = alphas[step - 10] if step >= 10 else torch.tensor(1.0)
        x = before.sqrt() * x0 + (1 - before).sqrt() * eps
    sample = Sampler("ddim", 10)(SPEC, toy_network, schedules["xT"], generators(2))
    torch.testing.assert_close(sample, x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("prediction", "final"),
    [("epsilon", "ddpm100_final"), ("sample", "ddpm100_predict_sample_final")],
)
def test_ddpm_ends_where_the_published_one_does_on_the_same_noise(
    prediction: str, final: str, schedules: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter(schedules["ddpm_step_noise"])
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: next(draws))
    spec = DiffusionSpec(100, "squaredcos_cap_v2", prediction, 1, False)
    sample = Sampler("ddpm", 100)(spec, toy_network, schedules["xT"], generators(2))
    torch.testing.assert_close(sample, schedules[final], atol=5e-5, rtol=0)
    assert next(draws, None) is None


def test_noise_is_added_as_published(schedules: dict[str, Tensor]) -> None:
    noisy = add_noise(SPEC, schedules["x0"], schedules["noise"], schedules["t"])
    torch.testing.assert_close(noisy, schedules["noisy"], atol=1e-6, rtol=0)


def test_ddpm_noise_follows_from_each_elements_own_generator() -> None:
    noise = torch.randn((3, 4, 2), generator=torch.Generator().manual_seed(0))
    sampler = Sampler("ddpm", 100)
    together = sampler(SPEC, toy_network, noise, generators(3))
    alone = sampler(SPEC, toy_network, noise[2:], generators(3)[2:])
    torch.testing.assert_close(together[2:], alone, atol=1e-5, rtol=0)
    assert not torch.allclose(together, sampler(SPEC, toy_network, noise, generators(4)[1:]))


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (Sampler("ddim", 0), "Expected 1 to 100 sampling steps, got 0"),
        (Sampler("ddim", 101), "Expected 1 to 100 sampling steps, got 101"),
        (Sampler("ddpm", 16), "Set n_steps=100 or kind=ddim"),
        (Sampler("dddim", 16), "Did you mean 'ddim'"),
    ],
)
def test_a_sampler_that_would_compute_something_else_is_refused(
    sampler: Sampler, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        sampler.check(SPEC)


def test_the_ema_decays_and_averages_as_published(folder: Path, meta: dict[str, Any]) -> None:
    golden = load_file(folder / "ema.safetensors")
    at = meta["cases"]["ema"]["decay_at_steps"]
    assert [ema_decay(k, 0.75, 0.9999) for k in at] == golden["decay_at"].tolist()
    live = nn.Linear(3, 2, bias=False)
    ema = Ema(live)
    for k, (weight, average) in enumerate(zip(golden["live_weight"], golden["ema_weight"])):
        assert ema_decay(k, 0.75, 0.9999) == pytest.approx(golden["decay"][k].item(), abs=1e-12)
        live.weight.data.copy_(weight)
        ema.update(live)
        torch.testing.assert_close(ema.module.weight, average, atol=1e-6, rtol=0)


def test_the_ema_copies_buffers_and_frozen_parameters() -> None:
    frozen = nn.Linear(2, 2).requires_grad_(False)
    live = nn.Sequential(nn.BatchNorm1d(2), frozen)
    ema = Ema(live)
    for _ in range(5):
        live(torch.randn(8, 2) + 3)
        frozen.weight.data += 1
        ema.update(live)
    averaged = dict(ema.module.named_buffers())
    assert all(torch.equal(buffer, averaged[name]) for name, buffer in live.named_buffers())
    assert torch.equal(ema.module.get_parameter("1.weight"), frozen.weight)


def test_the_learning_rate_follows_the_published_curve(meta: dict[str, Any]) -> None:
    curve = meta["lr_cosine"]
    rates = [
        curve["lr"] * cosine_with_warmup(k, curve["warmup"], curve["total"]) for k in curve["at"]
    ]
    assert rates == pytest.approx(curve["values"], abs=1e-15)


def test_the_normalizer_is_the_published_one(folder: Path, meta: dict[str, Any]) -> None:
    golden = load_file(folder / "normalizer.safetensors")
    normalizer = Normalizer({"obs": (5,), "action": (2,)})
    normalizer.fit("obs", golden["obs"], "limits")
    normalizer.fit("action", golden["action"], "limits")
    state = normalizer.state_dict()
    assert set(state) == set(meta["cases"]["normalizer"]["state_dict_keys"])
    for name, values in state.items():
        torch.testing.assert_close(values, golden[f"w.{name}"], atol=1e-6, rtol=1e-6)
    for key in ("obs", "action"):
        normalized = normalizer.normalize(key, golden[key])
        torch.testing.assert_close(normalized, golden[f"{key}_n"], atol=1e-6, rtol=0)
    back = normalizer.unnormalize("obs", golden["obs_n"])
    torch.testing.assert_close(back, golden["obs_back"], atol=1e-5, rtol=0)
    normalizer.fit("obs", golden["obs"], "gaussian")
    gaussian = normalizer.normalize("obs", golden["obs"])
    torch.testing.assert_close(gaussian, golden["obs_gauss"], atol=1e-6, rtol=0)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["limits", "gaussian"]))
def test_normalizing_and_back_changes_nothing(seed: int, mode: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.tensor([1e-3, 1.0, 500.0, 0.0])
    values = torch.randn((20, 4), generator=generator) * scales + 3
    normalizer = Normalizer({"x": (4,)})
    normalizer.fit("x", values, mode)
    normalized = normalizer.normalize("x", values)
    torch.testing.assert_close(normalizer.unnormalize("x", normalized), values, atol=1e-3, rtol=0)
    assert torch.all(normalized[:, 3].abs() < 1e-5)  # a constant maps to 0
    if mode == "limits":
        assert normalized.abs().max() <= 1 + 1e-3


def test_a_dimension_that_hardly_varies_is_shifted_and_not_blown_up() -> None:
    normalizer = Normalizer({"x": (2,)})
    normalizer.fit("x", torch.tensor([[5.0, 5.0], [5.00005, 5.001]]), "limits")
    scale = normalizer.state_dict()["params_dict.x.scale"]
    assert scale[0] == 1.0  # a range of 5e-5, below the published 1e-4
    assert scale[1] == pytest.approx(2000, rel=1e-2)


def test_an_unknown_key_of_the_normalizer_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'action'"):
        Normalizer({"action": (2,)}).normalize("actions", torch.zeros(2))


def test_the_windows_of_a_log_are_the_published_ones(meta: dict[str, Any]) -> None:
    golden = meta["sampler"]
    horizon, n_obs, n_executed = (
        golden["horizon"],
        golden["pad_before"] + 1,
        golden["pad_after"] + 1,
    )
    window = Window.of_horizon(horizon, n_obs, n_executed)
    starts = [0, *golden["episode_ends"]]
    lengths = np.diff(starts)
    index = WindowIndex(lengths, np.arange(len(lengths)), window)
    found = []
    for i in range(len(index)):
        episode, frame = index.locate(i)
        frames, is_padding = window.acted(frame, int(lengths[episode]))
        rows = np.flatnonzero(~is_padding)
        first, last = frames[rows[[0, -1]]] + starts[episode]
        found.append([first, last + 1, rows[0], rows[-1] + 1])
    assert found == golden["indices"]


def test_the_held_out_and_the_used_episodes_are_the_published_ones(meta: dict[str, Any]) -> None:
    golden = meta["sampler"]
    held_out = validation_mask(206, 0.02, seed=42)
    assert np.flatnonzero(held_out).tolist() == golden["val_mask_206_0p02_seed42"]
    training = limit_episodes(~held_out, 90, seed=42)
    assert training.sum() == 90
    assert np.flatnonzero(training)[:10].tolist() == golden["train90_first10"]


@given(st.integers(2, 300), st.floats(0.0, 1.0), st.integers(0, 99))
def test_something_is_left_to_train_on(n_episodes: int, ratio: float, seed: int) -> None:
    n_held_out = validation_mask(n_episodes, ratio, seed).sum()
    assert (n_held_out == 0) == (ratio == 0)
    assert n_held_out < n_episodes
