"""Intervals and tests: published worked examples, hand values, coverage, and what must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from vla_bench import stats
from vla_bench.stats import Interval, PairedCounts

COUNTS = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
TABLES = st.builds(PairedCounts, *[st.integers(0, 25)] * 4).filter(lambda c: c.n > 0)


def limits(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_reproduces_newcombes_table_of_single_proportions(
    successes: int, n: int, low: float, high: float
) -> None:  # Newcombe, Stat. Med. 17 (1998) 857-872, table I, method 3
    assert limits(stats.wilson(successes, n)) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_difference_reproduces_newcombes_table_of_unpaired_examples(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:  # Newcombe, Stat. Med. 17 (1998) 873-890, table II, method 10
    gap = stats.difference(stats.wilson(*first), stats.wilson(*second))
    assert limits(gap) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe, Stat. Med. 17 (1998) 2635-2650, table III, method 10
        (PairedCounts(36, 12, 2, 0), 0.0569, 0.3404),
        # Complete response before and after consolidation (Cavo et al. 2012), as given in
        # Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables (2017), ch. 8
        (PairedCounts(59, 6, 16, 80), -0.1186, -0.0046),
        # Airway reactivity (Bentur et al. 2009), the same chapter
        (PairedCounts(1, 1, 7, 12), -0.5069, -0.0256),
    ],
)
def test_paired_difference_reproduces_published_examples(
    counts: PairedCounts, low: float, high: float
) -> None:
    assert limits(stats.paired_difference([counts])) == pytest.approx((low, high), abs=5e-5)


@given(TABLES)
def test_paired_difference_turns_around_with_its_arguments(counts: PairedCounts) -> None:
    turned = PairedCounts(counts.both, counts.only_second, counts.only_first, counts.neither)
    there, back = stats.paired_difference([counts]), stats.paired_difference([turned])
    assert limits(there) == pytest.approx((-back.high, -back.low))
    assert -1 - 1e-12 <= there.low <= there.estimate <= there.high <= 1 + 1e-12


def test_paired_difference_is_narrower_than_unpaired_when_outcomes_agree() -> None:
    counts = PairedCounts(40, 10, 2, 48)
    paired = stats.paired_difference([counts])
    unpaired = stats.difference(stats.wilson(50, 100), stats.wilson(42, 100))
    assert paired.high - paired.low < 0.75 * (unpaired.high - unpaired.low)
    assert paired.estimate == pytest.approx(unpaired.estimate)


def test_paired_counts_follow_the_order_of_the_arguments() -> None:
    first, second = [True, True, True, False, False], [True, False, False, True, False]
    assert PairedCounts.of(first, second) == PairedCounts(1, 2, 1, 1)


@given(COUNTS)
def test_wilson_agrees_with_scipy(counts: tuple[int, int]) -> None:
    expected = binomtest(*counts).proportion_ci(0.95, method="wilson")
    assert limits(stats.wilson(*counts)) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(COUNTS)
def test_the_suite_mean_of_one_task_is_its_wilson_interval(counts: tuple[int, int]) -> None:
    rate, suite = stats.wilson(*counts), stats.suite_mean([counts])
    assert (suite.estimate, *limits(suite)) == pytest.approx((rate.estimate, *limits(rate)))


@given(COUNTS, st.integers(2, 6))
def test_equal_tasks_together_are_one_task_with_all_their_episodes(
    counts: tuple[int, int], n_tasks: int
) -> None:
    k, n = counts
    suite, together = stats.suite_mean([counts] * n_tasks), stats.wilson(k * n_tasks, n * n_tasks)
    assert limits(suite) == pytest.approx(limits(together))


def test_the_suite_mean_weighs_tasks_equally() -> None:
    assert stats.suite_mean([(4, 4), (0, 100)]).estimate == pytest.approx(0.5)


def test_different_tasks_make_the_mean_more_certain_than_equal_ones() -> None:
    different, equal = stats.suite_mean([(2, 24), (22, 24)]), stats.suite_mean([(12, 24)] * 2)
    assert different.high - different.low < 0.8 * (equal.high - equal.low)


@given(st.lists(COUNTS, min_size=1, max_size=6))
def test_the_suite_mean_stays_between_zero_and_one(tasks: list[tuple[int, int]]) -> None:
    mean = stats.suite_mean(tasks)
    assert 0 <= mean.low <= mean.estimate + 1e-12
    assert mean.estimate - 1e-12 <= mean.high <= 1


@given(TABLES, st.integers(2, 4))
def test_the_paired_difference_over_tasks_is_that_of_the_suite_means(
    counts: PairedCounts, n_tasks: int
) -> None:
    other = PairedCounts(3, 1, 2, 4)
    gap = stats.paired_difference([counts] * n_tasks + [other])
    of_first = [(counts.both + counts.only_first, counts.n)] * n_tasks + [(4, 10)]
    of_second = [(counts.both + counts.only_second, counts.n)] * n_tasks + [(5, 10)]
    means = stats.suite_mean(of_first).estimate - stats.suite_mean(of_second).estimate
    assert gap.estimate == pytest.approx(means)


def coverage(of: NDArray[np.float64], truth: float) -> float:
    return float(((of[:, 0] <= truth) & (truth <= of[:, 1])).mean())


RATES = {
    "equal": [0.5] * 4,
    "spread": [0.05, 0.35, 0.65, 0.95],
    "nearly solved": [0.95] * 4,
    "nearly hopeless": [0.02] * 4,
}


@pytest.mark.parametrize("rates", RATES.values(), ids=RATES.keys())
@pytest.mark.parametrize(("n_tasks", "n"), [(4, 10), (4, 24), (100, 1)])
def test_the_suite_mean_covers_the_truth_in_95_of_100_suites(
    rates: list[float], n_tasks: int, n: int
) -> None:
    rng = np.random.default_rng(0)
    truth = np.resize(rates, n_tasks)
    suites = rng.binomial(n, truth, size=(2000, n_tasks)).tolist()
    found = np.array([limits(stats.suite_mean([(k, n) for k in suite])) for suite in suites])
    assert coverage(found, truth.mean()) > 0.93


@given(st.lists(COUNTS, min_size=1, max_size=4), st.integers(1, 5))
def test_variants_of_equal_outcome_are_one_variant(
    tasks: list[tuple[int, int]], n_variants: int
) -> None:
    outcomes = [np.repeat(np.arange(n)[:, None] < k, n_variants, axis=1) for k, n in tasks]
    found = stats.mean_over_variants(outcomes)
    assert limits(found) == pytest.approx(limits(stats.suite_mean(tasks)))


def test_the_mean_over_variants_weighs_tasks_and_variants_equally() -> None:
    first = np.array([[1, 0], [1, 0], [1, 1], [1, 1]])
    assert stats.mean_over_variants([first, np.zeros((9, 3))]).estimate == pytest.approx(0.75 / 2)


def solved_under_variants(
    rate: float, alike: float, size: tuple[int, int, int]
) -> NDArray[np.float64]:
    """Outcomes (experiment, state, variant); `alike`: correlation of one state's outcomes."""
    rng = np.random.default_rng(0)
    a, b = (share * (1 - alike) / alike for share in (rate, 1 - rate))
    chances = rng.beta(a, b, size[:2])[:, :, None]
    return (rng.random(size) < chances).astype(float)


