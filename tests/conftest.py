"""Fixtures that every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# Tests import `toys` by name, and so do the lanes, which are processes of their own.
sys.path.insert(0, str(ROOT / "tests"))
os.environ["PYTHONPATH"] = str(ROOT / "tests")

if "PYTEST_XDIST_WORKER" in os.environ:  # other workers need the other cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("untimed", deadline=None)  # how long an example takes, the others decide
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Goldens and specs that only developers and CI have."""
    folder = Path(os.environ.get("VLA_BENCH_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no golden data: {folder} is absent (set VLA_BENCH_SHARED)")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes with one thread: small networks are faster, and sums keep their order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def assets(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The developers' copy of SIMPLER's files, as VLA_BENCH_ASSETS, and an empty cache.

    It lacks what is over 4 MB: three objects are seen as the hull of what collides instead.
    """
    from simpler_standin import add_standins

    from vla_bench.assets import ENVIRONMENT

    pytest.importorskip("collada", reason="pip install 'vla-bench[simpler_look]'")
    source = shared / "assets" / "simpler"
    if not source.is_dir():
        pytest.skip(f"no assets: {source} is absent")
    root = tmp_path_factory.mktemp("assets")
    for file in source.rglob("*"):
        if file.is_file():
            link = root / "simpler" / file.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT, str(root))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        add_standins(root / "simpler" / "data" / "custom" / "models")
        yield root
