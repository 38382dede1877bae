"""Paired drops: what a variation costs against the same episodes without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from toy_runs import ToyRun

from vla_bench import report, stats, table
from vla_bench.generalization import drop_table
from vla_bench.merging import load

TWINS = ToyRun({"push": "SSSSSf", "lift": "SSff"})
DARK = replace(TWINS, outcomes={"push": "SSffSf", "lift": "SSfS"}, variation="visual/light/dark")
SIDE = replace(TWINS, outcomes={"push": "SSSSSf", "lift": "ffff"}, variation="visual/light/side")
FAR = replace(TWINS, outcomes={"push": "ffffff", "lift": "ffff"}, variation="motion/place/far")


def drops(tmp_path: Path, *runs: ToyRun) -> pd.DataFrame:
    folders = [run.write(tmp_path / str(i)) for i, run in enumerate(runs)]
    return drop_table(table.episodes(load(folders)))


def the_row(frame: pd.DataFrame, *where: str, policy: str = "toy") -> pd.Series:
    axis, factor, level = [*where, "", ""][:3]
    found = frame[
        (frame["axis"] == axis)
        & (frame["factor"] == factor)
        & (frame["level"] == level)
        & (frame["policy"] == policy)
    ]
    assert len(found) == 1
    return found.iloc[0]


def test_a_levels_drop_is_that_of_its_pairs_with_twins(tmp_path: Path) -> None:
    row = the_row(drops(tmp_path, TWINS, DARK), "visual", "light", "dark")
    counts = [stats.PairedCounts(3, 2, 0, 1), stats.PairedCounts(2, 0, 1, 1)]
    expected = stats.paired_difference(counts)
    assert (row["drop"], row["low"], row["high"]) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )
    assert row["drop"] == pytest.approx((2 / 6 - 1 / 4) / 2)
    assert row["nominal"] - row["varied"] == pytest.approx(row["drop"])
    assert (row["n"], row["n_tasks"], row["only_nominal"], row["only_varied"]) == (10, 2, 2, 1)
    assert row["status"] == "complete"


def test_factors_and_axes_are_means_as_wide_as_what_is_below_them(tmp_path: Path) -> None:
    table_ = drops(tmp_path, TWINS, DARK, SIDE, FAR)
    dark, side = (the_row(table_, "visual", "light", level) for level in ("dark", "side"))
    factor, axis = the_row(table_, "visual", "light"), the_row(table_, "visual")
    for name in ("drop", "low", "high", "nominal", "varied"):
        assert factor[name] == pytest.approx((dark[name] + side[name]) / 2)
        assert axis[name] == factor[name]
    assert factor["n"] == 20
    order = [
        "/".join(filter(None, w)) for w in zip(*(table_[c] for c in ("axis", "factor", "level")))
    ]
    assert order == [
        "visual",
        "visual/light",
        "visual/light/dark",
        "visual/light/side",
        "motion",
        "motion/place",
        "motion/place/far",
    ]


def test_a_variation_of_one_task_is_held_against_the_twins_of_that_task_alone(
    tmp_path: Path,
) -> None:
    row = the_row(drops(tmp_path, TWINS, replace(DARK, outcomes={"lift": "SSff"})), "visual")
    assert (row["drop"], row["n"], row["n_tasks"]) == (0.0, 4, 1)


@pytest.mark.parametrize(
    ("twins", "varied", "status"),
    [
        ("SS.", "SSS", "incomplete: of the twins 1 missing"),
        ("SSS", "SE.", "incomplete: 1 missing, 1 error"),
        ("SS", "SSS", "incomplete: 1 of 3 without a twin"),
    ],
)
def test_no_drop_is_given_before_both_of_every_pair_have_finished(
    tmp_path: Path, twins: str, varied: str, status: str
) -> None:
    nominal = replace(TWINS, outcomes={"push": twins})
    table_ = drops(tmp_path, nominal, replace(DARK, outcomes={"push": varied}))
    for where in (("visual",), ("visual", "light"), ("visual", "light", "dark")):
        row = the_row(table_, *where)
        assert row["status"] == status
        assert pd.isna(row["drop"])
        assert pd.isna(row["low"])


def test_without_any_twins_nothing_is_paired(tmp_path: Path) -> None:
    assert (
        the_row(drops(tmp_path, DARK), "visual")["status"] == "incomplete: 10 of 10 without a twin"
    )


def test_twins_share_the_seed_and_the_policy(tmp_path: Path) -> None:
    other = replace(TWINS, policy="other", outcomes={"push": "ffffff", "lift": "ffff"})
    table_ = drops(tmp_path, TWINS, other, DARK)
    assert set(table_["policy"]) == {"toy"}
    later = replace(DARK, first_seed=5)
    assert the_row(drops(tmp_path / "b", TWINS, later), "visual")["status"] == (
        "incomplete: 10 of 10 without a twin"
    )


def test_runs_that_differ_in_their_variation_alone_stand_in_one_report(tmp_path: Path) -> None:
    card = {"horizon": 5, "tasks": {}, "variations": {"none": "as it is"}}
    dark_card = {**card, "variations": {"visual/light/dark": "no light"}}
    runs = [
        replace(TWINS, card=card, env_config={"variation": "none"}).write(tmp_path / "a"),
        replace(DARK, card=dark_card, env_config={"variation": "visual"}).write(tmp_path / "b"),
    ]
    merged = table.cards(load(runs))["toy_env-v0"]["variations"]
    assert merged == {"visual/light/dark": "no light", "none": "as it is"}


def test_the_report_shows_each_drop_with_its_interval(tmp_path: Path) -> None:
    folders = [r.write(tmp_path / str(i)) for i, r in enumerate((TWINS, DARK, SIDE, FAR))]
    written = report.write(folders, tmp_path / "out")
    row = the_row(pd.read_csv(written.csv["drops"], keep_default_na=False), "motion")
    assert float(row["drop"]) == pytest.approx((5 / 6 + 2 / 4) / 2)
    markdown = written.md.read_text()
    assert "## Generalization" in markdown
    assert "| **motion** | +66.7 [" in markdown
    assert "| &emsp;&emsp;dark | +4.2 [−" in markdown
    page = written.html.read_text()
    assert 'href="#generalization"' in page
    assert page.count('<th scope="row" class="depth-3">') == 3
    assert page.count("<details><summary>toy_<wbr>env-v0, visual") == 2
    assert [path.name for path in written.figures if "generalization" in path.name] == [
        "generalization.svg"
    ]


def test_a_report_without_variations_has_no_such_section(tmp_path: Path) -> None:
    written = report.write([TWINS.write(tmp_path / "a")], tmp_path / "out")
    assert "eneralization" not in written.md.read_text() + written.html.read_text()
    assert not any("generalization" in path.name for path in written.figures)


def test_a_drop_that_is_not_complete_says_so_in_every_form(tmp_path: Path) -> None:
    written = report.write([DARK.write(tmp_path / "a")], tmp_path / "out")
    assert "10 of 10 without a twin" in written.md.read_text()
    assert "10 of 10 without a twin" in written.html.read_text()
    (figure,) = (path for path in written.figures if "generalization" in path.name)
    assert "incomplete" in figure.read_text()
