"""What our small Diffusion Policies add to the published ones, and what their data leave out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_toys import INTERFACE, SPEC, Walks

from vla_bench.data.keyframes import n_until_idle
from vla_bench.errors import ConfigError
from vla_bench.policies.diffusion.encoder import ObservationEncoder
from vla_bench.policies.diffusion.model import DiffusionModel
from vla_bench.policies.diffusion.plain import from_plain, to_plain
from vla_bench.policies.diffusion.spec import (
    ConvSpec,
    KeyframeSpec,
    ModelSpec,
)
from vla_bench.policies.diffusion.targets import beyond_mishap
from vla_bench.policies.diffusion.training import DiffusionLearner, Start
from vla_bench.policies.training.data import Recorded

OBSERVATION = replace(SPEC.observation, vision=ConvSpec([8, 8, 8], 4))
SMALL = replace(SPEC, observation=OBSERVATION, keyframe=KeyframeSpec("tcp_pose", 0.5))


def _observed(n: int, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    shapes = {k: s for k, s in OBSERVATION.shapes.items() if k != "language"}
    observed = {k: torch.rand(n, SPEC.horizons.n_obs_steps, *s) for k, s in shapes.items()}
    return {**observed, "language": torch.randn(n, 8)}


def test_the_instruction_moves_the_keypoints_of_the_same_image() -> None:
    torch.manual_seed(0)
    encoder = ObservationEncoder(OBSERVATION)
    one = _observed(1, 0)
    twice = {k: v.repeat(2, *[1] * (v.ndim - 1)) for k, v in one.items()}
    twice["language"] = torch.randn(2, 1, 8).expand(2, SPEC.horizons.n_obs_steps, 8)
    with torch.no_grad():
        features = encoder(twice)
    keypoints = features[:, :, : 2 * 4]
    assert (keypoints[0] - keypoints[1]).abs().max() > 1e-3


def test_a_conv_encoder_without_an_instruction_is_refused() -> None:
    shapes = {"image": [3, 36, 36]}
    with pytest.raises(ConfigError, match="told what to look for"):
        replace(OBSERVATION, shapes=shapes, language=None)


def test_a_keyframe_of_an_unknown_vector_is_refused() -> None:
    with pytest.raises(ConfigError, match="tcp_pos"):
        replace(SPEC, keyframe=KeyframeSpec("tcp_pos", 1.0))


def test_a_small_spec_survives_its_checkpoint_and_an_old_one_has_no_keyframe() -> None:
    assert from_plain(to_plain(SMALL)) == from_plain(to_plain(from_plain(to_plain(SMALL))))
    old = {k: v for k, v in to_plain(SPEC).items() if k != "keyframe"}
    loaded = from_plain(old)
    assert isinstance(loaded, ModelSpec)
    assert loaded.keyframe is None


def test_the_keyframe_adds_its_weighted_error_to_the_loss() -> None:
    torch.manual_seed(0)
    model = DiffusionModel(SMALL)
    n, horizons = 3, SPEC.horizons
    noise = torch.randn(1, n, horizons.n_prediction, 7)
    steps = torch.tensor([1, 2, 3])
    batch = {
        **_observed(n, 1),
        "action": torch.randn(n, horizons.n_prediction, 7),
        "action_is_pad": torch.zeros(n, horizons.n_prediction, dtype=torch.bool),
        "keyframe": torch.randn(n, 7),
    }
    whole = model.loss_at(batch, noise, steps)
    far = model.loss_at({**batch, "keyframe": batch["keyframe"] + 10.0}, noise, steps)
    predicted = model.keyframe(model.condition(batch)[:, -1])
    gap = (predicted - batch["keyframe"]).square().mean()
    more = (predicted - batch["keyframe"] - 10.0).square().mean()
    assert (far - whole).item() == pytest.approx(0.5 * (more - gap).item(), rel=1e-4)


@pytest.mark.parametrize("conditions", [True, False])
def test_the_denoiser_is_told_the_keyframe_only_where_the_spec_says_so(conditions: bool) -> None:
    torch.manual_seed(0)
    assert SMALL.keyframe is not None
    spec = replace(SMALL, keyframe=replace(SMALL.keyframe, conditions=conditions))
    model, observed = DiffusionModel(spec).eval(), _observed(2, 1)
    pose = observed[SMALL.keyframe.key][:, -1:]
    head = model.keyframe.get_submodule("2")
    torch.nn.init.zeros_(head.get_parameter("weight"))
    told = []
    for height in (0.0, 0.5):
        torch.nn.init.constant_(head.get_parameter("bias"), height)
        told.append(model.condition(observed))
    n_features = model.encoder.n_features
    assert told[0].shape[-1] == n_features + (14 if conditions else 0)
    assert torch.equal(told[0], told[1]) != conditions
    if conditions:
        assert (told[1][..., n_features:-7] == 0.5).all()
        assert torch.allclose(told[1][..., -7:], (0.5 - pose).expand_as(told[1][..., -7:]))


def test_rows_after_a_mishap_are_not_learned_and_the_mishap_itself_is() -> None:
    mishap = np.array([False, False, True, False, False])
    assert beyond_mishap(mishap, np.array([0, 1, 2, 3]), 0).tolist() == [False, False, False, True]
    assert beyond_mishap(mishap, np.array([2, 3, 4]), 0).tolist() == [False, True, True]
    assert beyond_mishap(mishap, np.array([3, 4, 4]), 0).tolist() == [False, False, False]


def test_a_mishap_that_the_current_observation_shows_masks_nothing() -> None:
    mishap = np.array([True, False, True, False, False])
    shown = beyond_mishap(mishap, np.array([2, 3, 4]), 1)
    assert not shown.any()
    edge = beyond_mishap(mishap, np.array([0, 0, 1, 2]), 1)  # row 0 repeats the first frame
    assert edge.tolist() == [False, False, True, True]


class Slipped(Walks):
    """What was executed: in the first episode, frame 5 went wrong."""

    def __init__(self) -> None:
        super().__init__()
        actions = self._walks[0].actions.copy()
        actions[5] += 0.01
        self._walks[0] = replace(self._walks[0], actions=actions)


def test_a_learner_masks_what_answers_to_a_mishap_and_names_the_keyframe() -> None:
    torch.manual_seed(0)
    learner = DiffusionLearner(Start(SMALL, None), INTERFACE, Recorded(Walks(), Slipped()))
    by_place = {
        (s.episode, s.frame): s for s in (learner.samples[i] for i in range(len(learner.samples)))
    }
    masked = learner.prepare(by_place[0, 5])["action_is_pad"]  # rows are frames 4, 5, 6, 7
    assert masked.tolist() == [False, False, True, True]
    assert not learner.prepare(by_place[1, 5])["action_is_pad"].any()
    last = Walks()[0].states[-1, :7]
    np.testing.assert_array_equal(learner.prepare(by_place[0, 5])["keyframe"].numpy(), last)


def test_idle_frames_at_the_end_are_left_out() -> None:
    walks = Walks()
    for walk in walks._walks:
        walk.actions[:, 6] = 1.0
        walk.actions[6:, 6] = 0.0
    assert n_until_idle(walks, 3).tolist() == [9, 9, 9]
    assert n_until_idle(walks, 99).tolist() == [12, 13, 14]
