"""Live display of a training: loss and what else is measured, rate, memory, time left.

A terminal gets a bar, a log file a line now and then.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vla_bench.policies.training.loop import Metrics, State
from vla_bench.policies.training.settings import Settings
from vla_bench.policies.training.validation import PREFIX

_LOG_EVERY_SECONDS = 10.0
_SMOOTHING = 0.95  # of what is shown; metrics.jsonl has every step's own


def watch(
    metrics: Iterable[Metrics], state: State, settings: Settings, console: Console
) -> Iterator[Metrics]:
    """Pass `metrics` on, those after ``state.step``, showing how far they are."""
    tally = _Tally(state, settings)
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
    def __init__(self, state: State, settings: Settings) -> None:
        self.n_before = state.step
        self._n_steps, self._n_done = settings.n_steps, 0
        n_ranks = state.processes.n_ranks
        self._samples_per_step = settings.batch_size * settings.n_accumulated * n_ranks
        self._device = state.processes.device
        self._shown: dict[str, float] = {}
        self._started = self._said = time.perf_counter()

    def add(self, step: Metrics) -> None:
        self._n_done += 1
        for name, new in {"loss": step.loss, **step.measured}.items():
            if "/" not in name:  # of all data sets, not of one
                old = new if name.startswith(PREFIX) else self._shown.get(name, new)
                self._shown[name] = _SMOOTHING * old + (1 - _SMOOTHING) * new

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
        measured = "".join(f"{name} {value:.4f}, " for name, value in self._shown.items())
        return f"{measured}{rate:.1f} samples/s, {_peak_memory(self._device) / 2**30:.1f} GiB"

    def line(self, step: int) -> str:
        left = (self._n_steps - step) / self.per_second()
        return f"training: {step}/{self._n_steps}, {self.text()}, {left:.0f} s left"


def _peak_memory(device: torch.device) -> int:
    """Most bytes used so far: by tensors on a GPU, else by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
