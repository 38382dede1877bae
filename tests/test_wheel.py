"""The wheel holds everything that a run needs, and nothing of the repository is reached."""

from __future__ import annotations

import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """An environment with our wheel; its dependencies are borrowed from this one by path.

    A path in a .pth file is not searched for further .pth files, so our editable install, which is
    one of those, is not seen from there.
    """
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(root)]
    subprocess.run(command, check=True, capture_output=True)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    borrowed = next((folder / "venv" / "lib").glob("python*/site-packages")) / "borrowed.pth"
    borrowed.write_text("\n".join(site.getsitepackages()))
    return python


def run(python: Path, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [python, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_evaluates_and_reports(python: Path, tmp_path: Path) -> None:
    where = run(python, "-c", "import vla_bench.envs; print(vla_bench.envs.__file__)", cwd=tmp_path)
    assert "site-packages/vla_bench/envs" in where
    vla_bench = ("-m", "vla_bench.cli")
    env = ("env=widowx_simpler_tabletop", "env.n_episodes=1", "env.tasks=[stack_cube]")
    shown = run(python, *vla_bench, "eval", "policy=scripted", *env, "output=run", cwd=tmp_path)
    assert "1/1, success 100%" in shown
    beside = run(python, *vla_bench, "report", "run", "published=simpler_real", cwd=tmp_path)
    assert "Octo-Base ‡" in beside
    assert (tmp_path / "run" / "report" / "report.html").stat().st_size > 10_000


def test_the_wheel_lists_its_configuration(python: Path, tmp_path: Path) -> None:
    shown = run(python, "-m", "vla_bench.cli", "list", cwd=tmp_path)
    assert "env=widowx_simpler_tabletop" in shown
    assert "policy=scripted" in shown
