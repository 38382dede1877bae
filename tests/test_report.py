"""The report as text: golden files, escaping, empty states, and which videos it carries."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from toy_runs import ToyRun, film

from vla_bench import report
from vla_bench.errors import StoreError
from vla_bench.report import canvas, latex, page, videos

GOLDEN = Path(__file__).parent / "golden" / "report"

TASKS = {
    "push_cube": {
        "instruction": "push the cube",
        "horizon": 60,
        "success": "the cube is in the zone",
        "events": ["touched", "moved_far"],
        "n_episodes": 6,
    },
    "lift_cube": {"instruction": "lift the cube", "horizon": 80, "events": ["grasped"]},
}
CARD = {
    "suite": "toys",
    "description": "Two tasks with a cube.",
    "control_hz": 5,
    "image_size": [64, 48],
    "source": "nobody@0000000",
    "seeds": [0],
    "tasks": TASKS,
}
SESSION = {
    "started_at": "2026-01-01T00:00:00+00:00",
    "command": "vla-bench eval policy=toy",
    "commit": "0123456789abcdef",
    "dirty": False,
    "packages": {"numpy": "2.0"},
    "machine": {"cpu": "a cpu"},
}
EXPERT = ToyRun(
    {"push_cube": "SSSSSS", "lift_cube": "SSSSSf"},
    "expert",
    privileged=True,
    card=CARD,
    session=SESSION,
    events=lambda _, outcome: {"touched": 1, "grasped": 1} if outcome.value == "success" else {},
)
LEARNED = replace(
    EXPERT,
    policy="learned_100%",
    privileged=False,
    outcomes={"push_cube": "SfSffS", "lift_cube": "fffffS"},
    session={**SESSION, "dirty": True},
)
BROKEN = replace(LEARNED, policy="broken", outcomes={"push_cube": "SSE...", "lift_cube": "SSSSff"})


def write(tmp_path: Path, *runs: ToyRun) -> report.Report:
    folders = [run.write(tmp_path / f"run{i}") for i, run in enumerate(runs)]
    return report.write(folders, tmp_path / "out")


@pytest.mark.parametrize("kind", ["md", "tex"])
def test_markdown_and_latex_are_as_approved(tmp_path: Path, kind: str) -> None:
    written = write(tmp_path, EXPERT, LEARNED, BROKEN)
    assert getattr(written, kind).read_text() == (GOLDEN / f"report.{kind}").read_text()


def test_the_terminal_table_is_as_approved(tmp_path: Path) -> None:
    written = write(tmp_path, EXPERT, LEARNED, BROKEN)
    assert written.table + "\n" == (GOLDEN / "report.txt").read_text()
    assert report.success_text([tmp_path / f"run{i}" for i in range(3)]) == written.table


def test_latex_prints_every_special_character_as_itself() -> None:
    assert latex.escape(r"a_b 5% {x} \y ~ ^ & # $") == (
        r"a\_b 5\% \{x\} \textbackslash{}y \textasciitilde{} \textasciicircum{} \& \# \$"
    )


def test_csv_files_hold_the_same_numbers_as_the_tables(tmp_path: Path) -> None:
    written = write(tmp_path, EXPERT, LEARNED, BROKEN)
    success = pd.read_csv(written.csv["success"])
    episodes = pd.read_csv(written.csv["episodes"])
    assert len(episodes) == 36
    solved = episodes[episodes["outcome"] == "success"].groupby(["policy", "task"]).size()
    tasks = success[(success["status"] == "complete") & (success["task"] != "suite mean")]
    counted = [solved.get((p, t), 0) for p, t in zip(tasks["policy"], tasks["task"])]
    assert counted == list(tasks["n_successes"])
    assert list(tasks["rate"]) == pytest.approx(list(tasks["n_successes"] / tasks["n_planned"]))


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path, EXPERT, LEARNED)
    once = {path.name: path.read_bytes() for path in first.html.parent.iterdir()}
    folders = [tmp_path / "run0", tmp_path / "run1"]
    again = report.write(folders, tmp_path / "out").html.parent
    assert {path.name: path.read_bytes() for path in again.iterdir()} == once


class Structure(HTMLParser):
    """Collects what the checks below ask for; fails on a tag closed out of turn."""

    VOID = ("meta", "link", "br", "wbr", "use", "path", "rect")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def structure(html: str) -> Structure:
    parsed = Structure()
    parsed.feed(html)
    assert parsed.open == []
    return parsed


def test_the_page_is_well_formed_accessible_and_self_contained(tmp_path: Path) -> None:
    html = write(tmp_path, EXPERT, LEARNED, BROKEN).html.read_text()
    parsed = structure(html)
    ids = [a["id"] for _, a in parsed.attributes if "id" in a]
    assert len(ids) == len(set(ids))
    assert all("scope" in a for tag, a in parsed.attributes if tag == "th")
    assert all(
        a.get("role") == "img" and a.get("aria-label") for t, a in parsed.attributes if t == "svg"
    )
    links = [a.get("src") or a.get("href") or a.get("xlink:href") for _, a in parsed.attributes]
    assert all(link.startswith(("#", "data:")) for link in links if link)
    assert "@import" not in html
    assert "<script" not in html


def test_text_from_runs_cannot_become_markup(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    run = replace(
        BROKEN,
        policy=evil,
        card={**CARD, "description": evil},
        config={"name": evil},
        session={"command": evil},
    )
    html = write(tmp_path, run).html.read_text()
    assert "<script" not in html
    assert "&lt;b&gt;no &amp; grip&lt;/b&gt;" in html


def test_every_session_of_a_run_is_named_in_markdown(tmp_path: Path) -> None:
    run = replace(EXPERT, session={**SESSION, "commit": "old", "dirty": True})
    first = write(tmp_path, run).md.read_text()
    path = tmp_path / "run0/run.json"
    head = json.loads(path.read_text())
    head["sessions"].append({**SESSION, "commit": "new"})
    path.write_text(json.dumps(head))
    again = report.write([tmp_path / "run0"], tmp_path / "again").md.read_text()
    assert "commit old with **uncommitted changes**" in first
    assert "commit old with **uncommitted changes**" in again
    assert "; commit new, image check" in again


def test_what_a_policy_counted_is_shown_with_its_run(tmp_path: Path) -> None:
    said = "substituted_tokens"
    plain = write(tmp_path / "plain", EXPERT)
    assert said not in plain.md.read_text() + plain.html.read_text()
    counting = write(tmp_path / "counting", replace(EXPERT, counts={said: 2}))
    counted = f"{said} 24 in 12 of 12 episodes"
    assert f"; the policy counted: {counted}" in counting.md.read_text()
    assert f"<dt>the policy counted</dt><dd>{counted}</dd>" in counting.html.read_text()


def test_uncommitted_changes_and_a_skipped_image_check_are_shown(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean", EXPERT).html.read_text()
    dirty = write(tmp_path / "dirty", LEARNED).html.read_text()
    assert "uncommitted changes" not in clean
    assert "uncommitted changes" in dirty
    run = tmp_path / "clean" / "run0" / "run.json"
    run.write_text(run.read_text().replace('"passed"', '"skipped"'))
    html = report.write([tmp_path / "clean" / "run0"], tmp_path / "skipped").html.read_text()
    assert "nothing shows that this policy reacts" in html


def test_absent_parts_are_named_as_absent(tmp_path: Path) -> None:
    html = write(tmp_path, ToyRun({"push": "SS"})).html.read_text()
    for sentence in (
        "Only one policy per suite: nothing to compare.",
        "No task of these envs lists sub-goals on its card.",
        "None were filmed.",
        "time not recorded",
    ):
        assert sentence in html


def test_a_run_of_nothing_but_errors_can_be_reported(tmp_path: Path) -> None:
    written = write(tmp_path, replace(EXPERT, outcomes={"push_cube": "EEEE"}))
    html = written.html.read_text()
    assert "No episode has finished." in html
    assert "incomplete: 4 errors" in html
    assert re.search(r"4 × expert: <code>ValueError", html)
    assert "0 of 4 planned episodes finished (4 errors)" in written.table


def test_a_card_is_shown_whatever_it_holds() -> None:
    card = {
        "image_size": [64, 48],
        "tasks": {},
        "proprio": {"tcp": "m", "joints": ["rad"]},
        "z": 1.5,
    }
    assert page.card_lines(card) == [
        ("image, px", "64 × 48"),
        ("proprio", "tcp: m; joints: rad"),
        ("z", "1.5"),
    ]


def test_the_summary_speaks_of_policies_that_a_robot_could_run(tmp_path: Path) -> None:
    alone = report.success_text([EXPERT.write(tmp_path / "expert")])
    assert alone.splitlines()[-1] == "12 of 12 planned episodes finished."
    other = replace(
        LEARNED, policy="other", outcomes={"push_cube": "SSSSSf", "lift_cube": "ffffff"}
    )
    folders = [run.write(tmp_path / run.policy) for run in (LEARNED, other)]
    summary = report.success_text([tmp_path / "expert", *folders]).splitlines()[-1]
    assert "highest success rate without privileged information: other, 41.7 % [" in summary


def test_a_run_without_any_record_can_be_reported(tmp_path: Path) -> None:
    assert "incomplete: 2 missing" in write(tmp_path, ToyRun({"push": ".."})).table


def test_figures_are_valid_svg_and_keep_every_name(tmp_path: Path) -> None:
    written = write(tmp_path, EXPERT, LEARNED, BROKEN)
    assert [path.name for path in written.figures] == ["success.svg", "funnel.svg"]
    for path in written.figures:
        text = "".join(ElementTree.fromstring(path.read_text()).itertext())
        assert all(name in text for name in ("expert", "learned_100%", "broken", "push_cube"))


def test_a_figure_of_too_many_bars_shows_the_suite_means_only(tmp_path: Path) -> None:
    tasks = {f"task{i}": "Sf" for i in range(61)}
    folders = [ToyRun(tasks, name).write(tmp_path / name) for name in "ab"]
    svg = report.write(folders, tmp_path / "out").figures[0].read_text()
    assert "suite mean" in svg
    assert "task0" not in svg


def test_inline_figures_take_their_colours_from_the_page() -> None:
    svg = f'<svg x="1"><g id="a" fill="{canvas.INK}"/><use href="#a" clip="url(#a)"/></svg>'
    assert canvas.inline(svg, "f1", 'a "label" & more') == (
        '<svg role="img" aria-label="a &quot;label&quot; &amp; more" x="1">'
        '<g id="f1-a" fill="var(--ink)"/><use href="#f1-a" clip="url(#f1-a)"/></svg>'
    )


def video_sources(html: str) -> list[str]:
    return [str(a["src"]) for tag, a in structure(html).attributes if tag == "video"]


def test_at_most_two_videos_per_outcome_are_shown(tmp_path: Path) -> None:
    folder = LEARNED.write(tmp_path / "run")
    film(folder, [f"push_cube-0{i}-s0" for i in range(6)])
    html = report.write([folder], tmp_path / "out").html.read_text()
    assert len(video_sources(html)) == 4
    assert html.count('<span class="badge success">success</span>') == 2
    assert "push_cube" in html


def test_videos_beyond_the_limit_are_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LEARNED.write(tmp_path / "run")
    film(folder, ["push_cube-00-s0", "push_cube-01-s0"])
    size = (folder / "videos" / "push_cube-00-s0.mp4").stat().st_size
    monkeypatch.setattr(videos, "EMBEDDED_BYTES", size)
    html = report.write([folder], tmp_path / "out").html.read_text()
    inside, linked = video_sources(html)
    assert inside.startswith("data:video/mp4;base64,")
    assert linked == "../run/videos/push_cube-01-s0.mp4"
    assert (tmp_path / "out" / linked).is_file()
    assert "linked, not inside this page" in html


def test_a_torn_video_is_left_out(tmp_path: Path) -> None:
    folder = LEARNED.write(tmp_path / "run")
    film(folder, ["push_cube-00-s0", "push_cube-01-s0"])
    torn = folder / "videos" / "push_cube-00-s0.mp4"
    torn.write_bytes(torn.read_bytes()[:100])
    assert len(video_sources(report.write([folder], tmp_path / "out").html.read_text())) == 1


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a run"):
        report.write([tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_importing_the_report_loads_nothing_heavy() -> None:
    heavy = ("matplotlib", "pandas", "scipy", "torch", "mujoco", "jinja2", "av")
    code = f"import sys, vla_bench.report; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reporting_needs_neither_torch_nor_a_simulator(tmp_path: Path) -> None:
    folder = EXPERT.write(tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from vla_bench.report import write\n"
        f"write([Path({str(folder)!r})], Path({str(tmp_path / 'out')!r}))\n"
        "print([m for m in ('torch', 'mujoco', 'sapien', 'gymnasium') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