@pytest.mark.parametrize(("n_states", "n_variants"), [(27, 7), (60, 8), (25, 4)])
@pytest.mark.parametrize("rate", [0.5, 0.9])
@pytest.mark.parametrize("alike", [0.05, 0.3, 0.7])
def test_the_mean_over_variants_covers_the_truth_however_alike_outcomes_are(
    n_states: int, n_variants: int, rate: float, alike: float
) -> None:
    drawn = solved_under_variants(rate, alike, (1500, n_states, n_variants))
    found = np.array([limits(stats.mean_over_variants([each])) for each in drawn])
    assert coverage(found, rate) > 0.93


def test_taking_variants_for_further_episodes_would_not_cover_the_truth() -> None:
    drawn = solved_under_variants(0.5, 0.3, (1500, 60, 8))
    cells = [[(int(k), 60) for k in each.sum(axis=0)] for each in drawn]
    found = np.array([limits(stats.suite_mean(each)) for each in cells])
    assert coverage(found, 0.5) < 0.8


@pytest.mark.parametrize(("n_tasks", "n"), [(1, 50), (4, 24), (50, 2)])
@pytest.mark.parametrize("cells", [(0.3, 0.25, 0.1, 0.35), (0.9, 0.04, 0.02, 0.04)])
def test_the_paired_difference_covers_the_truth_in_95_of_100_experiments(
    cells: tuple[float, ...], n_tasks: int, n: int
) -> None:
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(n, cells, size=(1500, n_tasks)).tolist()
    found = np.array(
        [limits(stats.paired_difference([PairedCounts(*c) for c in tasks])) for tasks in drawn]
    )
    assert coverage(found, cells[1] - cells[2]) > 0.92


