"""What a person may type as a policy's device, and what the others are told."""

from __future__ import annotations

import re

import pytest
import torch

from vla_bench.errors import ConfigError
from vla_bench.policies.device import device_of


@pytest.mark.parametrize("name", ["gpu", "xpu", "cuda:x", "cuda:-1", "meta", "", "0"])
def test_a_name_of_no_device_lists_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        device_of(name)
    assert str(caught.value) == (
        "Expected policy.device=cpu, cuda, cuda:N (the N-th GPU, counted from 0) or mps, got "
        f"policy.device={name}."
    )


@pytest.mark.parametrize("name", ["cpu", torch.device("cpu")])
def test_the_cpu_is_always_there(name: str | torch.device) -> None:
    assert device_of(name) == torch.device("cpu")


def test_an_absent_accelerator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name, kind in (("cuda", "GPU"), ("cuda:1", "GPU"), ("mps", "Apple GPU")):
        with pytest.raises(ConfigError, match=rf"device={name}, but torch sees no {kind}\. Type"):
            device_of(name)


def test_a_gpu_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("cuda") == torch.device("cuda")
    assert device_of(torch.device("cuda:1")) == torch.device("cuda", 1)
    with pytest.raises(ConfigError, match=re.escape("cuda:2, but torch sees 2 GPU(s): cuda:0 to")):
        device_of("cuda:2")
