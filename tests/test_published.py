"""results/published: every row says where it is from, every printed mean follows from its rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.table import SUITE_MEAN

FOLDER = Path(__file__).resolve().parent.parent / "results" / "published"
FILES = sorted(path for path in FOLDER.glob("*.csv") if path.stem != "tasks")
COLUMNS = ["benchmark", "group", "task", "policy", "metric", "value", "unit", "n", "stderr"]
COLUMNS += ["source", "status", "note"]
KEY = ["benchmark", "group", "task"]
STATUSES = {
    "verified",
    "derived",
    "secondary",
    "third-party run",
    "user report",
    "unverified",
    "conflicting",
}
PRINTED_MEANS = {  # the specification's list, in percent
    ("openvla_bridge", "bridge_v2"): "RT-1-X 18.5, Octo 20.0, RT-2-X 50.6, OpenVLA 70.6",
    ("openvla_google_robot", "google_robot"): "RT-1-X 33.3, Octo 26.7, RT-2-X 78.3, OpenVLA 85.0",
    ("openvla_franka", "franka_tabletop"): "Diffusion Policy 48.5, Diffusion Policy (matched) 43.4,"
    " Octo 43.4, OpenVLA (scratch) 43.4, OpenVLA 67.2",
    ("openvla_franka", "franka_droid"): "Diffusion Policy 35.0, Diffusion Policy (matched) 26.7, "
    "Octo 38.3, OpenVLA (scratch) 21.7, OpenVLA 58.3",
    ("openvla_franka_fine_tuning", "franka_tabletop"): "Full fine-tuning 69.7, Last layer only 30.3"
    ", Frozen vision 47.0, Sandwich 62.1, LoRA r=32 68.2, LoRA r=64 68.2",
    ("openvla_bridge_quantization", "bridge_v2"): "OpenVLA bf16, 5 Hz 71.3, OpenVLA int8, 5 Hz 58.1"
    ", OpenVLA int4, 5 Hz 71.9, OpenVLA bf16, blocking 70.0, OpenVLA int8, blocking 74.4, "
    "OpenVLA int4, blocking 68.8",
}


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def rates() -> list[Path]:
    return [path for path in FILES if list(read(path).columns) == COLUMNS]


def percent(rows: pd.DataFrame) -> pd.Series:
    """The values of `rows`, whatever their unit, in percent."""
    scale = rows["unit"].map({"percent": 1.0, "fraction": 100.0})
    scale = scale.fillna(100 / pd.to_numeric(rows["n"]))
    return rows["value"].astype(float) * scale


def rounding(rows: pd.DataFrame) -> float:
    """How far the least exact of `rows`, as printed, may be from what was measured, in percent."""
    worst = 0.0
    for _, row in rows.iterrows():
        digits = len(str(row["value"]).partition(".")[2])
        size = {"fraction": 100.0, "percent": 1.0, "successes": 0.0}[str(row["unit"])]
        worst = max(worst, size * 0.5 * 10.0**-digits)
    return worst


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_row_has_a_source_and_a_status(path: Path) -> None:
    rows = read(path)
    assert (rows["source"] != "").all()
    assert set(rows["status"]) <= STATUSES


@pytest.mark.parametrize("path", rates(), ids=lambda path: path.stem)
def test_every_rate_is_between_none_and_all_and_stands_once(path: Path) -> None:
    rows = read(path)
    assert percent(rows).between(0, 100).all()
    assert not rows.duplicated([*KEY, "policy", "metric"]).any()


@pytest.mark.parametrize("path", rates(), ids=lambda path: path.stem)
def test_every_printed_mean_follows_from_its_rows(path: Path) -> None:
    rows = read(path)
    means = rows[(rows["task"] == "mean") & ~rows["note"].str.startswith("its two rows give")]
    for (benchmark, group, policy), mean in means.groupby(["benchmark", "group", "policy"]):
        mine = rows[(rows["benchmark"] == benchmark) & (rows["policy"] == policy)]
        parts = mine[(mine["task"] != "mean") & (mine["metric"] == mean["metric"].iloc[0])]
        parts = parts[parts["group"] == group] if group else parts
        if parts.empty:
            continue
        n = pd.to_numeric(parts["n"]).fillna(1)
        found = float((percent(parts) * n).sum() / n.sum())
        printed = float(percent(mean).iloc[0])
        tolerance = rounding(mean) + rounding(parts)
        assert printed == pytest.approx(found, abs=tolerance + 1e-6), (group, policy)


@pytest.mark.parametrize(("name", "benchmark"), PRINTED_MEANS)
def test_the_means_are_those_of_the_specification(name: str, benchmark: str) -> None:
    rows = read(FOLDER / f"{name}.csv")
    chosen = rows[(rows["benchmark"] == benchmark) & (rows["task"] == "mean")]
    whole = chosen[chosen["group"] == ""]
    found = ", ".join(f"{p} {v}" for p, v in zip(whole["policy"], whole["value"]))
    assert found == PRINTED_MEANS[name, benchmark]


def test_every_task_that_stands_for_a_published_row_is_one_of_ours() -> None:
    suites = {
        name.rpartition("-v")[0]: {*suite.tasks, SUITE_MEAN} for name, suite in SUITES.items()
    }
    published = pd.concat([read(path) for path in rates()])
    rows = {tuple(key) for key in published[KEY].to_numpy()}
    mapping = read(FOLDER / "tasks.csv")
    for env, task, benchmark, group, name in mapping.itertuples(index=False):
        assert task in suites[env], (env, task)
        assert (benchmark, group, name) in rows
    assert not mapping.duplicated(["env", "task"]).any()


def test_the_paper_twins_stand_for_the_whole_of_their_tables() -> None:
    mapping = read(FOLDER / "tasks.csv")
    for env in ("bridge_v2", "google_robot", "franka", "franka_droid"):
        name = f"{env}_tabletop"
        mapped = set(mapping.loc[mapping["env"] == name, "task"])
        assert mapped == {*SUITES[f"{name}-v0"].tasks, SUITE_MEAN}


def test_the_readme_speaks_of_every_file() -> None:
    text = (FOLDER / "README.md").read_text()
    assert [path.stem for path in FILES if f"`{path.stem}`" not in text] == []


def test_no_value_of_the_source_tables_was_lost(shared: Path) -> None:
    """Of the tables that came as one row per value; the wide ones are checked by their means."""
    ours = {path.stem: read(path) for path in rates()}
    for name, column in (("diffusion_policy", "value"), ("rt2", "success_pct")):
        with (shared / "published" / "baselines" / f"{name}.csv").open() as file:
            theirs = sorted(float(row[column]) for row in csv.DictReader(file))
        assert sorted(ours[name]["value"].astype(float)) == theirs
