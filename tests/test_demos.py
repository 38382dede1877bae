"""`vla-bench demos`: what is kept and dropped, what is refused, and kills at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import vla_bench
from rich.console import Console
from toy_demos import recorded, settings

from vla_bench import demos, provenance
from vla_bench.data import lerobot_format
from vla_bench.data.lerobot_reader import LeRobotFolder
from vla_bench.episode import Outcome
from vla_bench.errors import ConfigError, MissingDependencyError, StoreError, VlaBenchError


@pytest.fixture(autouse=True)
def _the_commit_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written beside every episode, and others may commit meanwhile."""
    fixed = {"version": "0", "commit": "some", "dirty": False}
    monkeypatch.setattr(provenance, "commit", lambda: fixed)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the data set itself."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in ("data", "videos", "meta")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


def test_successes_become_the_data_set_and_failures_are_counted(tmp_path: Path) -> None:
    run = recorded(tmp_path / "toy")
    assert demos.summary(run) == (
        f"Kept 3 of 4 episodes (1 failures dropped), 15 frames: {tmp_path / 'toy'}"
    )
    assert run.records["walk-01-s0"].outcome is Outcome.FAILURE
    assert sorted(p.name for p in (tmp_path / "toy").iterdir()) == [
        "data",
        "meta",
        "rollouts",
        "videos",
    ]


def test_actions_carry_the_noise_and_labels_do_not(tmp_path: Path) -> None:
    recorded(tmp_path / "toy", policy={"noise": 0.1})
    executed = LeRobotFolder(tmp_path / "toy")[0].actions
    labels = LeRobotFolder(tmp_path / "toy", action="expert_action")[0].actions
    assert np.unique(labels, axis=0).tolist() == [[0.5, 1.0]]
    assert 0.03 < (executed - labels)[:, 0].std() < 0.3


def test_each_frame_has_the_words_that_were_said_then(tmp_path: Path) -> None:
    recorded(tmp_path / "toy", env={"_target_": "toy_demos.Turning"}, n=1)
    folder = LeRobotFolder(tmp_path / "toy")
    assert folder[0].instructions == ["go"] * 3 + ["go on"] * 2
    info = json.loads((tmp_path / "toy/meta/info.json").read_text())
    assert info["total_tasks"] == 2


def test_only_the_chosen_cameras_are_recorded(tmp_path: Path) -> None:
    recorded(tmp_path / "toy", cameras=["side"], n=1)
    assert list(LeRobotFolder(tmp_path / "toy").schema.cameras) == ["side"]


def test_the_same_command_again_finds_it_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "toy", n=2)
    before = contents(tmp_path / "toy")
    monkeypatch.setattr(demos, "evaluate", None)  # nothing is played any more
    recorded(tmp_path / "toy", n=2)
    assert contents(tmp_path / "toy") == before


def test_an_interrupted_assembly_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "whole")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("_write_videos", "_write_meta"):
        with monkeypatch.context() as patch:
            patch.setattr(f"vla_bench.data.lerobot_writer.{step}", die)
            with pytest.raises(KeyboardInterrupt):
                recorded(tmp_path / "cut")
    (tmp_path / "cut" / "videos").mkdir()  # killed between two renames
    (tmp_path / "cut" / "videos" / "leftover").touch()
    assert not (tmp_path / "cut" / "meta").exists()
    recorded(tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_an_episode_that_failed_once_is_played_again(tmp_path: Path) -> None:
    env = {"trouble": "once", "troubled": 2, "scratch": str(tmp_path)}
    with pytest.raises(VlaBenchError, match=r"1 of 4 episodes ended in an error, the first is wal"):
        recorded(tmp_path / "toy", env=env, max_errors=5)
    recorded(tmp_path / "toy", env=env, max_errors=5)
    dataset = LeRobotFolder(tmp_path / "toy")
    assert [dataset[i].id for i in range(3)] == ["walk-00-s0", "walk-02-s0", "walk-03-s0"]
    assert dataset.lengths.tolist() == [5, 5, 5]


def test_more_episodes_than_planned_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="n: expected 1 to 6, got 7: corridor-v0 plans 6 epis"):
        recorded(tmp_path / "toy", n=7)


def test_no_success_at_all_is_an_error_that_names_the_noise(tmp_path: Path) -> None:
    lost = {"lost": ["walk-00-s0", "walk-01-s0"]}
    with pytest.raises(VlaBenchError, match=r"None of 2 demonstrations succeeded: .*noise=\.\.\."):
        recorded(tmp_path / "toy", policy=lost, n=2)


def test_a_chunk_is_refused_since_its_frames_would_not_be_seen(tmp_path: Path) -> None:
    with pytest.raises(VlaBenchError, match="demonstrations need one action per question"):
        recorded(tmp_path / "toy", policy={"chunk": 2}, n=1)


