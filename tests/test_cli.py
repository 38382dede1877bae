from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import vla_bench

from vla_bench import __version__, store


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Somebody else's policy and env: their classes, their YAML, nothing registered."""
    for group, name, text in (
        ("policy", "walker", "# toy\n_target_: toys.Walker\nname: walker\nspeed: 0.3\n"),
        ("policy", "runner", "# toy\n_target_: toys.Walker\nname: runner\nspeed: 0.4\n"),
        ("policy", "plain", "# toy\n_target_: toys.Walker\nname: plain\n"),
        ("env", "corridor", "# toy\n_target_: toys.Corridor\nn_episodes: 3\ntrouble: none\n"),
        ("env", "hall", "# toy\n_target_: toys.Corridor\nn_episodes: 3\nhorizon: 9\n"),
    ):
        path = tmp_path / "plugin" / group / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "plugin"


def typed(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`vla_bench` in a process of its own, as a person starts it."""
    command, every = [sys.executable, "-m", "vla_bench.cli", *arguments], os.environ | environment
    return subprocess.run(command, cwd=cwd, env=every, capture_output=True, text=True, check=False)


def test_help_names_every_verb(tmp_path: Path) -> None:
    done = typed("--help", cwd=tmp_path)
    assert done.returncode == 0
    for verb in ("eval", "demos", "report", "list", "doctor"):
        assert f"vla-bench {verb}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["evla"],
            "ConfigError: Unknown verb 'evla'. Did you mean 'eval'? Valid: ",
        ),
        (
            ["eval", "policy=walkr", "env=corridor"],
            "ConfigError: Unknown policy 'walkr'. Did you mean 'walker'?",
        ),
        (
            ["eval", "policy=walker", "env=coridor"],
            "ConfigError: Unknown env 'coridor'. Did you mean 'corridor'?",
        ),
        (["eval", "env=corridor"], "ConfigError: Choose a policy: policy=<name>. Valid: "),
        (
            ["eval", "policy=walker", "env=corridor", "n_lane=2"],
            "ConfigError: Unknown config key 'n_lane'. Did you mean 'n_lanes'?",
        ),
        (
            ["eval", "policy=walker", "env=corridor", "policy.sped=2"],
            "Unknown config key 'policy.sped'. Did you mean 'policy.speed'?",
        ),
        (
            ["eval", "-m", "policy=walker,runer", "env=corridor"],
            "ConfigError: Unknown policy 'runer'. Did you mean 'runner'?",
        ),
        (
            ["eval", "-m", "policy=walker,plain", "env=corridor", "policy.speed=0.2,0.3"],
            "ConfigError: Unknown key of policy=plain env=corridor: 'policy.speed'.",
        ),
        (
            ["eval", "-m", "policy=walker", "env=hall,corridor", "env.horizon=4"],
            "ConfigError: Unknown key of policy=walker env=corridor: 'env.horizon'.",
        ),
        (
            ["eval", "-m", "policy=choice(walker,runer)", "env=corridor"],
            "ConfigError: Unknown policy 'runer'. Did you mean 'runner'?",
        ),
        (
            ["eval", "-m", "policy=glob(*wlker)", "env=corridor"],
            "ConfigError: Unknown policy 'glob(*wlker)'.",
        ),
        (["eval", "policy=replay", "env=corridor"], "ConfigError: Please set: policy.run=..."),
        (["eval", "policy=[", "env=corridor"], "ConfigError: Expected overrides like n_lanes=4"),
    ],
)
def test_a_misspelt_name_gets_the_nearest_valid_one(
    arguments: list[str], text: str, plugin: Path
) -> None:
    extra = ["--config-dir", str(plugin)] if arguments[0] == "eval" else []
    done = vla_bench(*arguments, *extra, cwd=plugin.parent)
    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_task_gets_the_nearest_valid_one(tmp_path: Path) -> None:
    command = (
        "eval",
        "policy=scripted",
        "env=widowx_simpler_tabletop",
        "env.tasks=[carot_on_plate]",
    )
    done = vla_bench(*command, cwd=tmp_path)
    assert done.returncode == 1
    assert "Unknown task 'carot_on_plate'. Did you mean 'carrot_on_plate'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    done = typed("report", "results/none", cwd=tmp_path)
    assert done.returncode == 1
    assert "StoreError: results/none is not a run: it has no run.json." in done.stderr


def test_somebody_elses_policy_and_env_run_and_resume(plugin: Path) -> None:
    command = [
        "eval",
        "--config-dir",
        str(plugin),
        "policy=walker",
        "env=corridor",
        "n_lanes=1",
        "n_videos=0",
        "output=mine",
    ]
    first = typed(*command, cwd=plugin.parent)
    assert first.returncode == 0, first.stderr
    assert "walker on corridor-v0: 3/3, success 100%" in first.stdout
    again = vla_bench(*command, cwd=plugin.parent)
    assert "0 episodes to run, 3 done, mine" in again.stdout
    sessions = store.read_run(plugin.parent / "mine").sessions
    assert [s["command"] for s in sessions] == [" ".join(["vla-bench", *command])]


def test_a_sweep_gives_each_cell_a_folder_that_the_same_sweep_finds_again(plugin: Path) -> None:
    command = [
        "eval",
        "-m",
        "--config-dir",
        str(plugin),
        "policy=walker,runner",
        "env=corridor",
        "n_videos=0",
    ]
    assert vla_bench(*command, cwd=plugin.parent).returncode == 0
    folders = sorted(path.parent for path in (plugin.parent / "results").rglob("run.json"))
    names = [store.read_run(folder).identity["policy"]["name"] for folder in folders]
    assert sorted(names) == ["runner", "walker"]
    again = vla_bench(*command, cwd=plugin.parent)
    assert again.stdout.count("0 episodes to run, 3 done") == 2
    for cwd in (plugin.parent, folders[0].parent):  # with and without a slash before the first =
        shown = vla_bench(
            "report", *(str(f.relative_to(cwd)) for f in folders), "output=r", cwd=cwd
        )
        assert shown.returncode == 0, shown.stderr
        assert (cwd / "r" / "report.html").is_file()


@pytest.mark.parametrize("swept", ["choice(walker,runner)", "glob(*er,exclude=*layer)"])
def test_values_inside_swept_groups_reach_every_cell(swept: str, plugin: Path) -> None:
    command = ["eval", "-m", "--config-dir", str(plugin), f"policy={swept}", "policy.trouble=null"]
    command += ["env=corridor,hall", "env.n_episodes=2", "n_videos=0", "n_lanes=1"]
    for name in ("walker", "runner"):
        with (plugin / "policy" / f"{name}.yaml").open("a") as stream:
            stream.write("trouble: none\n")
    done = vla_bench(*command, cwd=plugin.parent)
    assert done.returncode == 0, done.stderr
    runs = [store.read_run(p.parent) for p in (plugin.parent / "results").rglob("run.json")]
    names = sorted(run.identity["policy"]["name"] for run in runs)
    assert names == ["runner", "runner", "walker", "walker"]
    assert {len(run.plan) for run in runs} == {2}
    assert {run.sessions[0]["command"] for run in runs} == {" ".join(["vla-bench", *command])}
    assert all("env.n_episodes=2" in run.folder.name for run in runs)


def test_the_list_shows_what_there_is_and_the_users_own(plugin: Path) -> None:
    for arguments in (["--config-dir", str(plugin)], [f"--config-dir={plugin}"]):
        done = vla_bench("list", *arguments, cwd=plugin.parent)
        for name in ("policy=scripted", "policy=uniform_random", "policy=walker", "env=corridor"):
            assert name in done.stdout
    refused = vla_bench("list", "--config-dir=nowhere", cwd=plugin.parent)
    assert "expected a folder with policy/ or env/, got 'nowhere'" in refused.stderr
    assert vla_bench("--version", cwd=plugin.parent).stdout.strip() == __version__


def test_the_composed_configuration_can_be_shown(plugin: Path) -> None:
    done = vla_bench(
        "eval",
        "--cfg",
        "job",
        "--config-dir",
        str(plugin),
        "policy=walker",
        "env=corridor",
        cwd=plugin.parent,
    )
    assert done.returncode == 0, done.stderr
    assert "_target_: toys.Walker" in done.stdout


def test_an_experiment_chooses_policy_and_env(tmp_path: Path) -> None:
    shown = vla_bench("eval", "--cfg", "job", "+experiment=widowx_scripted", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "vla_bench.policies.scripted.Scripted" in shown.stdout
    wrong = vla_bench("eval", "+experiment=widowx_scriptd", cwd=tmp_path)
    assert "Unknown experiment 'widowx_scriptd'. Did you mean 'widowx_scripted'?" in wrong.stderr


def test_the_doctor_finds_this_machine_fit_and_says_what_it_saw(tmp_path: Path) -> None:
    done = vla_bench("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    for what in (
        "Python: ",
        "mujoco: ",
        "pyarrow[data]: ",
        "torch[diffusion]: ",
        "MuJoCo rendering: ",
        "H.264 videos: ",
        "free disk here: ",
    ):
        assert f"ok   {what}" in done.stdout
    assert re.search(r"(ok  |opt\.) robot meshes: ", done.stdout)
    assert "All that a run needs is here." in done.stdout


def test_the_doctor_names_the_fix_for_a_missing_gl_library(tmp_path: Path) -> None:
    environment = {"MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "egl", "EGL_PLATFORM": "none"}
    environment["__EGL_VENDOR_LIBRARY_DIRS"] = str(tmp_path)  # no vendor: as without a driver
    done = typed("doctor", cwd=tmp_path, **environment)
    assert done.returncode == 1, done.stdout
    assert "FIX  MuJoCo rendering: " in done.stdout
    assert "apt-get install" in done.stdout
