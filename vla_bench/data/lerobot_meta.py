"""Where everything is in a LeRobotDataset folder, versions 2.1 and 3.0, as one kind of answer.

3.0 keeps many episodes in a file and says in parquet tables where each begins; 2.1 has one file per
episode and says so in JSON lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vla_bench.actions import ActionSpec, Dimension
from vla_bench.data.lerobot_format import CAMERA_PREFIX, OWN_FACTS, parquet, reading
from vla_bench.data.trajectory import DataError


@dataclass(frozen=True)
class VideoSlice:
    """An episode's part of a video file; its first frame is shown at `from_seconds`."""

    path: Path
    from_seconds: float


@dataclass(frozen=True)
class EpisodeEntry:
    """Where an episode is.

    Attributes:
        index: LeRobot's ``episode_index``.
        id: Ours where we wrote the folder, else made of the index.
        length: Frames.
        data: Parquet file that holds it, from row `first_row` on.
        videos: Camera -> its frames, for cameras that are stored as video.
    """

    index: int
    id: str
    length: int
    data: Path
    first_row: int
    videos: Mapping[str, VideoSlice]


@dataclass(frozen=True)
class Metadata:
    """The folder's own description. `cameras`: name -> feature key."""

    root: Path
    rate: float
    features: Mapping[str, Mapping[str, Any]]
    cameras: Mapping[str, str]
    instructions: Mapping[int, str]
    episodes: tuple[EpisodeEntry, ...]
    action_spec: ActionSpec | None


def read_metadata(root: Path) -> Metadata:
    """Raises DataError when the folder is none, is of another version, or misses a file."""
    path = root / "meta" / "info.json"
    if not path.is_file():
        raise DataError(
            f"{root} is not a LeRobot data set: it has no meta/info.json. If `vla-bench demos` was "
            "interrupted there, run the same command again to complete it."
        )
    with reading(path, "a JSON object with codebase_version, fps, data_path and features"):
        info = json.loads(path.read_text())
        version = info.get("codebase_version")
        rate, features, _ = float(info["fps"]), info["features"], info["data_path"]
        cameras = {
            key.removeprefix(CAMERA_PREFIX).removeprefix("observation."): key
            for key, feature in features.items()
            if feature["dtype"] in ("video", "image")
        }
    if version not in _READERS:
        raise DataError(f"{path}: version {version!r}, expected {' or '.join(sorted(_READERS))}.")
    with reading(root / "meta", f"the tables of a LeRobot {version} data set, with their columns"):
        instructions, episodes = _READERS[version](root, info, cameras)
    metadata = Metadata(root, rate, features, cameras, instructions, episodes, _action_spec(root))
    _check(metadata)
    return metadata


_Listing = tuple[dict[int, str], tuple[EpisodeEntry, ...]]


def _read_v3(root: Path, info: Mapping[str, Any], cameras: Mapping[str, str]) -> _Listing:
    path = root / "meta" / "tasks.parquet"
    with reading(path, "a column task_index and one of texts"):
        tasks = _read_table(path).to_pydict()
        indices = tasks.pop("task_index")
        texts, *_ = tasks.values()  # the data frame's index, whatever it is called
    files = sorted((root / "meta" / "episodes").glob("*/*.parquet"))
    rows = [row for file in files for row in _episode_rows(file)]
    rows.sort(key=lambda row: int(row["episode_index"]))
    data = [root / _filled(info["data_path"], row, "data/") for row in rows]
    first: dict[Path, int] = {}  # frame that each file begins with
    for path, row in zip(data, rows):
        first[path] = min(first.get(path, row["dataset_from_index"]), row["dataset_from_index"])
    videos = {
        name: key for name, key in cameras.items() if info["features"][key]["dtype"] == "video"
    }
    episodes = tuple(
        EpisodeEntry(
            index=row["episode_index"],
            id=row.get("episode_id") or f"episode {row['episode_index']}",
            length=row["length"],
            data=path,
            first_row=row["dataset_from_index"] - first[path],
            videos={
                name: VideoSlice(
                    root / _filled(info["video_path"], row, f"videos/{key}/", key),
                    row[f"videos/{key}/from_timestamp"],
                )
                for name, key in videos.items()
            },
        )
        for path, row in zip(data, rows)
    )
    return dict(zip(indices, texts)), episodes


def _filled(template: str, row: Mapping[str, Any], prefix: str, video_key: str = "") -> str:
    chunk, file = row[f"{prefix}chunk_index"], row[f"{prefix}file_index"]
    return template.format(video_key=video_key, chunk_index=chunk, file_index=file)


def _episode_rows(path: Path) -> list[dict[str, Any]]:
    table = _read_table(path)
    wanted = [name for name in table.column_names if not name.startswith("stats/")]
    rows: list[dict[str, Any]] = table.select(wanted).to_pylist()
    return rows


def _read_v21(root: Path, info: Mapping[str, Any], cameras: Mapping[str, str]) -> _Listing:
    tasks = _json_lines(root / "meta" / "tasks.jsonl")
    rows = _json_lines(root / "meta" / "episodes.jsonl")
    videos = {
        name: key for name, key in cameras.items() if info["features"][key]["dtype"] == "video"
    }

    def entry(row: Mapping[str, Any]) -> EpisodeEntry:
        index = row["episode_index"]
        place = {"episode_chunk": index // info["chunks_size"], "episode_index": index}
        return EpisodeEntry(
            index=index,
            id=f"episode {index}",
            length=row["length"],
            data=root / info["data_path"].format(**place),
            first_row=0,
            videos={
                name: VideoSlice(root / info["video_path"].format(video_key=key, **place), 0.0)
                for name, key in videos.items()
            },
        )

    episodes = tuple(entry(row) for row in sorted(rows, key=lambda row: int(row["episode_index"])))
    return {row["task_index"]: row["task"] for row in tasks}, episodes


_READERS: dict[str, Callable[[Path, Mapping[str, Any], Mapping[str, str]], _Listing]] = {
    "v2.1": _read_v21,
    "v3.0": _read_v3,
}


def _read_table(path: Path) -> Any:
    with reading(path, "a parquet file"):
        return parquet()[1].read_table(path)


def _json_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataError(f"Expected {path}, which is missing.")
    with reading(path, "a JSON object per line"):
        return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def _action_spec(root: Path) -> ActionSpec | None:
    """Written by our own writer alone."""
    path = root / OWN_FACTS
    if not path.is_file():
        return None
    with reading(path, "a JSON object with an action_spec"):
        dimensions = json.loads(path.read_text())["action_spec"]
        return ActionSpec(tuple(Dimension(**d) for d in dimensions))


def _check(metadata: Metadata) -> None:
    for position, entry in enumerate(metadata.episodes):
        if entry.length < 1:
            raise DataError(
                f"{metadata.root}: episode {entry.index} ({entry.id}) is empty: length "
                f"{entry.length}. Delete it from the data set."
            )
        if entry.index != position:
            raise DataError(
                f"{metadata.root}: expected episodes 0, 1, …, got {entry.index} after "
                f"{position - 1}."
            )
        for kind, path in [("data", entry.data), *((c, v.path) for c, v in entry.videos.items())]:
            if not path.is_file():
                raise DataError(
                    f"{metadata.root}: episode {entry.index} ({entry.id}) needs its {kind} file "
                    f"{path.relative_to(metadata.root)}, which is missing. Download it again."
                )
