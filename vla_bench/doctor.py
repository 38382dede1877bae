"""`vla-bench doctor`: what on this machine keeps a run from working, and the line that fixes it."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from rich.console import Console
from rich.markup import escape

from vla_bench import provenance

_RENDER = "from vla_bench.envs.tabletop.renderer import check_rendering; print(check_rendering())"
_MESHES = "from vla_bench.envs.tabletop.robots.meshes import check_meshes; print(check_meshes())"
_FREE_GIB = 1.0


@dataclass(frozen=True)
class Finding:
    """One check. `fix` is empty when all is well; `needed` ones make the doctor exit with 1."""

    what: str
    seen: str
    fix: str = ""
    needed: bool = True


def examine() -> int:
    """Print every finding; 0 when nothing needed is missing, else 1."""
    console = Console()
    n_missing = 0
    here = (_rendering(), _video(), _meshes(), _disk(), _machine(), _gpu())
    for finding in (_python(), *_packages(), *here):
        mark = "[green]ok[/]  " if not finding.fix else "[red]FIX[/] " if finding.needed else "opt."
        text = escape(f"{finding.what}: {finding.seen}")
        console.print(f"{mark} {text}", highlight=False, soft_wrap=True)
        if finding.fix:
            console.print(f"       -> {escape(finding.fix)}", highlight=False, soft_wrap=True)
            n_missing += finding.needed
    console.print("All that a run needs is here." if not n_missing else f"{n_missing} to fix.")
    return 1 if n_missing else 0


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Finding("Python", version, "" if good else "install Python 3.11 or 3.12")


def _packages() -> Iterator[Finding]:
    """The declared requirements; those of extras are optional. One of several extras comes once."""
    own = importlib.metadata.metadata("vla-bench")
    extras = [name for name in own.get_all("Provides-Extra") or () if name != "dev"]
    seen = set[str]()
    for line in importlib.metadata.requires("vla-bench") or ():
        requirement = Requirement(line)
        marker = requirement.marker
        of = [name for name in extras if marker is not None and marker.evaluate({"extra": name})]
        if (marker is None or of) and requirement.name not in seen:
            seen.add(requirement.name)
            yield _package(requirement, f"[{of[0]}]" if of else "")


def _package(requirement: Requirement, extra: str) -> Finding:
    install = (
        f"{Path(sys.executable).name} -m pip install '{requirement.name}{requirement.specifier}'"
    )
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(f"{requirement.name}{extra}", "absent", install, needed=not extra)
    fits = requirement.specifier.contains(version, prereleases=True)
    fix = "" if fits else install
    return Finding(f"{requirement.name}{extra}", version, fix, needed=not extra)


def _rendering() -> Finding:
    fix = "apt-get install libegl1 libgl1-mesa-dri libgles2"
    return _asked("MuJoCo rendering", _RENDER, fix, needed=True)


def _meshes() -> Finding:
    fix = f"{Path(sys.executable).name} -m pip install 'vla-bench[meshes]', for env.look=meshes"
    return _asked("robot meshes", _MESHES, fix, needed=False)


def _asked(what: str, code: str, fix: str, needed: bool) -> Finding:
    """What `code` prints, in its own process: a broken GL library may take a process down."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Finding(what, done.stdout.strip().splitlines()[-1])
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Finding(what, last, fix, needed)


def _video() -> Finding:
    try:
        import av
    except ImportError as error:
        return Finding("H.264 videos", str(error), "python -m pip install av")
    if "libx264" in av.codecs_available:
        return Finding("H.264 videos", f"PyAV {av.__version__}")
    return Finding("H.264 videos", "PyAV without libx264", "python -m pip install --upgrade av")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    fix = "" if free > _FREE_GIB else "free space, or choose another folder with output=..."
    return Finding("free disk here", f"{free:.1f} GiB", fix)


def _machine() -> Finding:
    found = provenance.machine()
    return Finding(
        "machine", f"{found['cpu']}, {found['n_cores']} cores, {found['memory_gib']} GiB"
    )


def _gpu() -> Finding:
    gpus = provenance.machine()["gpus"]
    if gpus:
        return Finding("GPU", ", ".join(gpus))
    return Finding("GPU", "none (needed for large models only)")
