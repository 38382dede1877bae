"""Where a checkpoint lives: a local folder, this package, or the Hugging Face hub.

A native Prismatic run is a folder with ``config.json``, ``dataset_statistics.json`` and one
``checkpoints/step-….pt`` or several; the path of a ``.pt`` names that step of its run.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from vla_bench.errors import MissingDependencyError
from vla_bench.policies.bundled import checkpoint_folder
from vla_bench.policies.openvla.config import CheckpointError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_FILES = ("*.json", "*.safetensors")
_STEPS = "checkpoints/*.pt"


def locate(checkpoint: str | Path) -> Path:
    """The folder of `checkpoint`: a folder, the ``.pt`` of a native run, ``bundled:NAME``, or the
    hub's ``owner/name`` or ``owner/name@revision``, which is downloaded.

    Raises CheckpointError when it is none of them, or the hub does not hand it out, and ConfigError
    for a name that is not bundled.
    """
    folder = checkpoint_folder(str(checkpoint))
    if folder.is_dir():
        return folder
    if named_step(checkpoint) is not None:
        return run_folder(folder)
    name = str(checkpoint)
    if name.endswith(".pt"):
        raise CheckpointError(f"{name} is absent: expected a .pt of a native Prismatic run there.")
    if not _HUB_ID.fullmatch(name):
        raise CheckpointError(
            f"Checkpoint {name!r} is neither an existing folder nor a hub id such as "
            "openvla/openvla-7b."
        )
    repository, _, revision = name.partition("@")
    return _download(repository, revision or None)


def named_step(checkpoint: str | Path) -> Path | None:
    """The ``.pt`` that `checkpoint` is; None where it names a folder or the hub."""
    path = Path(checkpoint).expanduser()
    return path if path.suffix == ".pt" and path.is_file() else None


def run_folder(place: Path) -> Path:
    """The folder of a native run's ``.pt``; a folder is its own."""
    if place.suffix != ".pt" or place.is_dir():
        return place
    return place.parent.parent if place.parent.name == "checkpoints" else place.parent


def identifying_files(checkpoint: str | Path) -> list[Path]:
    """What `fingerprint` is to read: the folder, or of a named step its run's JSON and the file."""
    step, folder = named_step(checkpoint), locate(checkpoint)
    return [folder] if step is None else [*sorted(folder.glob("*.json")), step]


def _download(repository: str, revision: str | None) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise MissingDependencyError(
            f"Downloading {repository} needs huggingface_hub. Type: pip install huggingface-hub"
        ) from error
    try:
        return _fetch(huggingface_hub, repository, revision)
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{repository} asks for a login: accept its terms at https://huggingface.co/"
            f"{repository}, then type: hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"The hub has no {repository}, or it is private: check the name, or type: hf auth login"
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{repository} could not be downloaded ({type(error).__name__}: {error}). Without a "
            "network, give the path of a downloaded folder."
        ) from error


def _fetch(hub: Any, repository: str, revision: str | None) -> Path:
    """Step files only where there are no safetensors, and only one: each is 15 to 30 GB."""
    fetch = partial(hub.snapshot_download, repository, revision=revision)
    folder = Path(fetch(allow_patterns=list(_FILES)))
    if any(folder.glob("*.safetensors")) or any(folder.glob(_STEPS)):
        return folder
    names = hub.list_repo_files(repository, revision=revision)
    steps = sorted(name for name in names if fnmatch(name, _STEPS))
    if len(steps) > 1:
        raise CheckpointError(
            f"{repository} has {len(steps)} steps of a native run: {', '.join(steps)}. Type: hf "
            f"download {repository} config.json dataset_statistics.json '{steps[-1]}' --local-dir "
            f"RUN, then \"policy.checkpoint='RUN/{steps[-1]}'\""
        )
    return Path(fetch(allow_patterns=steps)) if steps else folder
