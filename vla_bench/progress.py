"""Live display of a run: episodes done, success so far, rate, time left.

A terminal gets a bar; a log file gets a line now and then.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vla_bench.episode import EpisodeRecord, Outcome

_LOG_EVERY_SECONDS = 10.0


def watch(
    records: Iterable[EpisodeRecord], title: str, n_episodes: int, console: Console
) -> Iterator[EpisodeRecord]:
    """Pass `records` on, showing how far they are; `n_episodes` is how many will come."""
    tally = _Tally(title, n_episodes)
    if console.is_terminal:
        yield from _with_bar(records, tally, console)
    else:
        yield from _with_lines(records, tally, console)


class _Tally:
    def __init__(self, title: str, n_episodes: int) -> None:
        self.title, self.n_episodes = title, n_episodes
        self._count: Counter[Outcome] = Counter()
        self._started = time.perf_counter()

    def add(self, record: EpisodeRecord) -> None:
        self._count[record.outcome] += 1

    @property
    def n_done(self) -> int:
        return self._count.total()

    def text(self) -> str:
        """Success so far, errors, episodes per second."""
        n_judged = self._count[Outcome.SUCCESS] + self._count[Outcome.FAILURE]
        rate = f"{100 * self._count[Outcome.SUCCESS] / n_judged:.0f}%" if n_judged else "-"
        n_errors = self._count[Outcome.ERROR]
        errors = f", {n_errors} errors" if n_errors else ""
        return f"success {rate}{errors}, {self.per_second():.2f} episodes/s"

    def per_second(self) -> float:
        return self.n_done / (time.perf_counter() - self._started)

    def line(self) -> str:
        left = (self.n_episodes - self.n_done) / self.per_second()
        return f"{self.title}: {self.n_done}/{self.n_episodes}, {self.text()}, {left:.0f} s left"


def _with_bar(
    records: Iterable[EpisodeRecord], tally: _Tally, console: Console
) -> Iterator[EpisodeRecord]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        row = bar.add_task(tally.title, total=tally.n_episodes, text="opening lanes")
        for record in records:
            tally.add(record)
            bar.update(row, advance=1, text=tally.text())
            yield record


def _with_lines(
    records: Iterable[EpisodeRecord], tally: _Tally, console: Console
) -> Iterator[EpisodeRecord]:
    printed_at = time.perf_counter()
    for record in records:
        tally.add(record)
        now = time.perf_counter()
        if now - printed_at >= _LOG_EVERY_SECONDS or tally.n_done == tally.n_episodes:
            console.print(tally.line(), highlight=False, markup=False, soft_wrap=True)
            printed_at = now
        yield record
