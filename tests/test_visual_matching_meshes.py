"""Mesh files converted for MuJoCo: colours, edges, pieces, the cache."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from simpler_standin import write_dae, write_obj

from vla_bench.envs.tabletop.visual_matching import convert
from vla_bench.envs.tabletop.visual_matching.convert import hulls, parts
from vla_bench.errors import MissingDependencyError
from vla_bench.protocols import FloatArray

pytest.importorskip("collada", reason="pip install 'vla-bench[simpler_look]'")

CUBE = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])


def moved(*by: float) -> FloatArray:
    there: FloatArray = CUBE + np.array(by)
    return there


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_colour_is_linear_light_in_the_file_and_srgb_in_the_part(tmp_path: Path) -> None:
    write_dae(tmp_path / "a.dae", CUBE, (0.5, 0.002, 1.0, 1.0))
    (part,) = parts(tmp_path / "a.dae")
    np.testing.assert_allclose(part.rgba, (0.735, 0.026, 1.0, 1.0), atol=1e-3)
    assert not part.glowing


def test_a_part_that_only_emits_glows_in_what_it_emits(tmp_path: Path) -> None:
    write_dae(tmp_path / "a.dae", CUBE, (0.0, 0.0, 0.0, 1.0), emission=(0.2, 0.4, 0.3, 1.0))
    (part,) = parts(tmp_path / "a.dae")
    np.testing.assert_allclose(part.rgba, (0.485, 0.665, 0.584, 1.0), atol=1e-3)
    assert part.glowing
    assert part.paint.glowing


def test_corners_that_agree_become_one_vertex(tmp_path: Path) -> None:
    write_dae(tmp_path / "a.dae", CUBE, (1.0, 1.0, 1.0, 1.0))
    (part,) = parts(tmp_path / "a.dae")
    assert part.mesh.faces.shape == (12, 3)
    assert {tuple(corner) for corner in part.mesh.vertices} == {tuple(corner) for corner in CUBE}
    assert len(part.mesh.vertices) == 8


def test_pieces_that_touch_in_a_corner_are_apart_and_those_that_share_an_edge_are_one(
    tmp_path: Path,
) -> None:
    write_obj(tmp_path / "apart.obj", [CUBE, moved(1.0, 1.0, 1.0), moved(5.0, 0.0, 0.0)])
    pieces = sorted(hulls(tmp_path / "apart.obj"), key=lambda piece: float(piece[:, 0].min()))
    assert [len(piece) for piece in pieces] == [8, 8, 8]
    np.testing.assert_allclose([piece.min(axis=0)[0] for piece in pieces], [0.0, 1.0, 5.0])
    write_obj(tmp_path / "joined.obj", [CUBE, moved(1.0, 0.0, 1.0)])
    (joined,) = hulls(tmp_path / "joined.obj")
    np.testing.assert_allclose(joined.max(axis=0), (2.0, 1.0, 2.0))


def test_a_file_is_read_once_and_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.obj"
    write_obj(path, [CUBE])
    first = hulls(path)
    n_read: list[Path] = []
    read = convert._read_hulls

    def counted(path: Path) -> convert.Arrays:
        n_read.append(path)
        return read(path)

    monkeypatch.setattr(convert, "_read_hulls", counted)
    np.testing.assert_array_equal(hulls(path)[0], first[0])
    assert not n_read
    write_obj(path, [2.0 * CUBE])
    np.testing.assert_array_equal(hulls(path)[0].max(axis=0), (2.0, 2.0, 2.0))
    assert len(n_read) == 1


def test_without_pycollada_the_error_gives_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dae(tmp_path / "a.dae", CUBE, (1.0, 1.0, 1.0, 1.0))
    monkeypatch.setitem(sys.modules, "collada", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'vla-bench\[simpler_look\]'"):
        parts(tmp_path / "a.dae")
