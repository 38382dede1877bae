"""Whether data lie where a checkpoint's normalizer has seen data: elsewhere it means little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from vla_bench.data.trajectory import DataError
from vla_bench.policies.diffusion.normalizer import Normalizer

_SLACK = 0.05  # of the range that was seen; a few demonstrations more go a little further
_N_OUTSIDE = 0.01  # of the frames


def check_ranges(
    normalizer: Normalizer,
    values: Mapping[str, Tensor],
    names: Mapping[str, Sequence[str]],
    dataset: str,
) -> None:
    """Raise DataError with the difference where over 1 % of the frames lie outside what was seen.

    `values` maps the normalizer's keys to (n, dim), `names` to their columns.
    """
    lines = []
    for key, columns in values.items():
        low, high = normalizer.seen(key)
        slack = _SLACK * (high - low) + 1e-3
        outside = ((columns < low - slack) | (columns > high + slack)).float().mean(dim=0)
        for i in (outside > _N_OUTSIDE).nonzero().flatten().tolist():
            there, here = (low[i], high[i]), (columns[:, i].min(), columns[:, i].max())
            lines.append(
                f"  {key} {names[key][i]}: {here[0]:.4g}..{here[1]:.4g} | "
                f"{there[0]:.4g}..{there[1]:.4g}"
            )
    if lines:
        raise DataError(
            f"Data set {dataset} goes beyond what the checkpoint's normalizer has seen (data | "
            "checkpoint):\n" + "\n".join(lines) + "\nTrain from scratch, policy.checkpoint=null, "
            "or on data like those that it was trained on."
        )
