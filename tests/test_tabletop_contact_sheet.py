"""The picture of the suites can be drawn."""

from __future__ import annotations

import pytest

from vla_bench.envs.tabletop import contact_sheet
from vla_bench.envs.tabletop.suites import FRANKA_DROID, WIDOWX_SIMPLER


def test_the_contact_sheet_has_a_start_and_an_end_of_every_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contact_sheet, "SIZE", (64, 48))
    sheet = contact_sheet.contact_sheet([WIDOWX_SIMPLER, FRANKA_DROID])
    band = contact_sheet.TITLE + 2 * 48 + contact_sheet.CAPTION
    assert sheet.size == (4 * 64, 2 * band)
    for suite, n_tasks in enumerate((4, 2)):
        top = suite * band + contact_sheet.TITLE
        for left in range(0, n_tasks * 64, 64):
            start = sheet.crop((left, top, left + 64, top + 48))
            end = sheet.crop((left, top + 48, left + 64, top + 96))
            assert start.tobytes() != end.tobytes()


def test_the_sheet_of_variations_has_a_start_under_each_that_the_suite_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contact_sheet, "SIZE", (64, 48))
    sheet = contact_sheet.contact_sheet([WIDOWX_SIMPLER], "visual/lighting")
    top = contact_sheet.TITLE
    assert sheet.size == (3 * 64, top + 48 + contact_sheet.CAPTION)
    starts = {sheet.crop((left, top, left + 64, top + 48)).tobytes() for left in (0, 64, 128)}
    assert len(starts) == 3