def test_mcnemar_is_the_exact_binomial_test_of_the_disagreements() -> None:
    assert stats.mcnemar(PairedCounts(50, 1, 7, 3)) == pytest.approx(2 * (1 + 8) / 2**8)
    assert stats.mcnemar(PairedCounts(0, 1, 7, 0)) == stats.mcnemar(PairedCounts(9, 7, 1, 9))


def test_mcnemar_without_a_disagreement_says_nothing() -> None:
    assert stats.mcnemar(PairedCounts(10, 0, 0, 10)) == 1.0


def test_holm_steps_down_and_never_below_the_one_before() -> None:
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert len(stats.holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_raw_p_and_bonferroni(p_values: list[float]) -> None:
    adjusted = stats.holm(p_values)
    raw = np.array(p_values)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(raw * len(raw), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("first", "second", "n"),
    [(0.5, 0.7, 93), (0.5, 0.6, 388), (0.9, 0.95, 435), (0.95, 0.97, 1506)],
)
def test_number_to_detect_agrees_with_known_sample_sizes(
    first: float, second: float, n: int
) -> None:
    assert math.ceil(stats.n_to_detect(first, second)) == n
    assert stats.n_to_detect(second, first) == pytest.approx(stats.n_to_detect(first, second))


@given(st.integers(16, 3000), st.floats(0.4, 1.0))
def test_detectable_difference_inverts_the_number_to_detect(n: int, rate: float) -> None:
    drop = stats.detectable_difference(n, rate)
    assert stats.n_to_detect(rate, rate - drop) == pytest.approx(n, rel=1e-3)


def test_nothing_is_detectable_with_too_few_episodes() -> None:
    assert math.isnan(stats.detectable_difference(2, 0.5))
    assert math.isnan(stats.detectable_difference(100, 0.0))


def test_bootstrap_is_reproducible_and_near_the_normal_interval() -> None:
    scores = np.random.default_rng(1).random(200)
    mean = stats.bootstrap_mean([scores])
    half = 1.96 * scores.std() / math.sqrt(200)
    assert mean == stats.bootstrap_mean([scores])
    assert mean.estimate == pytest.approx(scores.mean())
    assert limits(mean) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.01)


def test_bootstrap_weighs_strata_equally_and_resamples_within_them() -> None:
    rng = np.random.default_rng(0)
    easy, hard = 0.9 + 0.01 * rng.random(40), 0.1 + 0.01 * rng.random(4)
    mean = stats.bootstrap_mean([easy, hard])
    assert mean.estimate == pytest.approx((easy.mean() + hard.mean()) / 2)
    assert mean.high - mean.low < 0.01  # the strata differ by 0.8: pooling would show it


@pytest.mark.parametrize("strata", [[[1.0, 1.0, 1.0]], [[0.5]], [[0.2, 0.8], [0.4]]])
def test_bootstrap_gives_no_limits_where_resampling_cannot_tell(strata: list[list[float]]) -> None:
    mean = stats.bootstrap_mean(strata)
    assert mean.estimate == pytest.approx(np.mean([np.mean(s) for s in strata]))
    assert math.isnan(mean.low)
    assert math.isnan(mean.high)


@settings(max_examples=40)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=8), min_size=1))
def test_bootstrap_limits_are_scores_or_absent(strata: list[list[float]]) -> None:
    mean = stats.bootstrap_mean(strata)
    assert 0 <= mean.estimate <= 1
    assert math.isnan(mean.low) == math.isnan(mean.high)
    assert math.isnan(mean.low) or 0 <= mean.low <= mean.high <= 1
