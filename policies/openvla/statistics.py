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

_CURE = "Copy the dataset_statistics.json that training wrote into the checkpoint's folder."


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
        if not {"q01", "q99"} <= block.keys():
            raise CheckpointError(
                f"Statistics of {name!r}: expected q01 and q99 under 'action', got "
                f"{', '.join(sorted(block)) or 'nothing'}. {_CURE}"
            )
        try:
            q01, q99 = (np.asarray(block[key], dtype=np.float64) for key in ("q01", "q99"))
            mask = np.asarray(block.get("mask", np.ones(q01.shape)), dtype=np.bool_)
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"Statistics of {name!r}: expected lists of numbers, {error}. {_CURE}"
            ) from error
        if not q01.shape == q99.shape == mask.shape or q01.ndim != 1 or not len(q01):
            raise CheckpointError(
                f"Statistics of {name!r}: expected q01, q99 and mask of one length, the number of "
                f"action columns, got shapes {q01.shape}, {q99.shape}, {mask.shape}. {_CURE}"
            )
        return cls(q01, q99, mask)


def read_statistics(folders: Sequence[Path]) -> dict[str, ActionStatistics]:
    """Everything that config.json and dataset_statistics.json in `folders` hold, by data set."""
    blocks: dict[str, Mapping[str, Any]] = {}
    for folder in folders:
        config, side = folder / "config.json", folder / "dataset_statistics.json"
        if config.exists():
            blocks.update(_blocks(config, read_json(config).get("norm_stats") or {}))
        if side.exists():
            blocks.update(_blocks(side, read_json(side)))
    return {name: ActionStatistics.from_block(name, block) for name, block in blocks.items()}


def _blocks(path: Path, found: Any) -> dict[str, Mapping[str, Any]]:
    """The ``action`` blocks in what `path` holds, by data set."""
    try:
        return {name: dict(block["action"]) for name, block in found.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: expected {{DATA_SET: {{'action': {{'q01': [...], 'q99': [...]}}}}}}, got "
            f"{str(found)[:200]}. {_CURE}"
        ) from error


def choose_statistics(
    statistics: Mapping[str, ActionStatistics], key: str | None
) -> ActionStatistics:
    """Those of `key`; None takes the only ones there are. Raises ConfigError with the keys."""
    if not statistics:
        raise ConfigError(
            "The checkpoint has no action statistics: neither norm_stats in config.json nor a "
            f"dataset_statistics.json. {_CURE}"
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
