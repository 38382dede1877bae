"""Staged episodes -> a LeRobotDataset v3.0 folder.

A pure function of the staged episodes and their order: killed at any moment, it starts again and
ends with the same bytes. `meta/` appears last, whole; until then there is no data set.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vla_bench.data import lerobot_format as layout
from vla_bench.data.lerobot_format import CAMERA_PREFIX, Features, parquet, vectors_of
from vla_bench.data.lerobot_statistics import Statistics, describe, describe_pixels
from vla_bench.data.staging import StagedEpisode, read_staged
from vla_bench.data.trajectory import DataError
from vla_bench.data.video import join_videos
from vla_bench.store import write_json

_MB = 2**20


@dataclass(frozen=True)
class Assembly:
    """A data set to be made in `folder` of the episodes `ids` that lie in `staging`.

    `facts` goes to ``meta/vla_bench.json``.
    """

    folder: Path
    staging: Path
    ids: Sequence[str]
    features: Features
    rate: int
    facts: Mapping[str, Any]


def is_complete(folder: Path) -> bool:
    """Whether `folder` holds a finished data set."""
    return (folder / "meta" / "info.json").is_file()


def assemble(assembly: Assembly) -> dict[str, Any]:
    """Write the data set; returns its info.json. Raises DataError when there is no episode."""
    if not assembly.ids:
        raise DataError(f"{assembly.folder}: there is no episode to make a data set of.")
    partial = assembly.folder / "partial"
    for leftover in (partial, assembly.folder / "data", assembly.folder / "videos"):
        shutil.rmtree(leftover, ignore_errors=True)
    (partial / "meta").mkdir(parents=True)
    made = _write_frames(assembly, partial)
    if assembly.features.storage == "video":
        _write_videos(assembly, partial, made)
    info = _write_meta(assembly, partial, made)
    for name in ("data", "videos", "meta"):
        if (partial / name).exists():
            (partial / name).rename(assembly.folder / name)
    partial.rmdir()
    return info


@dataclass
class _Made:
    """What is known once the frames are written."""

    rows: list[dict[str, Any]] = field(default_factory=list)  # of the episodes table
    instructions: dict[str, int] = field(default_factory=dict)  # -> task_index
    vectors: dict[str, list[NDArray[Any]]] = field(default_factory=dict)  # by episode
    histograms: dict[str, NDArray[np.int64]] = field(default_factory=dict)  # by camera feature
    n_frames: int = 0


def _write_frames(assembly: Assembly, partial: Path) -> _Made:
    made = _Made()
    files = _DataFiles(partial)
    for index, episode_id in enumerate(assembly.ids):
        staged = read_staged(assembly.staging, episode_id)
        n = staged.frames.num_rows
        table = _with_indices(staged, index, made)
        file = files.append(table)
        row = {
            "episode_index": index,
            "tasks": list(dict.fromkeys(staged.instructions)),
            "length": n,
            **{f"data/{key}": value for key, value in file.items()},
            "dataset_from_index": made.n_frames,
            "dataset_to_index": made.n_frames + n,
            **{f"meta/episodes/{key}": value for key, value in layout.numbered(0).items()},
            **staged.facts,
            **_episode_statistics(table, staged, made),
        }
        made.rows.append(row)
        made.n_frames += n
    files.close()
    return made


def _with_indices(staged: StagedEpisode, episode: int, made: _Made) -> Any:
    pa, _ = parquet()
    frames, n = staged.frames, staged.frames.num_rows
    known = made.instructions
    tasks = [known.setdefault(text, len(known)) for text in staged.instructions]
    for name, values in (
        ("episode_index", np.full(n, episode)),
        ("index", np.arange(made.n_frames, made.n_frames + n)),
        ("task_index", np.array(tasks)),
    ):
        frames = frames.append_column(name, pa.array(values))
    return frames


class _DataFiles:
    """The parquet files, one row group per episode, each closed before it gets too big."""

    def __init__(self, partial: Path) -> None:
        self._partial = partial
        self._writer: Any = None
        self._n_files = 0
        self._n_bytes = 0

    def append(self, table: Any) -> dict[str, int]:
        """Write an episode; returns its ``chunk_index`` and ``file_index``."""
        _, pq = parquet()
        full = self._n_bytes + table.nbytes > layout.DATA_FILE_MB * _MB
        if self._writer is None or full:
            self.close()
            path = self._partial / layout.DATA_PATH.format(**layout.numbered(self._n_files))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, table.schema)
            self._n_files, self._n_bytes = self._n_files + 1, 0
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._n_bytes += table.nbytes
        return layout.numbered(self._n_files - 1)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _write_videos(assembly: Assembly, partial: Path, made: _Made) -> None:
    for camera in assembly.features.cameras:
        key = CAMERA_PREFIX + camera
        parts = [assembly.staging / i / f"{camera}.mp4" for i in assembly.ids]
        for n_files, group in enumerate(_groups([part.stat().st_size for part in parts])):
            file = layout.numbered(n_files)
            path = partial / layout.VIDEO_PATH.format(video_key=key, **file)
            path.parent.mkdir(parents=True, exist_ok=True)
            lengths = [made.rows[i]["length"] for i in group]
            join_videos(path, [parts[i] for i in group], lengths, assembly.rate)
            ends = np.cumsum(lengths)
            for i, end, length in zip(group, ends, lengths):
                row = made.rows[i]
                row.update({f"videos/{key}/{name}": value for name, value in file.items()})
                row[f"videos/{key}/from_timestamp"] = (end - length) / assembly.rate
                row[f"videos/{key}/to_timestamp"] = end / assembly.rate


def _groups(sizes: Sequence[int]) -> list[list[int]]:
    """Consecutive numbers whose sizes add up to one file at most."""
    groups: list[list[int]] = []
    n_bytes = 0
    for number, size in enumerate(sizes):
        if not groups or n_bytes + size > layout.VIDEO_FILE_MB * _MB:
            groups.append([])
            n_bytes = 0
        groups[-1].append(number)
        n_bytes += size
    return groups


def _write_meta(assembly: Assembly, partial: Path, made: _Made) -> dict[str, Any]:
    pa, pq = parquet()
    counts = {
        "episodes": len(made.rows),
        "frames": made.n_frames,
        "tasks": len(made.instructions),
    }
    info = layout.info(assembly.features, assembly.rate, counts)
    path = partial / layout.EPISODES_PATH.format(**layout.numbered(0))
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(made.rows), path)
    tasks = pd.DataFrame({"task_index": range(counts["tasks"])}, index=list(made.instructions))
    tasks.to_parquet(partial / "meta" / "tasks.parquet")
    of_vectors = {key: describe(np.concatenate(rows)) for key, rows in made.vectors.items()}
    of_images = {
        key: describe_pixels(counts, made.n_frames) for key, counts in made.histograms.items()
    }
    statistics = {**of_images, **of_vectors}
    write_json(
        partial / "meta" / "stats.json",
        {key: {k: v.tolist() for k, v in block.items()} for key, block in statistics.items()},
    )
    write_json(partial / layout.OWN_FACTS, dict(assembly.facts))
    write_json(partial / "meta" / "info.json", info)
    return info


def _episode_statistics(table: Any, staged: StagedEpisode, made: _Made) -> dict[str, Any]:
    """This episode's ``stats/…`` columns; adds what it holds to the whole's."""
    found: dict[str, Statistics] = {}
    for camera, counts in staged.histograms.items():
        key = CAMERA_PREFIX + camera
        found[key] = describe_pixels(counts, table.num_rows)
        made.histograms[key] = made.histograms.get(key, 0) + counts
    for key in table.column_names:
        if not key.startswith(CAMERA_PREFIX):
            rows = vectors_of(table.column(key))
            found[key] = describe(rows)
            made.vectors.setdefault(key, []).append(rows)
    return {
        f"stats/{key}/{name}": value.tolist()
        for key, block in found.items()
        for name, value in block.items()
    }
