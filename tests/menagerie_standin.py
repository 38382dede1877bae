"""A stand-in for a checkout of MuJoCo Menagerie: its layout and names, red boxes for meshes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from simpler_standin import outward

from vla_bench.protocols import FloatArray

BOX = 0.02 * np.array(list(np.ndindex(2, 2, 2)), float)  # m; its corner lies in the frame
ARM = ("torso", "shoulder", "bicep", "elbow", "forearm", "wrist", "gripper")
WIDOWX_LINKS = ("base", "shoulder", "upper_arm", "upper_forearm", "lower_forearm", "wrist")
SHIFTED = 'pos="0 0.01 0" quat="0 1 0 1"'  # of what is not drawn in its body's own frame


def write_menagerie(root: Path) -> None:
    """Write the folders of the three robots, as MENAGERIE_ROOT names them."""
    _write_widowx(root / "trossen_wx250s")
    _write_panda(root / "franka_emika_panda")
    _write_google_robot(root / "google_robot")


def _write_widowx(folder: Path) -> None:
    """STL in millimetres, scaled by a default class; a texture that has no name."""
    _write_stl(folder / "assets" / "part.stl", 1000 * BOX)
    _write_red(folder / "assets" / "black.png")
    names = [*WIDOWX_LINKS, "gripper", "left_finger", "right_finger"]
    bodies = [(f"wx250s/{name}_link", _visual("part")) for name in names]
    (folder / "wx250s.xml").write_text(
        '<mujoco><compiler angle="radian" meshdir="assets" texturedir="assets"/><asset>'
        '<texture type="2d" file="black.png"/><material name="black" texture="black"/>'
        '<mesh file="part.stl" class="robot"/></asset>'
        + _defaults('material="black"', mesh='scale="0.001 0.001 0.001"')
        + _nested(bodies)
    )


def _write_panda(folder: Path) -> None:
    """OBJ, materials without textures, a right finger half a turn from the hand."""
    _write_obj(folder / "assets" / "part.obj")
    bodies = [(f"link{number}", _visual("part", 'material="white"')) for number in range(8)]
    finger = _visual("part", f'material="white" {SHIFTED}')
    bodies += [("hand", _visual("part", 'material="white"')), ("left_finger", finger)]
    bodies.append(('right_finger" quat="0 0 0 1', finger))
    (folder / "panda.xml").write_text(
        '<mujoco><compiler angle="radian" meshdir="assets"/><asset>'
        '<material name="white" rgba="1 0 0 1"/><mesh file="part.obj"/></asset>'
        + _defaults("")
        + _nested(bodies)
    )


def _write_google_robot(folder: Path) -> None:
    """OBJ and named textures in one folder, a head on the base, a gripper of its own."""
    for name in ("part", "link_head_pan_v", "link_head_tilt_v", "link_gripper_v"):
        _write_obj(folder / "assets" / f"{name}.obj")
    _write_red(folder / "assets" / "red.png")
    head = _visual("link_head_pan_v", 'pos="0 0 1.2"') + _visual("link_head_tilt_v", SHIFTED)
    bodies = [("base_link", _visual("part") + head)]
    bodies += [(f"link_{name}", _visual("part")) for name in ARM[:-1]]
    bodies.append(("link_gripper", _visual("link_gripper_v")))
    for side, y in (("right", 0.001), ("left", -0.001)):
        placed = f'material="finger_{{}}_mtl" pos="0 {y} 0"'
        bodies.append((f"link_finger_{side}", _visual("part", placed.format("base"))))
        bodies.append((f"link_finger_tip_{side}", _visual("part", placed.format("tip"))))
    materials = "".join(
        f'<material name="{name}_mtl" texture="red"/>'
        for name in ("robot", "finger_base", "finger_tip")
    )
    meshes = "".join(f'<mesh file="{file.name}"/>' for file in (folder / "assets").glob("*.obj"))
    (folder / "robot.xml").write_text(
        '<mujoco><compiler angle="radian" assetdir="assets"/><asset>'
        f'<texture type="2d" name="red" file="red.png"/>{materials}{meshes}</asset>'
        + _defaults('material="robot_mtl"')
        + _nested(bodies)
    )


def _defaults(visual: str, mesh: str = "") -> str:
    return (
        f'<default><default class="robot"><mesh {mesh}/><default class="visual">'
        f'<geom type="mesh" contype="0" conaffinity="0" group="2" {visual}/></default>'
        '<default class="collision"><geom type="mesh" group="3"/></default></default></default>'
    )


def _visual(mesh: str, attributes: str = "") -> str:
    return f'<geom class="visual" mesh="{mesh}" {attributes}/>'


def _nested(bodies: list[tuple[str, str]]) -> str:
    """Each body in the one before it, with something beside its visuals that collides."""
    text = ""
    for name, visuals in reversed(bodies):
        collision = '<geom class="collision" type="sphere" size="0.01"/>'
        text = f'<body name="{name}">{visuals}{collision}{text}</body>'
    return f"<worldbody>{text}</worldbody></mujoco>"


def _write_red(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (4, 4), (255, 0, 0)).save(path)


def _write_obj(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"v {x} {y} {z}" for x, y, z in BOX]
    lines += [f"vt {u} {v}" for u, v in BOX[:, :2]]
    lines += ["f " + " ".join(f"{corner}/{corner}" for corner in face + 1) for face in outward(BOX)]
    path.write_text("\n".join(lines))


def _write_stl(path: Path, corners: FloatArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    triangles = corners[outward(corners)]
    rows = [struct.pack("<12fH", 0.0, 0.0, 0.0, *each.ravel(), 0) for each in triangles]
    path.write_bytes(bytes(80) + struct.pack("<I", len(rows)) + b"".join(rows))
