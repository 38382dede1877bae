from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import vla_bench
from vla_bench import provenance


def test_a_session_says_when_how_with_what_and_where() -> None:
    session = provenance.session()
    json.dumps(session, allow_nan=False)
    assert {"started_at", "command", "version", "commit", "dirty", "packages", "machine"} == set(
        session
    )
    assert session["packages"]["numpy"] == __import__("numpy").__version__
    assert session["machine"]["n_cores"] == provenance.n_cores() >= 1
    assert session["machine"]["memory_gib"] > 0.1


def test_the_commit_is_the_repositorys(root: Path) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
    )
    assert provenance.commit()["commit"] == head.stdout.strip()


def test_the_command_is_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/bin/vla-bench", "eval", "policy=scripted"])
    assert provenance.command() == "vla-bench eval policy=scripted"


def test_the_packages_name_the_python() -> None:
    assert provenance.packages()["python"] == platform.python_version()


def test_a_distribution_without_a_name_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert provenance.packages()["numpy"] == __import__("numpy").__version__


def test_recorded_results_make_no_checkout_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, results = tmp_path / "vla_bench/__init__.py", tmp_path / "results/reference/a.json"
    for file in (package, results):
        file.parent.mkdir(parents=True)
        file.write_text("")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(vla_bench, "__file__", str(package))
    results.write_text("{}")
    assert provenance.commit()["dirty"] is False
    package.write_text("# changed")
    assert provenance.commit()["dirty"] is True
