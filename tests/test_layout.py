"""The tree is what the design says: imports point one way, packages are listed, guards hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).resolve().parent.parent
MAPPED = {"vla_bench": "vla_bench", "policies": "vla_bench.policies", "envs": "vla_bench.envs"}
DATA = {"conf": "vla_bench.conf", "results/published": "vla_bench.published"}
# What a lane imports must run where only numpy and msgpack are installed.
LANE_SIDE = {
    "lane",
    "lane_child",
    "wire",
    "rollout",
    "protocols",
    "episode",
    "actions",
    "errors",
    "construct",
    "channel",
}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("vla_bench", ("vla_bench.policies", "vla_bench.envs", "torch", "transformers", "mujoco")),
        ("policies", ("vla_bench.envs", "mujoco")),
        ("envs", ("vla_bench.policies", "torch", "transformers")),
    ],
)
def test_imports_point_one_way(folder: str, forbidden: tuple[str, ...]) -> None:
    for path in modules(folder):
        for name in imports(path):
            bad = [f for f in forbidden if name == f or name.startswith(f + ".")]
            assert not bad, f"{path.relative_to(ROOT)} imports {name}"


def test_what_a_lane_imports_needs_numpy_and_msgpack_alone() -> None:
    for name in LANE_SIDE:
        for imported in imports(ROOT / "vla_bench" / f"{name}.py"):
            top = imported.split(".")[0]
            if top == "vla_bench":
                assert imported.split(".")[1] in LANE_SIDE, f"{name}.py imports {imported}"
            else:
                allowed = top in {"numpy", "msgpack"} or top in sys.stdlib_module_names
                assert allowed, f"{name}.py imports {imported}"


def test_the_listed_packages_are_the_tree() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = tool["packages"]
    assert listed == sorted(listed)
    found = {
        ".".join([package, *init.relative_to(ROOT / folder).parent.parts])
        for folder, package in {**MAPPED, **DATA}.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    data_only = {
        "vla_bench.conf." + ".".join(p.relative_to(ROOT / "conf").parts)
        for p in (ROOT / "conf").rglob("*")
        if p.is_dir() and p.name != "__pycache__"
    }
    assert set(listed) == found | data_only
    shipped = {package for package, names in tool["package-data"].items() if "*.yaml" in names}
    assert shipped == data_only | {"vla_bench.conf"}
    assert set(tool["package-dir"]) == {
        "vla_bench",
        "vla_bench.policies",
        "vla_bench.envs",
        "vla_bench.conf",
        "vla_bench.published",
    }


@pytest.mark.parametrize("package", ["policies", "envs", "conf"])
def test_a_bare_import_from_the_repository_root_fails(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {package}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"import vla_bench.{package} instead" in done.stderr


def test_every_requirement_has_its_line_in_the_decisions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    decisions = (ROOT / "docs" / "decisions.md").read_text()
    names = {line.split(">")[0].split("[")[0].split("=")[0].strip() for g in groups for line in g}
    missing = sorted(n for n in names if n != "vla-bench" and f"`{n}`" not in decisions)
    assert missing == []


def test_nothing_is_left_to_do_in_the_code() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + "Error")
    for folder in ("vla_bench", "policies", "envs"):
        for path in modules(folder):
            found = [mark for mark in marks if mark in path.read_text()]
            assert not found, f"{path.relative_to(ROOT)}: {found}"
