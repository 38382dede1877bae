"""From run folders to frames: what counts, what is withheld, what may not stand together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from toy_runs import ToyRun

from vla_bench import stats, table
from vla_bench.comparison import comparison_table, detectable_table
from vla_bench.errors import StoreError
from vla_bench.merging import load


def frame_of(tmp_path: Path, *runs: ToyRun) -> pd.DataFrame:
    folders = [run.write(tmp_path / str(i)) for i, run in enumerate(runs)]
    return table.episodes(load(folders))


def the_row(frame: pd.DataFrame, **wanted: str) -> pd.Series:
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def compare(tmp_path: Path, *runs: ToyRun) -> pd.DataFrame:
    return comparison_table(frame_of(tmp_path, *runs))


def test_every_planned_episode_has_a_row_also_those_that_never_ran(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, ToyRun({"push": "SfE."}))
    assert list(frame["outcome"]) == ["success", "failure", "error", "missing"]
    assert list(frame["success"].isna()) == [False, False, True, True]
    assert list(frame["id"]) == [f"push-0{i}-s0" for i in range(4)]
    assert frame["fault"].iloc[2] == "policy"


def test_a_complete_task_has_its_wilson_rate(tmp_path: Path) -> None:
    row = the_row(table.success_table(frame_of(tmp_path, ToyRun({"push": "SSfS"}))))
    expected = stats.wilson(3, 4)
    assert (row["rate"], row["low"], row["high"]) == (0.75, expected.low, expected.high)
    assert (row["n_planned"], row["n_successes"], row["status"]) == (4, 3, "complete")
    assert row["score"] == pytest.approx((3 * 1.0 + 0.5) / 4)


@pytest.mark.parametrize(
    ("letters", "status"),
    [
        ("SS..", "incomplete: 2 missing"),
        ("SSSE", "incomplete: 1 error"),
        ("SEE.", "incomplete: 1 missing, 2 errors"),
        ("EEEE", "incomplete: 4 errors"),
    ],
)
def test_no_rate_is_given_before_every_planned_episode_has_finished(
    tmp_path: Path, letters: str, status: str
) -> None:
    row = the_row(table.success_table(frame_of(tmp_path, ToyRun({"push": letters}))))
    assert row["status"] == status
    assert all(math.isnan(row[name]) for name in ("rate", "low", "high", "score"))
    assert row["n_finished"] == letters.count("S")


def test_the_suite_mean_weighs_tasks_equally(tmp_path: Path) -> None:
    success = table.success_table(frame_of(tmp_path, ToyRun({"push": "SSSS", "lift": "ffffffff"})))
    row = the_row(success, task=table.SUITE_MEAN)
    expected = stats.suite_mean([(4, 4), (0, 8)])
    assert (row["rate"], row["low"], row["high"]) == (0.5, expected.low, expected.high)
    assert row["n_planned"] == 12


def test_one_unfinished_task_withholds_the_suite_mean_only(tmp_path: Path) -> None:
    success = table.success_table(frame_of(tmp_path, ToyRun({"push": "SS", "lift": "S."})))
    assert the_row(success, task="push")["rate"] == 1.0
    assert the_row(success, task=table.SUITE_MEAN)["status"] == "incomplete: 1 missing"


def test_a_task_that_only_another_policy_ran_withholds_the_suite_mean(tmp_path: Path) -> None:
    runs = ToyRun({"push": "SS", "lift": "SS"}, "both"), ToyRun({"push": "SS"}, "one")
    success = table.success_table(frame_of(tmp_path, *runs))
    row = the_row(success, policy="one", task=table.SUITE_MEAN)
    assert row["status"] == "incomplete: 1 of 2 tasks not run"
    assert math.isnan(row["rate"])
    assert the_row(success, policy="one", task="lift")["status"] == "incomplete: not run"


def test_a_single_task_has_no_suite_mean(tmp_path: Path) -> None:
    success = table.success_table(frame_of(tmp_path, ToyRun({"push": "SS"})))
    assert list(success["task"]) == ["push"]


def test_variations_are_suites_of_their_own(tmp_path: Path) -> None:
    dark = ToyRun({"push": "ff"}, "b", variation="light/dim/2")
    success = table.success_table(frame_of(tmp_path, ToyRun({"push": "SS"}, "a"), dark))
    assert list(success["variation"]) == ["none", "light/dim/2"]
    assert list(success["rate"]) == [1.0, 0.0]


def test_equal_identities_with_other_seeds_are_put_together(tmp_path: Path) -> None:
    more = replace(ToyRun({"push": "ff"}), first_seed=1)
    frame = frame_of(tmp_path, ToyRun({"push": "SS"}), more)
    assert the_row(table.success_table(frame))["n_planned"] == 4


def part(task: str, seed: int, **config: object) -> ToyRun:
    """What one of several jobs makes of an evaluation that is split by tasks and seeds."""
    card = {"seeds": [seed], "tasks": {task: {"horizon": 9, "n_episodes": 2}}}
    chosen = {"tasks": [task], "seeds": [seed], "n_episodes": 2, **config}
    return ToyRun({task: "SS"}, card=card, env_config=chosen, first_seed=seed)


def test_parts_of_an_evaluation_are_put_together(tmp_path: Path) -> None:
    parts = [part(task, seed) for task in ("push", "lift") for seed in (0, 1)]
    runs = load([p.write(tmp_path / str(i)) for i, p in enumerate(parts)])
    success = table.success_table(table.episodes(runs))
    assert list(success["n_planned"]) == [4, 4, 8]
    card = table.cards(runs)["toy_env-v0"]
    assert (set(card["tasks"]), card["seeds"]) == ({"push", "lift"}, [0, 1])


def refusal(tmp_path: Path, *runs: ToyRun) -> str:
    folders = [run.write(tmp_path / str(i)) for i, run in enumerate(runs)]
    with pytest.raises(StoreError) as raised:
        load(folders)
    return str(raised.value).replace(str(tmp_path), "")


def test_one_policy_name_with_two_weights_is_refused(tmp_path: Path) -> None:
    first, second = (ToyRun({"push": "S"}, first_seed=i, weights=f"w{i}") for i in (0, 1))
    assert 'policy.weights: "w0" -> "w1"' in refusal(tmp_path, first, second)


def test_one_policy_name_with_two_configurations_is_refused(tmp_path: Path) -> None:
    first, second = (ToyRun({"push": "S"}, config={"chunk": n}, first_seed=n) for n in (1, 8))
    assert refusal(tmp_path, first, second) == (
        "/0 and /1 both call themselves policy 'toy' on 'toy_env-v0', but their configurations "
        "differ (first -> second):\n  policy.config.chunk: 1 -> 8\nEvaluate one of them again "
        "under a name of its own (policy.name=...), or report them apart."
    )


def test_parts_that_differ_in_more_than_their_episodes_are_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, part("push", 0, look="fast"), part("push", 1, look="default"))
    assert 'differ (first -> second):\n  env.config.look: "fast" -> "default"\nEval' in text


def test_the_same_episode_in_two_folders_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, ToyRun({"push": "SS"}), ToyRun({"push": "S"})) == (
        "/0 and /1 both hold episode 'push-00-s0' of policy 'toy' on 'toy_env-v0'. "
        "Give only one of them."
    )


def test_one_env_name_with_two_protocols_is_refused(tmp_path: Path) -> None:
    first, second = (
        ToyRun({"push": "S"}, policy, card={"seeds": policy, "tasks": {"push": {"horizon": h}}})
        for policy, h in (("a", 60), ("b", 120))
    )
    assert refusal(tmp_path, first, second) == (
        "/0 and /1 both call their env 'toy_env-v0', but its protocols differ (first -> second):\n"
        "  tasks.push.horizon: 60 -> 120\nA rate means nothing across protocols: evaluate both "
        "under one, or report them apart."
    )


def test_a_subset_of_tasks_and_episodes_is_the_same_protocol(tmp_path: Path) -> None:
    small = {"tasks": {"push": {"horizon": 9, "n_episodes": 1}}}
    large = {"tasks": {"push": {"horizon": 9, "n_episodes": 5}, "lift": {"horizon": 7}}}
    runs = [ToyRun({"push": "S"}, "a", card=small), ToyRun({"lift": "S"}, "b", card=large)]
    loaded = load([run.write(tmp_path / run.policy) for run in runs])
    assert set(table.cards(loaded)["toy_env-v0"]["tasks"]) == {"push", "lift"}


def test_no_folder_is_an_error() -> None:
    with pytest.raises(StoreError, match="at least one run folder"):
        load([])


def funnel_of(tmp_path: Path, run: ToyRun) -> dict[str, float]:
    runs = load([run.write(tmp_path / str(len(run.card)))])
    funnel = table.funnel_table(table.episodes(runs), runs)
    return dict(zip(funnel["stage"], funnel["share"]))


def test_the_funnel_counts_only_sub_goals_that_were_recorded(tmp_path: Path) -> None:
    reached: Sequence[dict[str, int]] = [
        {},
        {"grasped": 3},
        {"lifted": 5},
        {"grasped": 1, "lifted": 2},
    ]
    run = ToyRun(
        {"push": "fffS"},
        card={"tasks": {"push": {"events": ["grasped", "lifted", "placed"]}}},
        events=lambda spec, _: reached[spec.index],
    )
    shares = {"grasped": 0.5, "lifted": 0.5, "placed": 0.0, "success": 0.25}
    assert funnel_of(tmp_path, run) == shares
    assert list(funnel_of(tmp_path, replace(run, card={}))) == []


def test_the_funnel_withholds_shares_while_episodes_are_missing(tmp_path: Path) -> None:
    run = ToyRun({"push": "S."}, card={"tasks": {"push": {"events": ["grasped"]}}})
    assert all(math.isnan(share) for share in funnel_of(tmp_path, run).values())


def test_times_are_per_step_over_finished_episodes(tmp_path: Path) -> None:
    times = table.time_table(frame_of(tmp_path, ToyRun({"push": "SfE."})))
    row = the_row(times, policy="toy")
    assert row["n_steps"] == 20
    assert row["policy_ms_per_step"] == pytest.approx(25)
    assert row["env_ms_per_step"] == pytest.approx(5)
    assert row["policy_ms_per_inference"] == pytest.approx(50)
    assert row["steps_per_inference"] == pytest.approx(2)


def test_a_pair_of_policies_is_compared_on_the_same_episodes(tmp_path: Path) -> None:
    runs = (
        ToyRun({"push": "SSSf", "lift": "SSff"}, "a"),
        ToyRun({"push": "SfSf", "lift": "fSfS"}, "b"),
    )
    row = the_row(compare(tmp_path, *runs))
    tasks = [stats.PairedCounts(2, 1, 0, 1), stats.PairedCounts(1, 1, 1, 1)]
    expected = stats.paired_difference(tasks)
    assert (row["first"], row["second"], row["method"], row["n"]) == ("a", "b", "paired", 8)
    assert (row["only_first"], row["only_second"]) == (2, 1)
    assert (row["difference"], row["low"], row["high"]) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )
    assert row["p"] == pytest.approx(stats.mcnemar(stats.PairedCounts(3, 2, 1, 2)))
    assert row["status"] == "complete"


def test_the_difference_is_that_of_the_suite_means(tmp_path: Path) -> None:
    runs = ToyRun({"push": "SSff", "lift": "SS"}, "a"), ToyRun({"push": "Sfff", "lift": "Sf"}, "b")
    frame = frame_of(tmp_path, *runs)
    means = table.success_table(frame).query("task == @table.SUITE_MEAN")["rate"]
    row = the_row(comparison_table(frame))
    assert row["difference"] == pytest.approx(means.iloc[0] - means.iloc[1])


def test_holm_is_applied_over_all_pairs_of_all_suites(tmp_path: Path) -> None:
    letters = {"a": "S" * 8, "b": "f" * 8}
    runs = [
        ToyRun({"push": x}, name, env) for name, x in letters.items() for env in ("e-v0", "f-v0")
    ]
    comparisons = compare(tmp_path, *runs)
    assert list(comparisons["p"]) == pytest.approx([2 / 2**8] * 2)
    assert list(comparisons["p_holm"]) == pytest.approx([4 / 2**8] * 2)


def test_different_initial_states_are_not_paired(tmp_path: Path) -> None:
    other = ToyRun({"push": "fff"}, "b", image=lambda spec: f"another {spec.index % 2}")
    first = ToyRun({"push": "SSS"}, "a", image=lambda spec: f"another {spec.index}")
    row = the_row(compare(tmp_path, first, other))
    expected = stats.difference(stats.wilson(3, 3), stats.wilson(0, 3))
    assert (row["method"], row["status"]) == (
        "unpaired",
        "initial states differ in 1 of 3 episodes",
    )
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert math.isnan(row["p"])
    assert math.isnan(row["p_holm"])


def test_an_absent_image_hash_verifies_nothing(tmp_path: Path) -> None:
    runs = [ToyRun({"push": "SS"}, name, image=lambda _: "") for name in "ab"]
    assert the_row(compare(tmp_path, *runs))["method"] == "unpaired"


def test_other_seeds_are_compared_unpaired(tmp_path: Path) -> None:
    runs = ToyRun({"push": "SS"}, "a"), ToyRun({"push": "ff"}, "b", first_seed=7)
    row = the_row(compare(tmp_path, *runs))
    assert (row["method"], row["status"]) == ("unpaired", "no common episodes")
    assert row["difference"] == 1.0


def test_other_tasks_are_not_compared(tmp_path: Path) -> None:
    row = the_row(compare(tmp_path, ToyRun({"push": "SS"}, "a"), ToyRun({"lift": "ff"}, "b")))
    assert (row["method"], row["status"]) == ("none", "no common episodes; different tasks")
    assert math.isnan(row["difference"])


def test_unfinished_pairs_are_not_compared(tmp_path: Path) -> None:
    row = the_row(compare(tmp_path, ToyRun({"push": "SSE"}, "a"), ToyRun({"push": "f.f"}, "b")))
    assert (row["method"], row["status"]) == ("none", "incomplete: 1 missing, 1 error")
    assert math.isnan(row["difference"])


def test_a_longer_run_is_compared_on_the_common_part(tmp_path: Path) -> None:
    row = the_row(compare(tmp_path, ToyRun({"push": "SSSSff"}, "a"), ToyRun({"push": "Sf"}, "b")))
    assert (row["n"], row["difference"]) == (2, 0.5)
    assert row["status"] == "on 2 common of 6 and 2"


def test_one_policy_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    assert compare(tmp_path, ToyRun({"push": "SS"})).empty


def test_what_is_detectable_follows_the_smallest_policy(tmp_path: Path) -> None:
    runs = ToyRun({"push": "S" * 30}, "a"), ToyRun({"push": "S" * 20}, "b")
    row = the_row(detectable_table(frame_of(tmp_path, *runs)))
    assert row["n"] == 20
    assert row["from_50"] == pytest.approx(stats.detectable_difference(20, 0.5))
    assert row["from_90"] == pytest.approx(stats.detectable_difference(20, 0.9))