def test_another_choice_in_the_same_folder_shows_the_difference(tmp_path: Path) -> None:
    recorded(tmp_path / "toy", n=1)
    with pytest.raises(StoreError, match=r'demonstrations\.images: "video" -> "png"'):
        recorded(tmp_path / "toy", n=1, images="png")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"images": "pgn"}, r"Unknown images 'pgn'\. Did you mean 'png'\? Valid: png, video"),
        ({"cameras": ["frnt"]}, r"Unknown camera of corridor-v0 'frnt'\. Did you mean 'front'\?"),
    ],
)
def test_misspelt_choices_get_the_nearest(
    changes: dict[str, object], text: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=text):
        recorded(tmp_path / "toy", **changes)


def test_an_env_without_an_expert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no expert to demonstrate it .* it offers: x\.$"):
        recorded(tmp_path / "toy", env={"_target_": "toy_demos.Orphan"})


def test_a_lost_staging_folder_says_so(tmp_path: Path) -> None:
    recorded(tmp_path / "toy", n=1)
    shutil.rmtree(tmp_path / "toy" / "meta")
    with pytest.raises(VlaBenchError, match=r"Expected the recorded episode .* which is gone"):
        recorded(tmp_path / "toy", n=1)


def test_without_pyarrow_the_install_line_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'vla-bench\[data\]'"):
        demos.record(settings(tmp_path / "toy"), Console(quiet=True))
    assert not (tmp_path / "toy").exists()
    monkeypatch.undo()
    assert lerobot_format.parquet()


CODE = """
import sys
from vla_bench import provenance
provenance.commit = lambda: {"version": "0", "commit": "some", "dirty": False}
from toy_demos import recorded
recorded(sys.argv[1], n=25, env={"n_episodes": 25, "horizon": 12, "step_seconds": 0.01})
"""


def launch(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(folder)], start_new_session=True, stdout=subprocess.DEVNULL
    )


def n_recorded(folder: Path) -> int:
    lines = folder / "rollouts" / "episodes.jsonl"
    return lines.read_bytes().count(b"\n") if lines.exists() else 0


def test_kills_at_random_moments_change_no_byte(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with launch(whole) as process:
        assert process.wait() == 0
    rng = random.Random(0)
    for _ in range(4):
        n_before = n_recorded(killed)
        target = n_before + rng.randint(1, 4)
        with launch(killed) as process:
            while n_recorded(killed) < target:
                assert process.poll() is None
                time.sleep(0.002)
            time.sleep(rng.uniform(0.0, 0.1))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert n_before < n_recorded(killed) < 25
    with launch(killed) as process:
        assert process.wait() == 0
    assert contents(killed) == contents(whole)
    assert n_recorded(killed) == n_recorded(whole) == 25
    assert not (killed / "staging").exists()


def test_the_verb_records_a_bundled_env_and_resumes(tmp_path: Path) -> None:
    command = ["demos", "policy=scripted", "env=widowx_simpler_tabletop", "n=1", "output=carrots"]
    done = vla_bench(
        *command, "env.tasks=[carrot_on_plate]", "env.image_size=[64,48]", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Kept 1 of 1 episodes (0 failures dropped), 60 frames: carrots" in done.stdout
    dataset = LeRobotFolder(tmp_path / "carrots")
    trajectory = dataset[0]
    assert trajectory.instructions[0] == "put carrot on plate"
    assert next(iter(dataset.schema.cameras.values())) == (48, 64)
    assert dataset.schema.state_names[0] == "tcp_pose.0"
    labels = LeRobotFolder(tmp_path / "carrots", action="expert_action")[0].actions
    np.testing.assert_array_equal(trajectory.actions, labels)  # policy=scripted: no noise
    camera = next(iter(dataset.schema.cameras))
    images = trajectory.images(camera, np.array([0, 30])).astype(int)
    assert np.abs(images[0] - images[1]).max() > 50  # the arm moved
    facts = json.loads((tmp_path / "carrots/meta/vla_bench.json").read_text())
    assert facts["env"]["card"]["control_hz"] == dataset.schema.control_hz


def test_the_verb_has_a_policy_of_its_own_and_checks_names(tmp_path: Path) -> None:
    done = vla_bench("demos", "--cfg", "job", "env=widowx_simpler_tabletop", "n=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "name: scripted_demonstrator" in done.stdout
    done = vla_bench("demos", "policy=scriptd", "env=widowx_simpler_tabletop", cwd=tmp_path)
    assert "Unknown policy 'scriptd'. Did you mean 'scripted'?" in done.stderr
    done = vla_bench("demos", "env=widowx_simpler_tabletop", cwd=tmp_path)
    assert "Please set: n=..." in done.stderr
