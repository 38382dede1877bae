from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from toys import Walker

from vla_bench.episode import EpisodeRecord, EpisodeSpec, Fault, Outcome
from vla_bench.errors import ConfigError, EnvError
from vla_bench.evaluate import evaluate
from vla_bench.lane import Lane, LaneConfig
from vla_bench.protocols import Policy
from vla_bench.rollout import View

PLAN = [EpisodeSpec(f"walk-{i:02d}-s0", "walk", i, 0) for i in range(6)]


def corridor(timeout_seconds: float = 60.0, **arguments: Any) -> LaneConfig:
    return LaneConfig({"_target_": "toys.Corridor", **arguments}, None, timeout_seconds)


def play(
    policy: Policy, config: LaneConfig, n_lanes: int = 2, todo: Sequence[EpisodeSpec] = PLAN
) -> dict[str, EpisodeRecord]:
    records = list(evaluate(policy, config, n_lanes, todo))
    assert len(records) == len({r.spec.id for r in records}), "an episode came twice"
    return {r.spec.id: r for r in records}


def facts(records: dict[str, EpisodeRecord]) -> dict[str, Any]:
    """Everything of the records that is not a time."""
    times = {"policy_seconds", "env_seconds"}
    return {
        i: ({k: v for k, v in r.to_dict().items() if k not in times}, r.actions.tolist())
        for i, r in records.items()
    }


def test_an_env_describes_itself_through_its_lane() -> None:
    lane = Lane(corridor(n_episodes=2))
    env = lane.describe(60)
    lane.close()
    assert (env.name, env.cameras) == ("corridor-v0", ("front", "side"))
    assert env.action_spec == Walker.action_spec
    assert env.episodes == tuple(PLAN[:2])


@pytest.mark.parametrize(("history", "chunk"), [(1, 1), (3, 1), (1, 4), (2, 3)])
def test_records_do_not_depend_on_the_number_of_lanes(history: int, chunk: int) -> None:
    one, four = (facts(play(Walker(history=history, chunk=chunk), corridor(), n)) for n in (1, 4))
    assert one == four
    assert set(one) == {spec.id for spec in PLAN}


def test_what_a_policy_counts_is_in_the_episodes_record() -> None:
    records = play(Walker(), corridor(horizon=7), n_lanes=3)
    assert {r.n_inferences for r in records.values()} != {0}
    assert all(r.counts == {"calls": r.n_inferences} for r in records.values())


def test_lanes_that_wait_together_are_answered_together() -> None:
    policy = Walker(act_seconds=0.02)
    play(policy, corridor(horizon=20), n_lanes=3)
    assert np.mean(policy.batch_sizes) > 2, policy.batch_sizes


def test_no_lane_waits_for_a_slow_one() -> None:
    """With a policy that answers at once, the fast lane must not be held to the slow one's pace."""
    policy = Walker()
    play(policy, corridor(horizon=20, step_seconds=0.01), n_lanes=2)
    assert np.mean(policy.batch_sizes) < 1.9, policy.batch_sizes


def test_policy_time_is_shared_by_the_batch() -> None:
    started = time.perf_counter()
    records = play(Walker(act_seconds=0.01), corridor(), n_lanes=2)
    elapsed = time.perf_counter() - started
    total = sum(r.policy_seconds for r in records.values())
    assert 0.0 < total < elapsed


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        ("crash", "RuntimeError: the simulator fell over"),
        ("eof", "EOFError: No data left in file"),
        ("exit", "The env's process ended with exit code 7."),
        ("segfault", 'toys.py", line'),
        ("hang", "The env said nothing for 1.5 s (it hangs?)."),
        ("nan", "Expected a score in [0, 1] at step 1, got nan."),
    ],
)
def test_an_env_that_breaks_costs_one_episode(trouble: str, text: str) -> None:
    records = play(Walker(), corridor(timeout_seconds=1.5, trouble=trouble))
    broken = records.pop("walk-01-s0")
    assert (broken.outcome, broken.fault, broken.success) == (Outcome.ERROR, Fault.ENV, None)
    assert text in str(broken.error)
    assert {r.outcome for r in records.values()} == {Outcome.SUCCESS}


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        ("raise", "ValueError: the policy fell over"),
        (
            "shape",
            "walker: expected a chunk of shape (h, 2) with h >= 1 (x, gripper_open), got (1, 3).",
        ),
        ("nan", "walker: expected finite actions, got [[nan, nan]]."),
    ],
)
def test_a_policy_that_breaks_in_a_batch_costs_only_its_own_episode(
    trouble: str, text: str
) -> None:
    whole = facts(play(Walker(), corridor()))
    policy = Walker(trouble=trouble, troubled="walk-01-s0", act_seconds=0.01)
    records = play(policy, corridor(), n_lanes=3)
    broken = records.pop("walk-01-s0")
    assert (broken.outcome, broken.fault) == (Outcome.ERROR, Fault.POLICY)
    assert text in str(broken.error)
    del whole["walk-01-s0"]
    assert facts(records) == whole


def test_a_policy_that_drops_a_request_is_refused() -> None:
    records = play(Walker(trouble="count"), corridor(n_episodes=1), n_lanes=1, todo=PLAN[:1])
    assert "walker: expected 1 chunks, one per request, got 0." in str(records["walk-00-s0"].error)


def test_an_env_that_refuses_its_config_stops_the_run_with_its_own_words() -> None:
    config = LaneConfig({"_target_": "toys.Corridor", "nonsense": 1}, None, 60)
    with pytest.raises(ConfigError, match=r"^toys\.Corridor refused its config: .*'nonsense'\.$"):
        play(Walker(), config)


def test_an_env_that_cannot_be_opened_stops_the_run_with_its_log() -> None:
    config = LaneConfig({"_target_": "toys.explode"}, None, 60)
    with pytest.raises(EnvError, match=r"(?s)cannot be opened, 3 attempts.*unsupported operand"):
        play(Walker(), config)


def test_an_interpreter_that_does_not_exist_is_named() -> None:
    config = LaneConfig({"_target_": "toys.Corridor"}, "/no/python", 60)
    with pytest.raises(EnvError) as caught:
        Lane(config)
    assert str(caught.value) == (
        "Cannot start the lane's interpreter '/no/python': No such file or directory. Set "
        "lane_python to a Python that has the env's packages, numpy and msgpack."
    )


def test_closing_the_iterator_ends_the_lanes() -> None:
    records = evaluate(Walker(), corridor(horizon=50, step_seconds=0.01), 2, PLAN)
    next(iter(records))
    lanes = [seat.lane for seat in records.gi_frame.f_locals["evaluation"]._seats]  # type: ignore[attr-defined]
    records.close()  # type: ignore[attr-defined]
    assert all(lane._process.returncode is not None for lane in lanes)


def test_a_lane_may_be_named_by_its_interpreter() -> None:
    config = LaneConfig({"_target_": "toys.Corridor"}, sys.executable, 60)
    assert len(play(Walker(), config)) == len(PLAN)


def test_a_lane_that_hangs_before_its_first_image_is_not_waited_for() -> None:
    lane = Lane(corridor(timeout_seconds=60, trouble="hang", troubled=0))
    try:
        (first, *_) = lane.describe(60).episodes
        with pytest.raises(EnvError, match=r"nothing for 0\.5 s at the start of walk-00-s0"):
            lane.first_question(first, View.of(Walker()), 0.5)
    finally:
        lane.close()
