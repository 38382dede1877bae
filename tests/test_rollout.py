from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from toys import Corridor

from vla_bench.episode import EpisodeRecord, Outcome
from vla_bench.errors import EnvError
from vla_bench.protocols import FloatArray, Observation
from vla_bench.rollout import View, rollout

FRONT = View(("front",), history=1, privileged=False)


def walk(speed: float, chunk: int = 1) -> tuple[list[int], object]:
    lengths: list[int] = []

    def act(history: Sequence[Observation]) -> FloatArray:
        lengths.append(len(history))
        return np.tile([speed, 1.0], (chunk, 1))

    return lengths, act


def play(env: Corridor, speed: float, chunk: int = 1, view: View = FRONT) -> EpisodeRecord:
    return rollout(env, env.episodes()[0], walk(speed, chunk)[1], view)  # type: ignore[arg-type]


def test_the_outcome_is_that_of_the_last_step() -> None:
    assert play(Corridor(horizon=5), 0.3).outcome is Outcome.SUCCESS
    assert play(Corridor(horizon=5), 0.1).outcome is Outcome.FAILURE


def test_events_carry_the_step_at_which_they_were_first_reached() -> None:
    assert play(Corridor(horizon=5), 0.3).events == {"moved": 1, "arrived": 4}


def test_a_chunk_is_executed_open_loop_and_cut_at_the_horizon() -> None:
    record = play(Corridor(horizon=5), 0.1, chunk=3)
    assert (record.n_steps, record.n_inferences) == (5, 2)
    assert record.actions.shape == (5, 2)


def test_rows_inside_a_chunk_are_observed_only_for_a_history() -> None:
    for history, expected in ((1, [1, 1]), (3, [1, 3])):
        lengths, act = walk(0.1, chunk=3)
        env = Corridor(horizon=5)
        rollout(env, env.episodes()[0], act, View(("front",), history, False))  # type: ignore[arg-type]
        assert lengths == expected


def test_only_the_asked_cameras_are_shown_and_nothing_privileged() -> None:
    seen: list[Observation] = []

    def act(history: Sequence[Observation]) -> FloatArray:
        seen.append(history[-1])
        return np.zeros((5, 2))

    for view in (View((), 1, False), View(("side",), 1, True)):
        rollout(Corridor(), Corridor().episodes()[0], act, view)
    blind, privileged = seen
    assert (dict(blind.images), dict(blind.privileged)) == ({}, {})
    assert set(privileged.images) == {"side"}
    assert set(privileged.privileged) == {"x", "expert_action"}


def test_the_first_image_hash_does_not_depend_on_what_the_policy_sees() -> None:
    views = [FRONT, View((), 1, False), View(("side",), 2, True)]
    hashes = {play(Corridor(), 0.1, view=view).first_image_sha256 for view in views}
    assert len(hashes) == 1


def test_a_score_that_is_not_finite_is_the_envs_fault() -> None:
    with pytest.raises(EnvError, match=r"^Expected a score in \[0, 1\] at step 1, got nan\.$"):
        play(Corridor(trouble="nan", troubled=0), 0.1)


def test_a_record_survives_its_dictionary() -> None:
    record = play(Corridor(), 0.3)
    back = EpisodeRecord.from_dict(record.to_dict(), record.actions)
    nothing = np.zeros(0)
    assert np.array_equal(back.actions, record.actions)
    assert replace(back, actions=nothing).to_dict() == replace(record, actions=nothing).to_dict()
    assert (back.success, back.outcome) == (True, Outcome.SUCCESS)
