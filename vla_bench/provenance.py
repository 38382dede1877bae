"""Which code, packages and machine made a number."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import vla_bench

_CODE = (":(top)", ":(top,exclude)results/reference")  # what makes a checkout dirty, for git
# Packages whose version can move a number; absent ones are left out of a record.
_PACKAGES = [
    "diffusers",
    "gymnasium",
    "hydra-core",
    "mani-skill",
    "msgpack",
    "mujoco",
    "mujoco-core",
    "mujoco-menagerie",
    "numpy",
    "pandas",
    "pillow",
    "safetensors",
    "sapien",
    "scipy",
    "simpler-env",
    "tokenizers",
    "torch",
    "transformers",
]


def session() -> dict[str, Any]:
    """One sitting of a run: when, by which command, with what code, packages and machine."""
    return {
        "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command(),
        **commit(),
        "packages": packages(),
        "machine": machine(),
    }


def command() -> str:
    """The command line as typed, without the interpreter's folder."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def commit() -> dict[str, Any]:
    """``{"version", "commit", "dirty"}``; the last two are None outside a git checkout.

    Recorded results alone make no checkout dirty: a benchmark that has just written its own would.
    """
    here = Path(vla_bench.__file__).resolve().parent
    if not (here.parent / ".git").exists():
        return {"version": vla_bench.__version__, "commit": None, "dirty": None}
    head = _output(["git", "-C", str(here), "rev-parse", "HEAD"])
    status = _output(
        ["git", "-C", str(here), "status", "--porcelain", "--untracked-files=no", "--", *_CODE]
    )
    dirty = None if status is None else bool(status)
    return {"version": vla_bench.__version__, "commit": head, "dirty": dirty}


def packages() -> dict[str, str]:
    """Name -> version of the installed packages that can move a number, and Python's own."""
    named = ((d.metadata["Name"], d) for d in distributions())
    installed = {name.lower(): d.version for name, d in named if name}  # a broken one has none
    found = {name: installed[name] for name in _PACKAGES if name in installed}
    return {"python": platform.python_version(), **found}


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory in GiB, accelerators, operating system."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "host": platform.node(),
        "cpu": _cpu_model(),
        "n_cores": n_cores(),
        "memory_gib": round(pages / 2**30, 1),
        "gpus": _gpus(),
        "os": platform.platform(),
    }


def n_cores() -> int:
    """Cores that this process may use (a cluster's allocation, not the whole machine)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or "unknown"
    return next(
        (x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "unknown"
    )


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    found = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return found.splitlines() if found else []


def _output(arguments: list[str]) -> str | None:
    """What a command prints, stripped; None when it fails or is absent."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
