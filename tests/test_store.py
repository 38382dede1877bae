from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vla_bench import store
from vla_bench.episode import EpisodeRecord, EpisodeSpec, Fault, Outcome
from vla_bench.errors import StoreError

PLAN = tuple(EpisodeSpec(f"walk-{i}", "walk", i, 0) for i in range(3))
IDENTITY: dict[str, Any] = {
    "policy": {"name": "walker", "config": {"speed": 0.3}},
    "env": {"name": "c-v0"},
}


def record(spec: EpisodeSpec, outcome: Outcome = Outcome.SUCCESS) -> EpisodeRecord:
    actions = np.random.default_rng(spec.index).normal(size=(4, 2))
    return EpisodeRecord(
        spec, outcome, 1.0, {"moved": 2}, 4, 4, 0.1, 0.2, "walk", "ab12", "passed", actions
    )


def start(folder: Path, identity: dict[str, Any] = IDENTITY) -> store.RunWriter:
    return store.start(folder, identity, PLAN, {"command": "vla-bench eval"})


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    with start(tmp_path / "run") as writer:
        for spec in PLAN:
            writer.append(record(spec))
    run = store.read_run(tmp_path / "run")
    assert run.plan == PLAN
    assert run.identity == IDENTITY
    assert [s["command"] for s in run.sessions] == ["vla-bench eval"]
    assert run.pending == ()
    for spec in PLAN:
        assert np.array_equal(run.records[spec.id].actions, record(spec).actions)
        assert run.records[spec.id].to_dict() == record(spec).to_dict()


def test_counts_are_kept_and_runs_from_before_there_were_any_are_read(tmp_path: Path) -> None:
    with start(tmp_path) as writer:
        writer.append(replace(record(PLAN[0]), counts={"substituted_tokens": 3}))
        writer.append(record(PLAN[1]))
    lines = (tmp_path / "episodes.jsonl").read_text()
    assert lines.count('"counts":{}') + lines.count('"counts": {}') == 1
    old = lines.replace(',"counts":{}', "").replace(', "counts": {}', "")
    (tmp_path / "episodes.jsonl").write_text(old)
    records = store.read_run(tmp_path).records
    assert records[PLAN[0].id].counts == {"substituted_tokens": 3}
    assert records[PLAN[1].id].counts == {}


def test_a_run_without_its_actions_can_still_be_tabulated(tmp_path: Path) -> None:
    with start(tmp_path) as writer:
        writer.append(record(PLAN[0]))
    shutil.rmtree(tmp_path / "actions")
    assert store.read_run(tmp_path, actions=False).records[PLAN[0].id].success
    with pytest.raises(StoreError, match=r"line 1 cannot be read \(FileNotFoundError"):
        store.read_run(tmp_path)


def test_a_run_is_taken_up_where_it_stopped(tmp_path: Path) -> None:
    with start(tmp_path) as writer:
        writer.append(record(PLAN[1]))
    with start(tmp_path) as writer:
        assert writer.run.pending == (PLAN[0], PLAN[2])
        assert len(writer.run.sessions) == 2


def test_an_error_is_pending_again_and_its_successor_counts(tmp_path: Path) -> None:
    with start(tmp_path) as writer:
        writer.append(EpisodeRecord.of_error(PLAN[0], Fault.ENV, "it fell over"))
        assert store.read_run(tmp_path).pending == PLAN
        writer.append(record(PLAN[0]))
    assert store.read_run(tmp_path).records[PLAN[0].id].outcome is Outcome.SUCCESS
    assert store.read_run(tmp_path).pending == PLAN[1:]


@pytest.mark.parametrize("torn", [b'{"spec": {"id": "wal', b'{"spec"', b"{"])
def test_a_torn_last_line_is_tolerated_and_dropped_on_resume(tmp_path: Path, torn: bytes) -> None:
    with start(tmp_path) as writer:
        writer.append(record(PLAN[0]))
    with (tmp_path / "episodes.jsonl").open("ab") as stream:
        stream.write(torn)
    assert set(store.read_run(tmp_path).records) == {PLAN[0].id}
    with start(tmp_path) as writer:
        writer.append(record(PLAN[1]))
    assert set(store.read_run(tmp_path).records) == {PLAN[0].id, PLAN[1].id}


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    with start(tmp_path) as writer:
        writer.append(record(PLAN[0]))
    path = tmp_path / "episodes.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(StoreError, match=r"episodes\.jsonl, line 1 cannot be read"):
        store.read_run(tmp_path)


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    start(tmp_path).__exit__(None, None, None)
    other = {
        "policy": {"name": "walker", "config": {"speed": 0.5, "new": 1}},
        "env": {"name": "c-v0"},
    }
    with pytest.raises(StoreError) as caught:
        start(tmp_path, other)
    assert str(caught.value) == (
        f"{tmp_path} holds a run of another configuration (there -> asked for):\n"
        '  policy.config.new: "(absent)" -> 1\n'
        "  policy.config.speed: 0.3 -> 0.5\n"
        "Give this run a folder of its own with output=..., or delete that one."
    )


def test_another_plan_is_refused(tmp_path: Path) -> None:
    start(tmp_path).__exit__(None, None, None)
    with pytest.raises(StoreError, match=r"plan: 3 entries -> 2 entries"):
        store.start(tmp_path, IDENTITY, PLAN[:2], {})


def test_two_processes_cannot_write_to_one_run(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vla_bench import store;"
        "w = store.start(Path(sys.argv[1]), {}, (), {}); print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            StoreError, match=rf"being written by another process \(pid {holder.pid} on "
        ):
            store.start(tmp_path, {}, (), {})
        holder.kill()
    store.start(tmp_path, {}, (), {}).__exit__(None, None, None)  # the lock died with its holder


def test_a_full_disk_keeps_what_is_finished_and_says_what_to_do(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2])))
import test_store as t
try:
    with t.start(Path(sys.argv[1])) as writer:
        writer.append(t.record(t.PLAN[0]))
        size = (Path(sys.argv[1]) / "episodes.jsonl").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, size + 20))
        writer.append(t.record(t.PLAN[1]))
except t.StoreError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        f"Cannot write to {tmp_path}: File too large. Free space or fix the permissions, then run "
        "the same command again: every finished episode is kept.\n"
    )
    with start(tmp_path) as writer:
        assert writer.run.pending == PLAN[1:]
        writer.append(record(PLAN[1]))
    assert set(store.read_run(tmp_path).records) == {PLAN[0].id, PLAN[1].id}


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not a run: it has no run\.json"):
        store.read_run(tmp_path)


@pytest.mark.parametrize("bad", ["../up", "", "a b", "-x", "a/b"])
def test_an_episode_id_that_is_unsafe_as_a_file_name_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(StoreError, match="not safe as a file name"):
        store.start(tmp_path, {}, [EpisodeSpec(bad, "t", 0, 0)], {})


def test_a_plan_with_an_episode_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds episode 'walk-0' twice"):
        store.start(tmp_path, {}, [PLAN[0], replace(PLAN[1], id="walk-0")], {})


def test_nothing_that_json_cannot_hold_is_written(tmp_path: Path) -> None:
    with start(tmp_path) as writer, pytest.raises(ValueError, match="JSON"):
        writer.append(replace(record(PLAN[0]), score=float("nan")))
    assert json.loads((tmp_path / "run.json").read_text())["format"] == store.FORMAT
