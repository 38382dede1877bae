"""OpenVLA in full: architecture, checkpoints, exact inference, quantization.

Scripts use `OpenVLA`; evaluations name `policy.OpenVLAPolicy` in their config.
"""

import importlib.util

from vla_bench.errors import MissingDependencyError

_missing = [
    package
    for package in ("torch", "safetensors", "tokenizers")
    if importlib.util.find_spec(package) is None
]
if _missing:
    raise MissingDependencyError(
        f"OpenVLA needs {', '.join(_missing)}. Type: pip install 'vla-bench[openvla]'"
    )

from vla_bench.policies.openvla.pretrained import OpenVLA  # noqa: E402 - after the check

__all__ = ["OpenVLA"]
