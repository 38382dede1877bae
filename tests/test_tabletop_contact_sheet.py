"""The picture of a suite can be drawn."""

from __future__ import annotations

import pytest

from vla_bench.envs.tabletop import contact_sheet
from vla_bench.envs.tabletop.suites import WIDOWX_SIMPLER


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
