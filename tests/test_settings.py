"""Rates in a benchmark's settings: means over the variants that an env's card declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from toy_runs import ToyRun

from vla_bench import report, stats, table
from vla_bench.merging import load
from vla_bench.settings import settings_table

LIGHT, DARK, CAMERA = "looks/light", "looks/dark", "looks/camera/low"
CARD = {
    "settings": {
        "title": "Toy settings",
        "groups": {"push or lift": ["push", "lift"], "drop": ["drop"]},
        "axes": {
            "looks": {
                "averaged": {task: [LIGHT, DARK] for task in ("push", "lift", "drop")},
                "apart": {"push": [CAMERA], "lift": [CAMERA]},
            },
            "never run": {"averaged": {"push": ["never run/x"]}, "apart": {}},
        },
    }
}


def run(variation: str, policy: str = "toy", **outcomes: str) -> ToyRun:
    return ToyRun(outcomes, policy=policy, card=CARD, variation=variation)


IN_LIGHT, IN_DARK = run(LIGHT, push="SSSf", lift="Sf"), run(DARK, push="SSff", lift="ff")
FROM_BELOW = run(CAMERA, push="ffff", lift="Sf")


def frame_of(tmp_path: Path, *runs: ToyRun) -> pd.DataFrame:
    loaded = load([each.write(tmp_path / str(i)) for i, each in enumerate(runs)])
    return settings_table(table.episodes(loaded), table.cards(loaded))


def the_row(frame: pd.DataFrame, **where: str) -> Mapping[str, Any]:
    where = {"task": "", "apart": "", **where}
    found = frame[(frame[list(where)] == pd.Series(where)).all(axis=1)]
    assert len(found) == 1
    return dict(found.iloc[0])


def test_a_groups_rate_is_the_mean_of_its_tasks_and_theirs_of_variants(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, IN_LIGHT, IN_DARK)
    assert the_row(frame, task="push")["rate"] == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert the_row(frame, task="lift")["rate"] == pytest.approx((1 / 2 + 0) / 2)
    group = the_row(frame, group="push or lift")
    assert group["rate"] == pytest.approx((5 / 8 + 1 / 4) / 2)
    assert (group["n_variants"], group["n_states"], group["n"]) == (2, 6, 12)
    assert group["setting"] == "looks"
    assert group["status"] == "complete"
    assert set(frame["group"]) == {"push or lift"}  # drop was not planned
    outcomes = [np.array([[1, 1], [1, 1], [1, 0], [0, 0]]), np.array([[1, 0], [0, 0]])]
    expected = stats.mean_over_variants(outcomes)
    assert (group["low"], group["high"]) == pytest.approx((expected.low, expected.high))


def test_what_stands_apart_is_shown_but_not_averaged(tmp_path: Path) -> None:
    without = frame_of(tmp_path / "a", IN_LIGHT, IN_DARK)
    with_it = frame_of(tmp_path / "b", IN_LIGHT, IN_DARK, FROM_BELOW)
    pd.testing.assert_frame_equal(without, with_it[with_it["apart"] == ""].reset_index(drop=True))
    row = the_row(with_it, group="push or lift", apart=CAMERA)
    assert row["rate"] == pytest.approx((0 + 1 / 2) / 2)
    assert row["n"] == 6


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        ([IN_LIGHT], "1 of 2 variants not run"),
        ([IN_LIGHT, replace(IN_DARK, outcomes={"push": "SS.E", "lift": "ff"})], "1 missing"),
        ([run(LIGHT, push="SS"), run(DARK, push="Sf")], "1 of 2 tasks not run"),
        (
            [IN_LIGHT, replace(IN_DARK, outcomes={"push": "SS", "lift": "ff"})],
            "initial states differ between variants",
        ),
    ],
)
def test_no_rate_is_given_for_less_than_the_whole_setting(
    tmp_path: Path, runs: list[ToyRun], status: str
) -> None:
    row = the_row(frame_of(tmp_path, *runs), group="push or lift")
    assert status in str(row["status"])
    assert str(row["status"]).startswith("incomplete: ")
    assert pd.isna(row["rate"])
    assert pd.isna(row["low"])


def test_settings_are_left_out_of_the_drops(tmp_path: Path) -> None:
    twins = run("none", push="SSSS", lift="SS")
    paler = run("visual/light/pale", push="SSff", lift="SS")
    runs = [twins, IN_LIGHT, IN_DARK, paler]
    folders = [each.write(tmp_path / str(i)) for i, each in enumerate(runs)]
    written = report.write(folders, tmp_path / "out")
    assert set(pd.read_csv(written.csv["drops"])["axis"]) == {"visual"}
    assert set(pd.read_csv(written.csv["settings"])["setting"]) == {"looks"}


def test_every_form_of_the_report_shows_the_settings(tmp_path: Path) -> None:
    other = run(LIGHT, policy="other_one", push="ffff", lift="ff")
    runs = [IN_LIGHT, IN_DARK, FROM_BELOW, other]
    folders = [each.write(tmp_path / str(i)) for i, each in enumerate(runs)]
    written = report.write(folders, tmp_path / "out")
    table_ = pd.read_csv(written.csv["settings"]).fillna({"task": "", "apart": ""})
    shown = the_row(table_, task="push", policy="toy")
    rate = f"62.5 % [{100 * shown['low']:.1f}, {100 * shown['high']:.1f}]"
    markdown = written.md.read_text()
    assert "## Settings" in markdown
    assert "### Toy settings, toy_env-v0" in markdown
    assert "| **looks** |  |  |" in markdown
    lacking = "incomplete: 1 of 2 variants not run"
    assert f"| &emsp;&emsp;push | {rate} (n = 8) | {lacking} |" in markdown
    assert "| &emsp;push or lift, apart: camera/low | 25.0 % [" in markdown
    page = written.html.read_text()
    assert 'href="#settings"' in page
    assert "Toy settings, toy_<wbr>env-v0" in page
    assert "push or lift, apart: camera/<wbr>low" in page
    assert page.count(lacking) == 3
    latex = written.tex.read_text()
    assert "\\multicolumn{3}{l}{looks} \\\\" in latex
    assert "\\quad \\quad push & 62.5 {\\footnotesize [" in latex
    assert "& not run \\\\" in latex


def test_a_report_without_settings_has_no_such_section(tmp_path: Path) -> None:
    plain = ToyRun({"push": "SSf"}, variation="looks/dark")
    written = report.write([plain.write(tmp_path / "a")], tmp_path / "out")
    assert "Settings" not in written.md.read_text() + written.html.read_text()
    assert "axis" in written.csv["drops"].read_text()
