"""The suites that `TabletopEnv` can be, by name and by task: what a card says of all tasks alike.

A new suite is a `Suite` here, its tasks, and one YAML in conf/env.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vla_bench.actions import DELTA_TCP_POSE, ActionSpec
from vla_bench.envs.tabletop.scenes.cabinet import DRAWERS
from vla_bench.envs.tabletop.tasks.bridge.catalog import BRIDGE_TASKS
from vla_bench.envs.tabletop.tasks.franka.catalog import DROID_TASKS, FRANKA_TASKS
from vla_bench.envs.tabletop.tasks.google.catalog import GOOGLE_TASKS
from vla_bench.envs.tabletop.tasks.google_paper.catalog import GOOGLE_PAPER_TASKS
from vla_bench.envs.tabletop.tasks.registry import TASKS
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations import arm_color
from vla_bench.envs.tabletop.visual_matching import tasks as visual_matching
from vla_bench.errors import ConfigError, unknown_name


@dataclass(frozen=True)
class Suite:
    """`name` carries the version; `tasks` by name, in the order of the plan; the rest is prose.

    Attributes:
        require: Raises MissingDependencyError where some of the tasks need files that are absent;
            None: they need none. A suite that needs some is of photographs, which do not vary.
        axes: Of a suite of photographs, the axes of the variations that it has nevertheless.
        groups: Row of the benchmark's own table -> the tasks that it is the mean of; empty where
            no setting of the benchmark is averaged over variants.
    """

    name: str
    description: str
    success: str
    score: str
    source: str
    tasks: Mapping[str, Task]
    action_spec: ActionSpec = DELTA_TCP_POSE
    require: Callable[[Iterable[Task]], None] | None = None
    axes: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check(self, layouts: str, variation: str) -> None:
        """Raises ConfigError for what photographs cannot show."""
        variations = ("none", *self.axes)
        fine = layouts == "official" and variation.split("/")[0] in variations
        if self.require is not None and not fine:
            raise ConfigError(
                f"{self.name} has layouts=official and variation={' or '.join(variations)}, got "
                f"layouts={layouts} and variation={variation}: photographs do not vary. The twin "
                "without photographs does: "
                f"env={self.name.split('-')[0].replace('visual_matching', 'tabletop')}."
            )


PICKS = ("pick_horizontal_coke_can", "pick_vertical_coke_can", "pick_standing_coke_can")
GOOGLE_GROUPS = {  # the rows of SIMPLER's table
    "pick coke can": PICKS,
    "move near": ("move_near",),
    "open drawer": tuple(f"open_{drawer}_drawer" for drawer in DRAWERS),
    "close drawer": tuple(f"close_{drawer}_drawer" for drawer in DRAWERS),
    "place apple": ("place_apple_in_closed_top_drawer",),
}

WIDOWX_SIMPLER = Suite(
    name="widowx_simpler_tabletop-v0",
    description="A MuJoCo twin of SIMPLER's four WidowX tasks, built from primitive shapes: "
    "SIMPLER's control law, camera, initial states, horizons, instructions and success rules; not "
    "its meshes, its photographs or its physics engine. Rates measured here are not SIMPLER rates.",
    success="the task's rule holds at the last step of an episode of fixed length",
    score="furthest of grasped 0.25, lifted 0.5, over_target 0.75 reached so far; 1 while the "
    "success rule holds",
    source="simpler-env/SimplerEnv@4ab7178, simpler-env/ManiSkill2_real2sim@ef7a4d4",
    tasks=TASKS,
)

GOOGLE_ROBOT_SIMPLER = Suite(
    name="google_robot_simpler_tabletop-v0",
    description="A MuJoCo twin of SIMPLER's Google Robot tasks in their visual-matching setting, "
    "built from primitive shapes: SIMPLER's control law, camera, initial states, horizons, "
    "instructions and success rules; not its meshes, photographs or physics engine. Its four arm "
    "colours, variation=visual_matching, are tints of our own arm; its variant aggregation, "
    "variation=variant_aggregation, has its factors, levels, lights and robot poses, with "
    "repainted walls, floors, worktops and cabinets for its rooms, tables and stations, and our "
    "counter for its base. Three deviations: drawer "
    "handles can be touched, which SIMPLER only draws; the gripper command is the absolute "
    "gripper_open, which SIMPLER's adapters reach by summing relative commands; finger springs are "
    "limited to 12 N m and mirrored. Rates measured here are not SIMPLER rates.",
    success="the task's rule holds at the last step of an episode of fixed length",
    score="1 while the success rule holds; else the furthest sub-goal reached so far: picking and "
    "moving, grasped 0.25, five steps long or the right object moved 0.5, near 0.75; placing, "
    "drawer opened 0.25, grasped 0.5, in it 0.75; of a drawer, the present share of the way",
    source="simpler-env/SimplerEnv@4ab7178, simpler-env/ManiSkill2_real2sim@ef7a4d4",
    tasks=GOOGLE_TASKS,
    groups=GOOGLE_GROUPS,
)

BRIDGE_V2 = Suite(
    name="bridge_v2_tabletop-v0",
    description="A MuJoCo twin of the 17 WidowX tasks on which the OpenVLA paper evaluated zero "
    "shot: its instructions, categories, paired language trials, partial credit and 10 trials per "
    "task; the robot, control law, start and camera are those of SIMPLER's sink scene. Kitchen, "
    "objects, initial states (a seeded rule), horizon and the thresholds of success are this "
    "project's, since the paper publishes none; every object is rigid. Rates measured here are "
    "not those of the real robot.",
    success="the task's rule holds at the last step of an episode of fixed length; of a lift, once",
    score="1 while the success rule holds, else 0.5 if what the paper gives partial credit for "
    "has happened, else 0",
    source="arXiv:2406.09246v3, Table 4 and Appendix B.1.1; scene and robot: "
    "simpler-env/ManiSkill2_real2sim@ef7a4d4",
    tasks=BRIDGE_TASKS,
)

GOOGLE_ROBOT = Suite(
    name="google_robot_tabletop-v0",
    description="A MuJoCo twin of the 12 Google Robot tasks on which the OpenVLA paper evaluated "
    "zero shot: its instructions, objects, unseen conditions and 5 trials per task; robot, control "
    "law, camera, counter and cabinet are those of google_robot_simpler_tabletop-v0. Objects "
    "without a model in SIMPLER, tablecloths, initial states (a seeded rule), horizon and the "
    "thresholds of success are this project's, since the paper publishes none; chip bags are "
    "rigid, printed faces are drawn. Rates measured here are not those of the real robot.",
    success="the task's rule holds at the last step of an episode of fixed length",
    score="1 while the success rule holds; else, this project's: picking and moving, the furthest "
    "of grasped 0.25, held for five steps or the right object moved 0.5, near 0.75; of the drawer, "
    "the present share of the way; placing and standing up, 0",
    source="arXiv:2406.09246v3, Table 6 and Appendix B.2.1; scene and robot: "
    "simpler-env/ManiSkill2_real2sim@ef7a4d4",
    tasks=GOOGLE_PAPER_TASKS,
)

FRANKA = Suite(
    name="franka_tabletop-v0",
    description="A MuJoCo twin of the six Franka-Tabletop tasks on which the OpenVLA paper "
    "fine-tuned: its tasks, out-of-distribution conditions, partial credit, numbers of trials and "
    "5 Hz control. Table, camera, drives, objects, initial states (a seeded rule), horizon and the "
    "thresholds of success are this project's, since the paper publishes none. Rates measured here "
    "are not those of the real robot.",
    success="the task's rule holds at the last step of an episode of fixed length",
    score="1 while the success rule holds, else 0.5 if what the paper gives partial credit for "
    "has happened, else 0",
    source="arXiv:2406.09246v3, Table 7 and Appendix B.3.1",
    tasks=FRANKA_TASKS,
)

FRANKA_DROID = Suite(
    name="franka_droid_tabletop-v0",
    description="A MuJoCo twin of the Franka-DROID task on which the OpenVLA paper fine-tuned: its "
    "task, its distractors as the out-of-distribution condition, scoring, numbers of trials and 15 "
    "Hz control. Desk, camera, drives, objects, initial states (a seeded rule) and horizon are "
    "this project's, since the paper publishes none. Rates measured here are not those of the "
    "real robot.",
    success="the task's rule holds at the last step of an episode of fixed length",
    score="1 while all three pieces are in the dustpan, 0.5 while one or two are, else 0",
    source="arXiv:2406.09246v3, Table 7 and Appendix B.3.1",
    tasks=DROID_TASKS,
)

WIDOWX_VISUAL_MATCHING = Suite(
    name="widowx_simpler_visual_matching-v0",
    description="SIMPLER's four WidowX tasks in its visual-matching setting, in MuJoCo: its "
    "control law, camera, initial states, horizons, instructions and success rules, with its "
    "own object and robot meshes, collision pieces and photographs, which `vla-bench "
    "assets simpler` downloads. Deviations: MuJoCo's contacts; robot collision shapes, "
    "gripping pads and finger friction of widowx_simpler_tabletop-v0; light as MuJoCo "
    "adds it instead of SAPIEN's materials; a box for the table's mesh; the basket's "
    "target plane stands where SIMPLER's comes to rest; the eggplant starts where "
    "SIMPLER's was measured in 16 of 24 states and as dropped in the others. Rank "
    "correlation with SIMPLER has not been measured.",
    success="the task's rule holds at the last step of an episode of fixed length",
    score="furthest of grasped 0.25, lifted 0.5, over_target 0.75 reached so far; 1 while the "
    "success rule holds",
    source="simpler-env/SimplerEnv@4ab7178, simpler-env/ManiSkill2_real2sim@ef7a4d4",
    tasks=visual_matching.WIDOWX_TASKS,
    require=visual_matching.require_assets,
)

GOOGLE_ROBOT_VISUAL_MATCHING = Suite(
    name="google_robot_simpler_visual_matching-v1",  # v0 had the coke can only
    description="SIMPLER's Google Robot tasks in their visual-matching setting, in MuJoCo: its "
    "control law, camera, initial states, horizons, instructions and success rules, with its own "
    "object and robot meshes, collision pieces, cabinet, photographs and, as "
    "variation=visual_matching, four arm colours, which `vla-bench assets simpler` downloads. "
    "Deviations: drawer handles can be touched, which SIMPLER only draws; MuJoCo's contacts; "
    "robot collision shapes, gripping pads, finger springs and gripper command of "
    "google_robot_simpler_tabletop-v0; light as MuJoCo adds it instead of SAPIEN's materials and, "
    "before the cabinet, its ray tracing: the shade in the chest is painted; a box for the "
    "counter's mesh; base and head, which the camera does not see, are not drawn. Rank correlation "
    "with SIMPLER has not been measured.",
    success="the task's rule holds at the last step of an episode of fixed length",
    score=GOOGLE_ROBOT_SIMPLER.score,
    source="simpler-env/SimplerEnv@4ab7178, simpler-env/ManiSkill2_real2sim@ef7a4d4",
    tasks=visual_matching.GOOGLE_TASKS,
    require=visual_matching.require_assets,
    axes=(arm_color.AXIS,),
    groups={
        row: tuple(f"{task}{visual_matching.SUFFIX}" for task in tasks)
        for row, tasks in GOOGLE_GROUPS.items()
    },
)

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        WIDOWX_SIMPLER,
        WIDOWX_VISUAL_MATCHING,
        GOOGLE_ROBOT_VISUAL_MATCHING,
        GOOGLE_ROBOT_SIMPLER,
        BRIDGE_V2,
        GOOGLE_ROBOT,
        FRANKA,
        FRANKA_DROID,
    )
}


def suite_of(tasks: Sequence[str]) -> Suite:
    """The suite that has all of `tasks`.

    Raises ConfigError for none, for an unknown one, and for tasks of different suites: they
    may differ in robot, control rate and scoring, so no table could hold them.
    """
    homes = {task: suite for suite in SUITES.values() for task in suite.tasks}
    if not tasks:
        raise ConfigError(f"tasks is empty: expected some of {', '.join(homes)}.")
    for task in tasks:
        if task not in homes:
            raise unknown_name("task", task, homes)
    first, *others = dict.fromkeys(homes[task].name for task in tasks)
    if others:
        raise ConfigError(
            f"tasks is of several suites, {', '.join([first, *others])}: expected those of one. "
            "Run one evaluation per suite."
        )
    return SUITES[first]
