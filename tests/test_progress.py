from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console

from vla_bench.episode import EpisodeRecord, EpisodeSpec, Fault, Outcome
from vla_bench.progress import watch


def records() -> Iterator[EpisodeRecord]:
    for index, outcome in enumerate(
        [Outcome.SUCCESS, Outcome.FAILURE, Outcome.ERROR, Outcome.SUCCESS]
    ):
        record = EpisodeRecord.of_error(EpisodeSpec(f"t-{index}", "t", index, 0), Fault.ENV, "")
        yield EpisodeRecord.from_dict(
            {**record.to_dict(), "outcome": outcome.value}, record.actions
        )


def shown(terminal: bool) -> tuple[list[EpisodeRecord], str]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=160)
    return list(watch(records(), "mine on env-v0", 4, console)), text.getvalue()


def test_records_pass_through_unchanged_and_in_order() -> None:
    for terminal in (False, True):
        passed, _ = shown(terminal)
        assert [r.to_dict() for r in passed] == [r.to_dict() for r in records()]


def test_a_log_gets_one_line_that_keeps_errors_out_of_the_success_rate() -> None:
    _, text = shown(terminal=False)
    (line,) = text.splitlines()
    assert line.startswith("mine on env-v0: 4/4, success 67%, 1 errors, ")
    assert line.endswith(" episodes/s, 0 s left")


def test_a_terminal_gets_a_bar_with_the_same_facts() -> None:
    _, text = shown(terminal=True)
    for fact in ("mine on env-v0", "4/4", "success 67%", "1 errors", "episodes/s"):
        assert fact in text
