from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vla_bench.actions import DELTA_TCP_POSE, ActionSpec, named_spec
from vla_bench.errors import ConfigError


def test_the_delta_pose_spec_names_its_conventions() -> None:
    assert DELTA_TCP_POSE.names == ("x", "y", "z", "rx", "ry", "rz", "gripper_open")
    assert [d.unit for d in DELTA_TCP_POSE.dimensions] == ["m"] * 3 + ["rad"] * 3 + ["1"]
    assert np.array_equal(DELTA_TCP_POSE.low, [-0.05] * 3 + [-0.25] * 3 + [0.0])
    assert np.array_equal(DELTA_TCP_POSE.high, [0.05] * 3 + [0.25] * 3 + [1.0])


def test_equal_specs_have_no_differences() -> None:
    assert DELTA_TCP_POSE.differences(ActionSpec(DELTA_TCP_POSE.dimensions)) == []


def test_an_inverted_gripper_shows_as_the_differing_column() -> None:
    closed = replace(DELTA_TCP_POSE.dimensions[6], name="gripper_closed")
    other = ActionSpec((*DELTA_TCP_POSE.dimensions[:6], closed))
    assert DELTA_TCP_POSE.differences(other) == [
        "column 6: gripper_open [1, frame -, 0..1] | gripper_closed [1, frame -, 0..1]"
    ]


def test_a_missing_column_shows_as_absent() -> None:
    short = ActionSpec(DELTA_TCP_POSE.dimensions[:6])
    assert short.differences(DELTA_TCP_POSE) == [
        "column 6: (absent) | gripper_open [1, frame -, 0..1]"
    ]


def test_an_unknown_spec_name_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as caught:
        named_spec("delta_tcp_pos")
    assert str(caught.value) == (
        "Unknown action spec 'delta_tcp_pos'. Did you mean 'delta_tcp_pose'? Valid: delta_tcp_pose."
    )
