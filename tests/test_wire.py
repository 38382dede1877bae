from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_bench.wire import pack, unpack

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
DTYPES = st.sampled_from(["?", "u1", "<i4", "<i8", "<f4", "<f8"])


@given(PLAIN)
def test_plain_values_survive_the_wire(value: Any) -> None:
    assert unpack(pack(value)) == value


@given(DTYPES, st.lists(st.integers(0, 4), max_size=4), st.integers(0, 2**32 - 1))
def test_arrays_survive_bit_for_bit(dtype: str, shape: list[int], seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    back = unpack(pack({"a": array}))["a"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_a_strided_view_arrives_in_its_own_order() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)[:, ::-1]
    assert np.array_equal(unpack(pack(image)), image)


def test_numpy_scalars_arrive_as_numbers_and_tuples_as_lists() -> None:
    assert unpack(pack({"a": np.float32(1.5), "b": (1, 2)})) == {"a": 1.5, "b": [1, 2]}


@pytest.mark.parametrize("value", [np.array([None]), np.array(["a"]), np.array([1j]), object()])
def test_what_would_need_pickle_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="over the wire"):
        pack(value)


def test_what_was_unpacked_does_not_change_with_the_buffer() -> None:
    buffer = bytearray(pack({"a": np.arange(8), "s": "text"}))
    with memoryview(buffer) as view:
        back = unpack(view)
    buffer[:] = bytes(len(buffer))
    assert back["s"] == "text"
    assert np.array_equal(back["a"], np.arange(8))
