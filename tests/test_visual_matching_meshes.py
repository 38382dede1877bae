"""Mesh files converted for MuJoCo: colours, edges, pieces, the cache."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from simpler_standin import write_dae, write_glb, write_obj

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.visual_matching import convert
from vla_bench.envs.tabletop.visual_matching.convert import hulls, parts
from vla_bench.envs.tabletop.visual_matching.pieces import FLAT, pieces
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


def test_a_baked_object_glows_in_its_texture_which_is_the_right_way_up(tmp_path: Path) -> None:
    texture = np.zeros((4, 4, 3), np.uint8)
    texture[:2] = (200, 100, 50)  # the upper half
    write_glb(tmp_path / "a.glb", CUBE, CUBE[:, 1:], texture)
    (part,) = parts(tmp_path / "a.glb")
    assert part.glowing
    assert part.rgba == (1.0, 1.0, 1.0, 1.0)
    assert part.texture is not None
    np.testing.assert_array_equal(part.texture, texture)
    assert part.mesh.faces.shape == (12, 3)
    np.testing.assert_allclose(part.mesh.uv, part.mesh.vertices[:, 1:])  # v runs down in both


def test_another_kind_of_file_is_no_glb(tmp_path: Path) -> None:
    (tmp_path / "a.glb").write_text("{}")
    with pytest.raises(ValueError, match="is no GLB file"):
        parts(tmp_path / "a.glb")


def a_ball(radius: float) -> FloatArray:
    turns = np.random.default_rng(0).normal(size=(2500, 3))
    ball: FloatArray = radius * turns / np.linalg.norm(turns, axis=1, keepdims=True)
    return ball


def test_a_thinned_ball_keeps_its_shape_and_stands_on_a_facet(tmp_path: Path) -> None:
    write_obj(tmp_path / "a.obj", [a_ball(0.035)])
    rest = Pose((0.0, 0.0, 0.035))
    ((corners, mass),) = pieces(tmp_path / "a.obj", 0.1, rest, 150)
    assert mass == 0.1
    assert 50 < len(corners) < 250
    apart = np.linalg.norm(corners, axis=1) - 0.035
    assert apart.min() > -FLAT
    assert apart.max() < FLAT
    directions = a_ball(1.0)
    assert (0.035 - (directions @ corners.T).max(axis=1)).max() < 1e-3
    standing = corners[corners[:, 2] < 1e-9 - 0.035]
    assert np.ptp(standing, axis=0)[:2].min() > 0.003


def test_all_corners_are_kept_unless_told_otherwise_and_what_is_light_as_print_too(
    tmp_path: Path,
) -> None:
    write_obj(tmp_path / "a.obj", [CUBE, 0.001 * CUBE + 3.0])
    kept = pieces(tmp_path / "a.obj", 2.0, None, None)
    assert [len(corners) for corners, _ in kept] == [8, 8]
    assert sum(mass for _, mass in kept) == pytest.approx(2.0)
    assert len(pieces(tmp_path / "a.obj", 2.0, None, 150)) == 1


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
