"""One run end to end over the toy env: preflight, evaluation, videos, resume."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pytest
from rich.console import Console

from vla_bench import store
from vla_bench.construct import construct
from vla_bench.episode import Outcome
from vla_bench.errors import (
    ActionSpecError,
    ConfigError,
    PolicyError,
    StoreError,
    VlaBenchError,
)
from vla_bench.protocols import weights_of
from vla_bench.run import Settings, run

WALKER = {"_target_": "toys.Walker"}
CORRIDOR = {"_target_": "toys.Corridor"}


def play(folder: Path, **changes: Any) -> tuple[store.Run, str]:
    settings: dict[str, Any] = {
        "policy": WALKER,
        "env": CORRIDOR,
        "output": str(folder),
        "n_lanes": 2,
        "lane_python": None,
        "lane_timeout_seconds": 60.0,
        "image_check": True,
        "max_errors": 5,
        "n_videos": 0,
        **changes,
    }
    text = io.StringIO()
    return run(Settings(**settings), Console(file=text, width=200)), text.getvalue()


def test_a_run_holds_every_planned_episode_and_its_provenance(tmp_path: Path) -> None:
    finished, text = play(tmp_path)
    assert finished.pending == ()
    assert {r.outcome for r in finished.records.values()} == {Outcome.SUCCESS}
    assert {r.image_check for r in finished.records.values()} == {"passed"}
    assert finished.identity["env"]["card"]["tasks"]["walk"]["horizon"] == 5
    assert {"commit", "dirty", "packages", "machine", "command"} <= set(finished.sessions[0])
    assert "walker on corridor-v0: 6/6, success 100%" in text


def test_the_same_command_again_runs_nothing_twice(tmp_path: Path) -> None:
    play(tmp_path)
    before = (tmp_path / "episodes.jsonl").read_bytes()
    _, text = play(tmp_path)
    assert "0 episodes to run, 6 done" in text
    assert (tmp_path / "episodes.jsonl").read_bytes() == before


def test_a_run_is_not_continued_with_other_weights(tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights"
    policy = {"_target_": "toys.Trained", "checkpoint": str(checkpoint)}
    checkpoint.write_text("0.3")
    first, _ = play(tmp_path / "run", policy=policy)
    assert first.identity["policy"]["weights"] == "0.3"
    assert "0 episodes to run" in play(tmp_path / "run", policy=policy)[1]
    checkpoint.write_text("0.4")
    with pytest.raises(StoreError, match=r'policy\.weights: "0\.3" -> "0\.4"'):
        play(tmp_path / "run", policy=policy)


def test_weights_that_are_no_string_are_refused(tmp_path: Path) -> None:
    policy = {"_target_": "toys.Trained", "checkpoint": str(tmp_path / "weights")}
    (tmp_path / "weights").write_text("0.3")
    trained = construct(policy)
    trained.weights = [0.3]
    with pytest.raises(PolicyError, match="expected a string that names"):
        weights_of(trained)


def test_an_error_is_retried_by_the_same_command(tmp_path: Path) -> None:
    env = {**CORRIDOR, "trouble": "once", "scratch": str(tmp_path)}
    first, _ = play(tmp_path / "run", env=env)
    assert [spec.id for spec in first.pending] == ["walk-01-s0"]
    second, _ = play(tmp_path / "run", env=env)
    assert second.pending == ()


def test_too_many_errors_stop_the_run_and_show_the_last_one(tmp_path: Path) -> None:
    with pytest.raises(VlaBenchError) as caught:
        play(tmp_path, policy={**WALKER, "trouble": "raise"}, image_check=False, max_errors=2)
    text = str(caught.value)
    assert text.startswith("Stopped after 2 errors. The last one, in walk-")
    assert "ValueError: the policy fell over" in text
    assert text.endswith(f"Everything finished is in {tmp_path}; the same command goes on.")


def test_a_blind_policy_is_refused_unless_a_flag_says_so_in_every_record(tmp_path: Path) -> None:
    blind = {**WALKER, "trouble": "blind"}
    with pytest.raises(PolicyError, match="walker ignores its images"):
        play(tmp_path / "a", policy=blind)
    assert not (tmp_path / "a").exists()
    finished, _ = play(tmp_path / "b", policy=blind, image_check=False)
    assert {r.image_check for r in finished.records.values()} == {"skipped"}


def test_unequal_action_specs_stop_the_run_before_its_first_episode(tmp_path: Path) -> None:
    policy = {
        "_target_": "vla_bench.policies.uniform_random.UniformRandom",
        "name": "uniform_random",
        "action_spec": "delta_tcp_pose",
    }
    with pytest.raises(ActionSpecError) as caught:
        play(tmp_path / "run", policy=policy)
    assert str(caught.value).splitlines()[:2] == [
        "uniform_random and corridor-v0 disagree on what an action means (policy | env):",
        "  column 0: x [m, frame base, -0.05..0.05] | x [m, frame base, -1..1]",
    ]
    assert not (tmp_path / "run").exists()


def test_videos_show_the_first_episodes_of_each_outcome(tmp_path: Path) -> None:
    finished, _ = play(tmp_path, policy={**WALKER, "speed": 0.19}, n_videos=1)
    outcomes = {r.outcome for r in finished.records.values()}
    assert outcomes == {Outcome.SUCCESS, Outcome.FAILURE}
    films = sorted(path.stem for path in (tmp_path / "videos").iterdir())
    first = {o: min(i for i, r in finished.records.items() if r.outcome is o) for o in outcomes}
    assert films == sorted(first.values())
    with av.open(str(finished.video(films[0]))) as film:
        stream = film.streams.video[0]
        frames = [f.to_ndarray(format="rgb24") for f in film.decode(stream)]
    assert (stream.codec_context.name, len(frames), frames[0].shape) == ("h264", 5, (16, 16, 3))
    assert frames[-1].mean() > frames[0].mean(), "the corridor brightens on the way"


def test_replayed_actions_reproduce_every_outcome_bit_for_bit(tmp_path: Path) -> None:
    recorded, _ = play(tmp_path / "a", policy={**WALKER, "speed": 0.19, "history": 2})
    policy = {"_target_": "vla_bench.policies.replay.Replay", "run": str(tmp_path / "a")}
    replayed, _ = play(tmp_path / "b", policy=policy)
    for i, was in recorded.records.items():
        now = replayed.records[i]
        assert (now.outcome, now.score, now.events) == (was.outcome, was.score, was.events)
        assert now.actions.tobytes() == was.actions.tobytes()
    assert replayed.identity["policy"]["name"] == "replay of walker"


@pytest.mark.parametrize("n_lanes", [0, -1])
def test_no_lanes_is_refused(tmp_path: Path, n_lanes: int) -> None:
    with pytest.raises(ConfigError, match=rf"n_lanes: expected at least 1, got {n_lanes}\."):
        play(tmp_path, n_lanes=n_lanes)
