"""The demonstrations that a training's settings name, as any learner takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vla_bench.data.concatenated import Concatenated
from vla_bench.data.frame_cache import CachedDataset
from vla_bench.data.keyframes import n_until_idle
from vla_bench.data.lerobot_format import ACTION
from vla_bench.data.lerobot_reader import LeRobotFolder
from vla_bench.data.trajectory import Indices, TrajectoryDataset
from vla_bench.data.view import View, Viewed
from vla_bench.data.windows import Split, split_episodes
from vla_bench.policies.training.settings import Settings


@dataclass(frozen=True)
class Recorded:
    """What is learned and what was done.

    Attributes:
        labels: With the actions to learn.
        executed: The same episodes with the actions that were executed.
        n_idle: Frames used after the last change of the gripper; None: all.
        cache: Folder of resized frames; None: they are decoded every time.
        n_workers: Threads that fill it.
        validation_share: Of the episodes, that are not learned from.
        seed: Chooses them.
    """

    labels: TrajectoryDataset
    executed: TrajectoryDataset
    n_idle: int | None = None
    cache: str | None = None
    n_workers: int = 1
    validation_share: float = 0.0
    seed: int = 0

    @property
    def owners(self) -> list[str]:
        """The name of the data set that each episode is of."""
        return [part.name for part in self._parts for _ in part.lengths]

    @property
    def split(self) -> Split:
        """Episodes to learn from, and those held out. Raises ConfigError for too few."""
        return split_episodes(len(self.labels.lengths), self.validation_share, self.seed)

    @property
    def _parts(self) -> Sequence[TrajectoryDataset]:
        return self.labels.parts if isinstance(self.labels, Concatenated) else (self.labels,)

    def at_views(self, views: Mapping[str, View]) -> TrajectoryDataset:
        """`labels` with images of those cameras, prepared when asked for or once and for all."""
        if self.cache is None:
            return Viewed(self.labels, views)
        folder = Path(self.cache)
        return _one([CachedDataset(part, views, folder, self.n_workers) for part in self._parts])

    def n_used(self, dataset: TrajectoryDataset) -> Indices | None:
        """How many of each episode's frames are learned from; None: all. `dataset` is `labels`,
        or what is left of it.
        """
        return None if self.n_idle is None else n_until_idle(dataset, self.n_idle)


def recorded(settings: Settings) -> Recorded:
    """Raises DataError for a folder that is damaged, and for folders that do not go together."""
    return Recorded(
        _joined(settings, settings.action),
        _joined(settings, ACTION),
        settings.n_idle_frames,
        settings.frame_cache,
        settings.n_workers,
        settings.validation.share,
        settings.seed,
    )


def _joined(settings: Settings, action: str) -> TrajectoryDataset:
    return _one([LeRobotFolder(folder, action) for folder in settings.folders])


def _one(parts: Sequence[TrajectoryDataset]) -> TrajectoryDataset:
    return parts[0] if len(parts) == 1 else Concatenated(parts)
