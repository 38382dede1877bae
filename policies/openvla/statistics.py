"""The action statistics of a data set: what turns [-1, 1] into metres, radians and openings.

Released checkpoints carry them in config.json (`norm_stats`), fine-tuned ones in a side file,
dataset_statistics.json; both are read, the side file wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_bench.errors import ConfigError, unknown_name
from vla_bench.policies.openvla.config import CheckpointError, read_json

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ActionStatistics:
    """Of one data set; each (dim,).

    Attributes:
        q01, q99: Quantiles that -1 and 1 stand for.
        mask: Where False, a value is passed through as it is (grippers, already in [0, 1]).
    """

    q01: FloatArray
    q99: FloatArray
    mask: NDArray[np.bool_]

    @property
    def dim(self) -> int:
        return len(self.q01)

    def unnormalize(self, values: FloatArray) -> FloatArray:
        """(..., dim) in [-1, 1] -> the data set's own units."""
        scaled = 0.5 * (values + 1.0) * (self.q99 - self.q01) + self.q01
        return np.where(self.mask, scaled, values)

    @classmethod
    def from_block(cls, name: str, block: Mapping[str, Any]) -> ActionStatistics:
        """From the ``action`` block of data set `name`; without a mask all are scaled."""
        for key in ("q01", "q99"):
            if key not in block:
                raise CheckpointError(
                    f"Statistics of {name!r}: expected q01 and q99 under 'action', got "
                    f"{', '.join(sorted(block)) or 'nothing'}."
                )
        q01 = np.asarray(block["q01"], dtype=np.float64)
        q99 = np.asarray(block["q99"], dtype=np.float64)
        mask = np.asarray(block.get("mask", np.ones(len(q01))), dtype=np.bool_)
        if not q01.shape == q99.shape == mask.shape:
            raise CheckpointError(
                f"Statistics of {name!r}: q01, q99 and mask have shapes "
                f"{q01.shape}, {q99.shape}, {mask.shape}; expected equal ones."
            )
        return cls(q01, q99, mask)


def read_statistics(folders: Sequence[Path]) -> dict[str, ActionStatistics]:
    """Everything that config.json and dataset_statistics.json in `folders` hold, by data set."""
    blocks: dict[str, Any] = {}
    for folder in folders:
        if (folder / "config.json").exists():
            blocks.update(read_json(folder / "config.json").get("norm_stats") or {})
        if (folder / "dataset_statistics.json").exists():
            blocks.update(read_json(folder / "dataset_statistics.json"))
    return {
        name: ActionStatistics.from_block(name, block.get("action", {}))
        for name, block in blocks.items()
    }


def choose_statistics(
    statistics: Mapping[str, ActionStatistics], key: str | None
) -> ActionStatistics:
    """Those of `key`; None takes the only ones there are. Raises ConfigError with the keys."""
    if not statistics:
        raise ConfigError(
            "The checkpoint has no action statistics: neither norm_stats in config.json nor a "
            "dataset_statistics.json. Copy the one that training wrote into the folder."
        )
    if key is None:
        if len(statistics) > 1:
            raise ConfigError(
                "The checkpoint has statistics of several data sets; name one: "
                f"policy.statistics_key={'|'.join(sorted(statistics))}"
            )
        return next(iter(statistics.values()))
    if key not in statistics:
        raise unknown_name("statistics_key", key, statistics)
    return statistics[key]
