"""Every benchmark says what it is before it runs, and runs on no argument that it does not know."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
BENCHMARKS = sorted(path for path in FOLDER.glob("*.py") if "__main__" in path.read_text())


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_help_is_the_docstring_and_unknown_arguments_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    for argument, status in (("--help", 0), ("--unheard-of", 2)):
        monkeypatch.setattr(sys, "argv", [path.name, argument])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(path), run_name="__main__")
        assert left.value.code == status
    document = ast.get_docstring(ast.parse(path.read_text()), clean=False)
    assert document is not None
    assert document.strip() in capsys.readouterr().out


def test_the_experts_table_is_of_the_tasks_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    script, chosen = str(FOLDER / "expert.py"), ["--n-nominal", "1", "--n-random", "0"]
    monkeypatch.setattr(sys, "argv", [script, "--tasks", "flip_pot_upright", *chosen])
    runpy.run_path(script, run_name="__main__")
    printed = capsys.readouterr()
    assert "bridge_v2_tabletop-v0: flip_pot_upright" in printed.err
    assert "| flip_pot_upright | 1/1 " in printed.out
    monkeypatch.setattr(sys, "argv", [script, "--tasks", "flip_pots"])
    with pytest.raises(SystemExit):
        runpy.run_path(script, run_name="__main__")
    assert "invalid choice: 'flip_pots'" in capsys.readouterr().err
