"""Properties of everything in `conf/`: no dead key, no hidden default, contracts kept."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml

from vla_bench.construct import locate

CONF = Path(__file__).resolve().parent.parent / "conf"
CONSTRUCTORS = sorted([*(CONF / "policy").glob("*.yaml"), *(CONF / "env").glob("*.yaml")])


@pytest.mark.parametrize("path", CONSTRUCTORS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_yaml_names_exactly_its_constructors_parameters(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    target = locate(config.pop("_target_"))
    assert set(config) == set(inspect.signature(target).parameters)


@pytest.mark.parametrize("path", CONSTRUCTORS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_constructor_has_no_default_beside_its_yaml(path: Path) -> None:
    target = locate(yaml.safe_load(path.read_text())["_target_"])
    parameters = inspect.signature(target).parameters.values()
    assert [p.name for p in parameters if p.default is not inspect.Parameter.empty] == []


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: p.stem)
def test_a_yaml_begins_with_a_line_that_says_what_it_is(path: Path) -> None:
    lines = [x for x in path.read_text().splitlines() if x != "# @package _global_"]
    assert lines[0].startswith("# ")
