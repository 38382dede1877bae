"""What a LeRobotDataset folder looks like: paths, names of features, the entries of info.json.

Version 3.0 as huggingface/lerobot 0.4.4 writes and reads it (datasets/utils.py,
datasets/lerobot_dataset.py); its reader is run over our folders in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vla_bench.data.trajectory import DataError
from vla_bench.errors import MissingDependencyError, unknown_name

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FILES_PER_CHUNK = 1000
DATA_FILE_MB = 100  # a file is closed before it grows beyond; LeRobot's defaults
VIDEO_FILE_MB = 200

CAMERA_PREFIX = "observation.images."
STATE = "observation.state"
ACTION = "action"
EXPERT_ACTION = "expert_action"  # LeRobot takes whatever begins with "action" for a policy output
OWN_FACTS = "meta/vla_bench.json"  # what LeRobot has no place for

STORAGES = ("video", "png")
_INDICES = ("frame_index", "episode_index", "index", "task_index")


def parquet() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet. Raises MissingDependencyError without them."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError(
            "LeRobot data sets need pyarrow. Install it: pip install 'vla-bench[data]'"
        ) from error
    return pyarrow, pyarrow.parquet


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Around what reads `path`, in which `expected` should be: its damage becomes a DataError."""
    pa, _ = parquet()
    damages = (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException)
    try:
        yield
    except damages as error:
        found = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{path} cannot be read: expected {expected}, found: {found or type(error).__name__}. "
            "Copy or download it again."
        ) from error


@dataclass(frozen=True)
class Features:
    """What each frame of a data set that we write holds.

    Attributes:
        cameras: Name -> (height, width).
        state_names: Columns of the state; none for an env without proprio.
        action_names: Columns of ``action`` (executed) and ``expert_action`` (without noise).
        storage: ``video`` (H.264, lossy) or ``png`` (inside the parquet files, lossless).
    """

    cameras: Mapping[str, tuple[int, int]]
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    storage: str

    def __post_init__(self) -> None:
        if self.storage not in STORAGES:
            raise unknown_name("images", self.storage, STORAGES)
        if not self.action_names or any("/" in camera for camera in self.cameras):
            raise DataError(f"Expected actions, and cameras without '/' in their names: {self}.")

    @property
    def vectors(self) -> dict[str, tuple[str, ...]]:
        """Feature -> names of its columns, for everything stored as float32."""
        state = {STATE: self.state_names} if self.state_names else {}
        return {**state, ACTION: self.action_names, EXPERT_ACTION: self.action_names}

    def entries(self, rate: int) -> dict[str, Any]:
        """The ``features`` of info.json."""
        cameras = {CAMERA_PREFIX + c: self._camera(*size, rate) for c, size in self.cameras.items()}
        vectors = {key: _entry("float32", names) for key, names in self.vectors.items()}
        flags = {key: _entry("bool", None) for key in ("next.done", "next.success")}
        indices = {key: _entry("int64", None) for key in _INDICES}
        timestamp = {"timestamp": _entry("float32", None)}
        return {**cameras, **vectors, **flags, **timestamp, **indices}

    def _camera(self, height: int, width: int, rate: int) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "dtype": "video" if self.storage == "video" else "image",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        }
        if self.storage == "video":
            entry["info"] = {
                "video.height": height,
                "video.width": width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "video.fps": rate,
                "video.channels": 3,
                "has_audio": False,
            }
        return entry


def _entry(dtype: str, names: Sequence[str] | None) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": [1 if names is None else len(names)],
        "names": None if names is None else list(names),
    }


def info(features: Features, rate: int, counts: Mapping[str, int]) -> dict[str, Any]:
    """``meta/info.json``; `counts` has ``episodes``, ``frames`` and ``tasks``."""
    return {
        "codebase_version": "v3.0",
        "robot_type": None,
        **{f"total_{key}": n for key, n in counts.items()},
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": rate,
        "splits": {"train": f"0:{counts['episodes']}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH if features.storage == "video" else None,
        "features": features.entries(rate),
    }


def numbered(n_files: int) -> dict[str, int]:
    """``chunk_index`` and ``file_index`` of the file after `n_files` others."""
    chunk, file = divmod(n_files, FILES_PER_CHUNK)
    return {"chunk_index": chunk, "file_index": file}


def vectors_of(column: Any) -> NDArray[Any]:
    """(n, dim) of a column of numbers, or of lists of equally many."""
    pa, _ = parquet()
    array = column.combine_chunks()
    is_list = pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type)
    flat = array.flatten() if is_list else array
    values: NDArray[Any] = flat.to_numpy(zero_copy_only=False)
    return values.reshape(len(array), -1)
