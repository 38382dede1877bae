"""Published numbers beside a run: headed as what they are, and part of nothing that is computed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from toy_runs import ToyRun

from vla_bench import report
from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.errors import ConfigError
from vla_bench.report import published, wording

BRIDGE = "bridge_v2_tabletop-v0"
TWO = {"lift_eggplant": "SSff", "flip_pot_upright": "Sfff"}
OTHER = {"lift_eggplant": "ffff", "flip_pot_upright": "SSSS"}


def write(folder: Path, tables: list[str], *runs: ToyRun) -> report.Report:
    folders = [run.write(folder / f"run{i}") for i, run in enumerate(runs)]
    return report.write(folders, folder / "out", tables)


def test_each_published_policy_is_a_column_that_says_it_is_no_score(tmp_path: Path) -> None:
    written = write(tmp_path, ["openvla_bridge"], ToyRun(TWO, "mine", BRIDGE))
    md, html, tex = (p.read_text() for p in (written.md, written.html, written.tex))
    assert "| task | `mine` | *published ‡: RT-1-X* | *published ‡: Octo* |" in md
    assert "| `lift_eggplant` | 50.0 % [15.0, 85.0] (2/4) | 30.0 | 5.0 | 65.0 | 75.0 |" in md
    assert "- openvla_bridge: OpenVLA paper (arXiv:2406.09246v3), Table 4; success, half for" in md
    assert 'scope="colgroup" colspan="4" class="published group">' + wording.NOT_A_SCORE in html
    assert "\\multicolumn{4}{c}{published, not comparable$^\\ddagger$}" in tex
    assert "\\cmidrule(l){3-6}" in tex
    assert "OpenVLA ‡ 75.0 % published n = 10" in " ".join(written.table.split())
    for text in (md, html, written.table):
        assert wording.PUBLISHED in text


def test_a_published_number_changes_nothing_that_is_computed(tmp_path: Path) -> None:
    runs = (ToyRun(TWO, "mine", BRIDGE), ToyRun(OTHER, "yours", BRIDGE))
    without = write(tmp_path / "a", [], *runs)
    beside = write(tmp_path / "b", ["openvla_bridge"], *runs)
    assert set(beside.csv) - set(without.csv) == {"published"}
    for name in ("success", "comparisons", "drops", "funnel"):
        assert beside.csv[name].read_bytes() == without.csv[name].read_bytes()
    for one, other in zip(beside.figures, without.figures, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert wording.DOUBLE_DAGGER not in without.html.read_text()


def test_the_csv_file_names_the_published_row_and_its_source(tmp_path: Path) -> None:
    written = write(tmp_path, ["openvla_bridge"], ToyRun(TWO, "mine", BRIDGE))
    rows = pd.read_csv(written.csv["published"])
    chosen = (rows["task"] == "flip_pot_upright") & (rows["policy"] == "OpenVLA")
    (row,) = rows[chosen].to_dict("records")
    assert row["published_task"] == "Flip Pot Upright"
    assert (row["rate"], row["n"], row["status"]) == (0.8, 10, "verified")


def success(env: str, tasks: list[str], variation: str = "none") -> pd.DataFrame:
    """What `published.beside` reads of a success table."""
    return pd.DataFrame({"env": env, "variation": variation, "task": tasks})


def test_a_published_mean_stands_only_beside_a_mean_over_the_same_tasks() -> None:
    whole = [*SUITES[BRIDGE].tasks, "suite mean"]
    means = published.beside(["openvla_bridge"], success(BRIDGE, whole))
    rates = means[means["task"] == "suite mean"].set_index("policy")["rate"]
    assert dict(rates) == pytest.approx(
        {"RT-1-X": 0.185, "Octo": 0.2, "RT-2-X": 0.506, "OpenVLA": 0.706}
    )
    fewer = published.beside(["openvla_bridge"], success(BRIDGE, whole[1:]))
    assert "suite mean" not in set(fewer["task"])
    part = published.beside(["openvla_bridge_ablation"], success(BRIDGE, whole))
    assert len(set(part["task"])) == 8
    assert "suite mean" not in set(part["task"])


def test_partial_success_is_not_taken_for_success() -> None:
    env = "widowx_simpler_tabletop-v0"
    rows = published.beside(["simpler_visual_matching"], success(env, ["stack_cube"]))
    assert dict(zip(rows["policy"], rows["rate"]))["Octo-Small"] == pytest.approx(0.042)


def test_rows_of_a_third_party_say_so_in_their_heading() -> None:
    env = "widowx_simpler_tabletop-v0"
    rows = published.beside(["simpler_visual_matching"], success(env, ["stack_cube"]))
    titles = [column.title for column in published.columns(rows, env)]
    assert "OpenVLA (third-party run)" in titles
    assert "Octo-Base" in titles


def test_two_tables_are_told_apart() -> None:
    tables = ["openvla_bridge", "openvla_bridge_ablation"]
    rows = published.beside(tables, success(BRIDGE, ["lift_eggplant"]))
    titles = [column.title for column in published.columns(rows, BRIDGE)]
    assert titles[3:5] == ["openvla_bridge: OpenVLA", "openvla_bridge_ablation: OpenVLA"]


def test_nothing_stands_beside_a_varied_suite(tmp_path: Path) -> None:
    varied = ToyRun(TWO, "mine", BRIDGE, variation="visual/lighting/dim", first_seed=1)
    plain = ToyRun(TWO, "mine", BRIDGE)
    text = write(tmp_path, ["openvla_bridge"], plain, varied).md.read_text()
    _, nominal, shifted = text.split("\n### ")[:3]
    assert "published ‡" in nominal
    assert "published ‡:" not in shifted.split("\n\n")[1]


def test_an_unknown_table_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"published table 'openvla_brige'. Did you mean 'openvl"):
        write(tmp_path, ["openvla_brige"], ToyRun(TWO, "mine", BRIDGE))
    assert not (tmp_path / "out").exists()


def test_a_table_without_a_row_for_the_env_names_those_that_have_one() -> None:
    with pytest.raises(ConfigError) as caught:
        published.beside(["libero"], success("google_robot_tabletop-v0", ["pick_banana"]))
    assert str(caught.value) == (
        "published=libero has no row for any task of google_robot_tabletop-v0. Tables that have: "
        "openvla_google_robot."
    )


def test_every_table_of_rates_can_be_named() -> None:
    assert {"openvla_bridge", "libero", "rt2"} <= set(published.names())
    assert not {"tasks", "openvla_speed", "simpler_real_to_sim"} & set(published.names())
