"""The code in docs/add_a_task.md runs as it is written; the picture of the suite can be drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vla_bench.envs.tabletop import contact_sheet
from vla_bench.envs.tabletop.suites import WIDOWX_SIMPLER
from vla_bench.envs.tabletop.tasks.registry import TASKS


def test_the_how_to_for_a_new_task_works(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", (root / "docs/add_a_task.md").read_text(), re.DOTALL)
    assert len(code) == 2
    monkeypatch.setitem(TASKS, "block_on_plate", None)  # taken out again afterwards
    exec("\n".join(code), {})


def test_the_contact_sheet_has_a_start_and_an_end_of_every_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contact_sheet, "SIZE", (64, 48))
    sheet = contact_sheet.contact_sheet(WIDOWX_SIMPLER)
    assert sheet.size == (4 * 64, 2 * 48 + contact_sheet.CAPTION)
    for column in range(4):
        start = sheet.crop((column * 64, 0, (column + 1) * 64, 48))
        end = sheet.crop((column * 64, 48, (column + 1) * 64, 96))
        assert start.tobytes() != end.tobytes()
