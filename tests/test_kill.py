"""Kill a run anywhere; taken up again it ends with exactly the planned records."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from vla_bench import store

CODE = """
import sys
from rich.console import Console
from vla_bench.run import Settings, run
run(Settings(
    policy={"_target_": "toys.Walker", "history": 2, "chunk": 2},
    env={"_target_": "toys.Corridor", "n_episodes": 40, "horizon": 8, "step_seconds": 0.003},
    output=sys.argv[1], n_lanes=2, lane_python=None, lane_timeout_seconds=60.0,
    image_check=True, max_errors=1, n_videos=1,
), Console())
"""


def facts(folder: Path) -> dict[str, Any]:
    times = {"policy_seconds", "env_seconds"}
    return {
        i: ({k: v for k, v in r.to_dict().items() if k not in times}, r.actions.tolist())
        for i, r in store.read_run(folder).records.items()
    }


def launch(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(folder)], start_new_session=True, stdout=subprocess.DEVNULL
    )


def test_ten_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with launch(whole) as process:
        assert process.wait() == 0
    rng = random.Random(0)
    for _ in range(10):
        with launch(killed) as process:
            time.sleep(rng.uniform(0.3, 1.2))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    with launch(killed) as process:
        assert process.wait() == 0
    assert facts(killed) == facts(whole)
    lines = (killed / "episodes.jsonl").read_bytes().splitlines()
    assert len(lines) == len(store.read_run(whole).plan) == 40
    names = {path.name for path in (whole / "videos").iterdir()}
    assert {path.name for path in (killed / "videos").iterdir()} == names
