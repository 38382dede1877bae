from __future__ import annotations

import numpy as np
import pytest

from vla_bench.channel import Channel, channel_pair


@pytest.mark.parametrize("n_bytes", [0, 100, 1 << 15, 1 << 22])
def test_messages_of_any_size_arrive_both_ways(n_bytes: int) -> None:
    ours, descriptors = channel_pair()
    theirs = Channel(descriptors)
    array = np.random.default_rng(0).integers(0, 256, n_bytes, dtype=np.uint8)
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        sender.send({"array": array})
        assert np.array_equal(receiver.receive()["array"], array)
    ours.close()
    theirs.close()


def test_a_message_outlives_the_next_one() -> None:
    ours, descriptors = channel_pair()
    theirs = Channel(descriptors)
    theirs.send(np.zeros(1 << 18, np.uint8))
    first = ours.receive()
    theirs.send(np.ones(1 << 18, np.uint8))
    assert ours.receive().all()
    assert not first.any()
    ours.close()
    theirs.close()


def test_a_closed_end_is_noticed() -> None:
    ours, descriptors = channel_pair()
    Channel(descriptors).close()
    with pytest.raises(EOFError):
        ours.receive()
    ours.close()
