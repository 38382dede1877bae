"""Live display of a training: loss, rate, time left. A terminal gets a bar, a log file lines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vla_bench.policies.training.loop import Metrics
from vla_bench.policies.training.settings import Settings

_LOG_EVERY_SECONDS = 10.0
_SMOOTHING = 0.95  # of the loss that is shown; metrics.jsonl has every step's own


def watch(
    metrics: Iterable[Metrics], n_left: int, settings: Settings, console: Console
) -> Iterator[Metrics]:
    """Pass `metrics` on, showing how far they are; `n_left` is how many will come."""
    tally = _Tally(n_left, settings)
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        row = bar.add_task("", total=settings.n_steps, completed=tally.n_before, text="")
        for step in metrics:
            tally.add(step)
            bar.update(row, completed=step.step, text=tally.text())
            if not console.is_terminal and tally.is_time_to_say():
                console.print(tally.line(step.step), highlight=False, soft_wrap=True)
            yield step


class _Tally:
    def __init__(self, n_left: int, settings: Settings) -> None:
        self.n_before = settings.n_steps - n_left
        self._n_steps, self._n_done = settings.n_steps, 0
        self._samples_per_step = settings.batch_size * settings.n_accumulated
        self._loss: float | None = None
        self._started = self._said = time.perf_counter()

    def add(self, step: Metrics) -> None:
        self._n_done += 1
        old = step.loss if self._loss is None else self._loss
        self._loss = _SMOOTHING * old + (1 - _SMOOTHING) * step.loss

    def is_time_to_say(self) -> bool:
        """At the last step, and now and then before it."""
        now = time.perf_counter()
        if self.n_before + self._n_done < self._n_steps and now - self._said < _LOG_EVERY_SECONDS:
            return False
        self._said = now
        return True

    def per_second(self) -> float:
        """Steps."""
        return self._n_done / (time.perf_counter() - self._started)

    def text(self) -> str:
        rate = self.per_second() * self._samples_per_step
        return f"loss {self._loss:.4f}, {rate:.1f} samples/s"

    def line(self, step: int) -> str:
        left = (self._n_steps - step) / self.per_second()
        return f"training: {step}/{self._n_steps}, {self.text()}, {left:.0f} s left"
