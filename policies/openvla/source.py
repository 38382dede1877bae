"""Where a checkpoint lives: a local folder, this package, or the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from vla_bench.errors import MissingDependencyError
from vla_bench.policies.bundled import checkpoint_folder
from vla_bench.policies.openvla.config import CheckpointError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_FILES = ("*.json", "*.safetensors")


def locate(checkpoint: str | Path) -> Path:
    """The folder of `checkpoint`: a folder, ``bundled:NAME``, or the hub's ``owner/name`` or
    ``owner/name@revision``, which is downloaded.

    Raises CheckpointError when it is none of them, or the hub does not hand it out, and ConfigError
    for a name that is not bundled.
    """
    folder = checkpoint_folder(str(checkpoint))
    if folder.is_dir():
        return folder
    name = str(checkpoint)
    if not _HUB_ID.fullmatch(name):
        raise CheckpointError(
            f"Checkpoint {name!r} is neither an existing folder nor a hub id such as "
            "openvla/openvla-7b."
        )
    repository, _, revision = name.partition("@")
    return _download(repository, revision or None)


def _download(repository: str, revision: str | None) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise MissingDependencyError(
            f"Downloading {repository} needs huggingface_hub. Type: pip install huggingface-hub"
        ) from error
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repository, revision=revision, allow_patterns=list(_FILES)
            )
        )
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
