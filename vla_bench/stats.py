"""Rates, differences and tests for success counts. Pure functions of numbers, nothing else.

Every interval is two-sided at 95 %. Why these methods and no others: docs/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize
from scipy import stats as scipy_stats

CONFIDENCE = 0.95
POWER = 0.8
_Z = float(scipy_stats.norm.isf((1 - CONFIDENCE) / 2))
_N_RESAMPLES = 9999  # scipy's default; the limits then move by < 1 % of the width between seeds


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % limits, in the unit of the estimate; NaN where there is none."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedCounts:
    """How many episodes both policies solved, only the first, only the second, neither."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @classmethod
    def of(cls, first: ArrayLike, second: ArrayLike) -> PairedCounts:
        """Counts of two success vectors (n,) over the same episodes in the same order."""
        a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
        return cls(
            int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())
        )

    @property
    def n(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither


def wilson(n_successes: float, n: float) -> Interval:
    """Success rate with the score interval of Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.

    `n` need not be whole: it may be an effective number of episodes.
    """
    rate = n_successes / n
    center = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(rate * (1 - rate) / n + (_Z / (2 * n)) ** 2)
    low, high = max(center - half, 0.0), min(center + half, 1.0)
    return Interval(rate, low if n_successes > 0 else 0.0, high if n_successes < n else 1.0)


def suite_mean(tasks: Sequence[tuple[int, int]]) -> Interval:
    """Unweighted mean over tasks of the success rate; `tasks` holds (successes, episodes).

    Wilson's interval for the number of episodes that would give a single rate the variance that
    this mean has (Wilson with effective sample size: Franco, Little, Louis & Slud, J. Surv. Stat.
    Methodol. 7 (2019) 334-364). The variance is that of the rates (k + 1) / (n + 2), so that a task
    without a failure does not count as certain. One task: Wilson's own interval. The tasks are
    taken as the whole population: the interval says how far the mean *over these tasks* may be
    off, and nothing about others.
    """
    k, n = np.array(tasks, dtype=np.float64).T
    smoothed = (k + 1) / (n + 2)
    variance = (smoothed * (1 - smoothed) / n).sum() / len(tasks) ** 2
    n_effective = float(smoothed.mean() * (1 - smoothed.mean()) / variance)
    return wilson(float((k / n).mean()) * n_effective, n_effective)


def mean_over_variants(tasks: Sequence[ArrayLike]) -> Interval:
    """Mean over tasks and variants of the success rate; `tasks` holds (n_states, n_variants) 0/1.

    A row has the outcomes of one initial state under every variant. They go together: what is hard
    in one light is hard in another. So the interval is that of `suite_mean` for states as
    observations, each with its mean over the variants, as clusters are in surveys (Franco et al.
    2019). Its variance is that of the states and two more in each task, one solved under all
    variants and one under none, so that equal outcomes do not count as certain. With one variant
    this is `suite_mean`.
    """
    states = [np.asarray(task, dtype=np.float64).mean(axis=1) for task in tasks]
    smoothed = [np.append(each, [0.0, 1.0]) for each in states]
    variance = sum(s.var() / len(each) for s, each in zip(smoothed, states)) / len(states) ** 2
    center = float(np.mean([s.mean() for s in smoothed]))
    n_effective = float(center * (1 - center) / variance)
    return wilson(float(np.mean([s.mean() for s in states])) * n_effective, n_effective)


def difference(first: Interval, second: Interval) -> Interval:
    """`first` minus `second`, measured on independent episodes.

    MOVER, Zou & Donner, Stat. Med. 27 (2008) 1693-1702; for two Wilson intervals it is method 10
    of Newcombe, Stat. Med. 17 (1998) 873-890.
    """
    return _square_and_add(first, second, correlation=0.0)


def paired_difference(tasks: Sequence[PairedCounts]) -> Interval:
    """Suite mean of the first policy minus that of the second, on the same episodes.

    Method 10 of Newcombe, Stat. Med. 17 (1998) 2635-2650: the limits of both rates, squared and
    added with the continuity-corrected correlation of the outcomes. Over several tasks the limits
    are those of `suite_mean` and the correlation is the one within tasks.
    """
    first = suite_mean([(c.both + c.only_first, c.n) for c in tasks])
    second = suite_mean([(c.both + c.only_second, c.n) for c in tasks])
    return _square_and_add(first, second, _corrected_correlation(tasks))


def mcnemar(counts: PairedCounts) -> float:
    """Two-sided p of "neither policy is better", exact: the binomial test of McNemar's counts.

    Only episodes on which the two disagree carry evidence; without any, p is 1.
    """
    n_disagree = counts.only_first + counts.only_second
    if n_disagree == 0:
        return 1.0
    return float(scipy_stats.binomtest(counts.only_first, n_disagree).pvalue)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values for testing all of them: Holm, Scand. J. Stat. 6 (1979) 65-70."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def n_to_detect(first: float, second: float) -> float:
    """Episodes per policy to tell two rates apart at the 5 % level with 80 % power, unpaired.

    Normal approximation with pooled variance under the null and no continuity correction:
    Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd ed. (2003), eq. 4.14.
    Not rounded up. Pairing needs fewer: times about 1 - (correlation of the outcomes).
    """
    pooled = (first + second) / 2
    under_null = _Z * math.sqrt(2 * pooled * (1 - pooled))
    variances = first * (1 - first) + second * (1 - second)
    under_difference = scipy_stats.norm.isf(1 - POWER) * math.sqrt(variances)
    return float(((under_null + under_difference) / (first - second)) ** 2)


def detectable_difference(n: int, rate: float) -> float:
    """The smallest drop from `rate` that `n` episodes per policy detect; inverse of `n_to_detect`.

    NaN where even a drop to 0 needs more than `n`.
    """
    if not 0 < rate <= 1 or n_to_detect(rate, 0.0) > n:
        return math.nan
    tiny = 1e-9
    return float(optimize.brentq(lambda drop: n_to_detect(rate, rate - drop) - n, tiny, rate))


def bootstrap_mean(strata: Sequence[ArrayLike], seed: int = 0) -> Interval:
    """Mean over strata (tasks) of each stratum's mean score, with a BCa bootstrap interval.

    Episodes are resampled within their stratum. The limits are NaN where resampling cannot tell:
    a stratum of one episode, or no variation at all.
    """
    samples = [np.asarray(s, dtype=np.float64) for s in strata]
    estimate = float(np.mean([s.mean() for s in samples]))
    if min(len(s) for s in samples) < 2 or all(np.ptp(s) == 0 for s in samples):
        return Interval(estimate, math.nan, math.nan)
    limits = scipy_stats.bootstrap(
        samples,
        _mean_of_means,
        n_resamples=_N_RESAMPLES,
        batch=1000,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(estimate, float(limits.low), float(limits.high))


def _mean_of_means(*samples: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.mean([s.mean(axis=axis) for s in samples], axis=0)
    return means


def _square_and_add(first: Interval, second: Interval, correlation: float) -> Interval:
    center = first.estimate - second.estimate
    below = (first.estimate - first.low, second.high - second.estimate)
    above = (first.high - first.estimate, second.estimate - second.low)
    return Interval(
        center, center - _norm(*below, correlation), center + _norm(*above, correlation)
    )


def _norm(x: float, y: float, correlation: float) -> float:
    return math.sqrt(max(x * x - 2 * correlation * x * y + y * y, 0.0))


def _corrected_correlation(tasks: Sequence[PairedCounts]) -> float:
    """Phi of the outcomes within tasks, its numerator moved towards 0 when positive.

    Newcombe moves it by n / 2 for one table (both * neither - only_first * only_second). A task
    enters a mean with the (co)variance of its own mean, hence the powers of n.
    """
    e, f, g, h = np.array([astuple(c) for c in tasks], dtype=np.float64).T
    n = e + f + g + h
    numerator = float(((e * h - f * g) / n**3).sum())
    if numerator > 0:
        numerator = max(numerator - float((0.5 / n**2).mean()), 0.0)
    variances = [float((x * (n - x) / n**3).sum()) for x in (e + f, e + g)]
    denominator = math.sqrt(variances[0] * variances[1])
    return numerator / denominator if denominator > 0 else 0.0
