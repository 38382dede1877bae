"""Where metrics go beside ``metrics.jsonl``: TensorBoard, W&B or trackio, through accelerate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

from vla_bench.errors import MissingDependencyError, unknown_name

TRACKERS = ("tensorboard", "wandb", "trackio")  # also the names of their packages


class Tracker(Protocol):
    """One of them; anything with these two methods will do."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """What was measured at optimizer step `step`, from 1."""
        ...

    def finish(self) -> None:
        """Nothing follows."""
        ...


def check(names: Sequence[str]) -> None:
    """Raise ConfigError for an unknown name, MissingDependencyError for an absent package."""
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, TRACKERS)
        if find_spec(name) is None:
            raise MissingDependencyError(f"log=[{name}] needs its package: pip install {name}")


def start(
    names: Sequence[str], folder: Path, identity: Mapping[str, Any], step: int
) -> list[Tracker]:
    """The trackers `names` of the training in `folder`, which goes on after `step`.

    A training that is taken up again goes on in the same W&B or trackio run; TensorBoard drops the
    steps that will be taken again.
    """
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    check(names)
    run_id = uuid5(NAMESPACE_URL, str(folder.resolve())).hex
    online: dict[str, Any] = {"name": folder.name, "resume": "allow", "config": dict(identity)}
    options: dict[str, dict[str, Any]] = {
        "tensorboard": {"logging_dir": folder, "purge_step": step + 1},
        "wandb": {**online, "id": run_id, "dir": folder},
        "trackio": {**online, "name": f"{folder.name}-{run_id[:8]}"},
    }
    started = []
    for name in names:
        project = name if name == "tensorboard" else "vla-bench"
        tracker = LOGGER_TYPE_TO_CLASS[name](project, **options[name])
        tracker.start()
        started.append(tracker)
    return started
