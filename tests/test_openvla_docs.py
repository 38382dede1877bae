"""docs/evaluate_openvla.md: its script and its last command run, every option is on it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vla_bench import store


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "evaluate_openvla.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}  # two threads wait on each other when busy
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tiny_model_predicts_and_is_evaluated_as_shown(page: str, tmp_path: Path) -> None:
    (script,) = blocks(page, "python")
    assert run([sys.executable, "-c", script], tmp_path).endswith("(2, 7)\n")
    command = shlex.split(blocks(page, "bash")[-1])
    assert command[0] == "vla-bench"
    run([sys.executable, "-m", "vla_bench.cli", *command[1:], "output=run"], tmp_path)
    (record,) = store.read_run(tmp_path / "run").records.values()
    assert record.n_inferences == record.n_steps > 0
    assert record.image_check == "passed"


def test_every_option_of_the_yaml_that_moves_numbers_is_on_the_page(page: str, root: Path) -> None:
    text = (root / "conf/policy/openvla.yaml").read_text()
    for key in re.findall(r"^(\w+):", text, flags=re.MULTILINE):
        if key not in {"_target_", "camera", "robot"}:
            assert f"policy.{key}" in page, key
    for option in set(re.findall(r"policy\.(\w+)[=`]", page)):
        assert re.search(rf"^{option}:", text, flags=re.MULTILINE), option
