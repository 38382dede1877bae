"""A lane under Python 3.10 with numpy 1.24: what SAPIEN's SIMPLER needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from toys import Walker

from vla_bench.episode import Outcome
from vla_bench.evaluate import evaluate
from vla_bench.lane import Lane, LaneConfig


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python 3.10 with numpy 1.24 and msgpack: made here, or named by VLA_BENCH_PYTHON310."""
    if named := os.environ.get("VLA_BENCH_PYTHON310"):
        return Path(named)
    candidates = [
        shutil.which("python3.10"),
        *map(str, Path.home().glob(".pyenv/versions/3.10.*/bin/python")),
    ]
    working = [
        c
        for c in candidates
        if c and subprocess.run([c, "-c", "0"], capture_output=True).returncode == 0
    ]
    if not working:
        pytest.skip("no python3.10 here (set VLA_BENCH_PYTHON310)")
    folder = tmp_path_factory.mktemp("python310")
    subprocess.run([working[0], "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "numpy==1.24.*", "msgpack"]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("numpy 1.24 cannot be installed here (no package index?)")
    return python


def test_a_lane_plays_under_python_3_10_and_numpy_1_24(old_python: Path) -> None:
    config = LaneConfig({"_target_": "toys.Corridor", "n_episodes": 3}, str(old_python), 60.0)
    lane = Lane(config)
    env = lane.describe(60)
    lane.close()
    here = LaneConfig(config.env, None, 60.0)
    old = {r.spec.id: r for r in evaluate(Walker(history=2), config, 2, env.episodes)}
    new = {r.spec.id: r for r in evaluate(Walker(history=2), here, 2, env.episodes)}
    assert {r.outcome for r in old.values()} == {Outcome.SUCCESS}
    for i, record in old.items():
        assert record.first_image_sha256 == new[i].first_image_sha256
        assert record.actions.tobytes() == new[i].actions.tobytes()
