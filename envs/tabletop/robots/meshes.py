"""Which of our links wears which body of MuJoCo Menagerie's models of the three robots.

Bodies and frames: google-deepmind/mujoco_menagerie, ``trossen_wx250s/wx250s.xml``,
``franka_emika_panda/panda.xml``, ``google_robot/robot.xml``.
"""

from __future__ import annotations

import math

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.robots.google_robot import GOOGLE_ROBOT
from vla_bench.envs.tabletop.robots.mesh_dress import MeshDress, Seat, package
from vla_bench.envs.tabletop.robots.panda import PANDA
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.envs.tabletop.robots.widowx import WIDOWX
from vla_bench.errors import unknown_name

HALF_TURN = Pose((0.0, 0.0, 0.0), about_axis("z", math.pi))
QUARTER_BACK = Pose((0.0, 0.0, 0.0), about_axis("z", -math.pi / 2))
GOOGLE_ARM = ("torso", "shoulder", "bicep", "elbow", "forearm", "wrist", "gripper")
MESHES = {
    dress.robot.name: dress
    for dress in (
        MeshDress(
            WIDOWX,
            "trossen_wx250s",
            "wx250s",
            {f"wx250s/{link.name}": Seat(link.name) for link in WIDOWX.links},
        ),
        MeshDress(
            PANDA,
            "franka_emika_panda",
            "panda",
            {
                **{f"link{number}": Seat(f"panda_link{number}") for number in range(8)},
                "hand": Seat("panda_hand"),
                "left_finger": Seat("panda_leftfinger"),
                "right_finger": Seat("panda_rightfinger", HALF_TURN),
            },
        ),
        MeshDress(
            GOOGLE_ROBOT,
            "google_robot",
            "robot",
            {
                "base_link": Seat("link_base"),
                **{f"link_{part}": Seat(f"link_{part}") for part in GOOGLE_ARM},
                # What is on the robot's left, at +y, is called right there.
                "link_finger_right": Seat("link_finger_left"),
                "link_finger_tip_right": Seat("link_finger_tip_left"),
                "link_finger_left": Seat("link_finger_right"),
                "link_finger_tip_left": Seat("link_finger_tip_right"),
            },
            # Theirs has no neck: the head is drawn on the base, looking ahead. The gripper's body
            # is drawn a quarter turn from where it collides there and from where SIMPLER has it.
            meshes={
                "link_head_pan_v": Seat("link_head_pan"),
                "link_head_tilt_v": Seat("link_head_tilt"),
                "link_gripper_v": Seat("link_gripper", QUARTER_BACK),
            },
            paints={
                "robot_mtl": "white",
                "finger_base_mtl": "grey",
                "finger_tip_mtl": "rubber",
            },
        ),
    )
}


def mesh_dress(robot: Robot) -> MeshDress:
    """Raises ConfigError for a robot that has none."""
    if robot.name not in MESHES:
        raise unknown_name("robot with look=meshes", robot.name, MESHES)
    return MESHES[robot.name]


def check_meshes() -> str:
    """How many robots are downloaded. Raises MissingDependencyError without the package."""
    menagerie = package()
    cache = menagerie.Cache()
    if cache.root:
        return f"mujoco-menagerie {menagerie.__version__}, MENAGERIE_ROOT={cache.root}"
    n_here = sum(cache.is_cached(menagerie.get(dress.folder)) for dress in MESHES.values())
    return f"mujoco-menagerie {menagerie.__version__}, {n_here} of {len(MESHES)} robots downloaded"
