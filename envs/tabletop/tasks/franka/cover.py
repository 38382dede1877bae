"""Cover <object> with Towel: one of three; out of distribution, upside-down and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.expert import Grasp
from vla_bench.envs.tabletop.hand import Scripted
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.cleaning import BLUE_TOWEL, towel_parts
from vla_bench.envs.tabletop.objects.cookware import (
    SMALL_STEEL_POT,
    WHITE_BOWL,
    YELLOW_MUG,
    upside_down,
)
from vla_bench.envs.tabletop.scenes.franka import PLAIN_TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.tasks.franka.goal import FIRST_TOUCH, TOUCHED, FirstTouch
from vla_bench.envs.tabletop.tasks.franka.hand import take_and_put
from vla_bench.envs.tabletop.tasks.franka.row import Ask, Row, Setting, make_named_task
from vla_bench.envs.tabletop.tasks.task import Reach, Task
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.tasks.trial.situation import Situation
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

TOWEL = "towel"
BELOW_TOP = 0.010  # m that a part of the towel may sag and still rest over the top
FUNNEL = ("reached", "grasped", "lifted", TOUCHED, "covered")
LARGEST = 1.1  # the towel is 70 mm wide, and the Panda's hand opens to 80 mm
BESIDE = 0.065  # m from the towel to what stands: half of the hand less half of the towel
GRASP = Grasp(point=(0.0, 0.0), height=0.006, along=(1.0, 0.0, 0.0), drop=0.004)

TARGETS = {"pot": SMALL_STEEL_POT, "bowl": WHITE_BOWL, "mug": YELLOW_MUG}
TOWEL_SPOT = Spot((-0.16, -0.06, -0.22, -0.16), TABLE_HEIGHT, 0.09, (-0.4, 0.4))
SPOTS = {
    "pot": Spot((-0.22, -0.03, -0.02, 0.22), TABLE_HEIGHT, 0.08),
    "bowl": Spot((-0.22, -0.03, -0.02, 0.22), TABLE_HEIGHT, 0.07),
    "mug": Spot((-0.22, -0.03, -0.02, 0.22), TABLE_HEIGHT, 0.06),
    TOWEL: TOWEL_SPOT,
}
UNSEEN_SPOTS = {
    "pot": Spot((-0.26, 0.00, -0.08, 0.26), TABLE_HEIGHT, 0.08),
    "bowl": Spot((-0.26, 0.00, -0.08, 0.26), TABLE_HEIGHT, 0.07),
    "mug": Spot((-0.26, 0.00, -0.08, 0.26), TABLE_HEIGHT, 0.06),
    TOWEL: TOWEL_SPOT,
}
ROW = Row(
    "cover_object_with_towel",
    "Cover <object> with Towel",
    credit=FIRST_TOUCH.format(toucher="towel"),
    stand_in="the towel is five panels on springy hinges, folded lengthways; the paper does not "
    "name its objects: pot, bowl and mug here",
)


@dataclass(frozen=True)
class Covered:
    """A part of the towel rests over the top of `target`, and the hand has let go of it."""

    target: str

    @property
    def text(self) -> str:
        sag = f"{BELOW_TOP * 1e3:.0f} mm"
        return (
            f"the towel touches the {self.target}, the centre of one of its panels is over it, at "
            f"most {sag} lower than its top, and the robot touches no panel"
        )

    def holds(self, now: Situation) -> bool:
        panels = set(towel_parts(TOWEL))
        links = {link.name for link in now.world.robot.links}
        if not panels & now.touched_by(self.target):
            return False
        if any(links & now.touched_by(panel) for panel in panels):
            return False
        top, radius = self.spot(now.world), now.world.objects[self.target].extents[0] / 2
        offsets = [now.world.data.body(panel).xipos - top for panel in panels]
        return any(np.linalg.norm(o[:2]) < radius and o[2] > -BELOW_TOP for o in offsets)

    def spot(self, world: World) -> FloatArray:
        """The middle of the target's top, whichever side is up."""
        x, y, z = world.centre_of_mass(self.target)
        height = world.objects[self.target].extents[2]
        origin, rotation = world.frame(self.target)
        top: float = max(origin[2], origin[2] + height * rotation[2, 2])
        return np.array([x, y, max(top, z)])


def _ask(row: Row, targets: Mapping[str, TabletopObject], name: str) -> Ask:
    trial = Trial(TOWEL, Covered(name), FUNNEL)
    rivals = tuple(other for other in targets if other != name)
    goal = FirstTouch(trial, name, rivals, by=towel_parts(TOWEL))
    return Ask(row.naming(name), goal, Scripted(take_and_put, goal, GRASP).start)


def _task(
    row: Row, n_trials: int, targets: Mapping[str, TabletopObject], spots: Mapping[str, Spot]
) -> Task:
    layouts = draw(f"franka/{row.name}", spots, n_trials // len(targets))
    setting = Setting(PLAIN_TABLE, {**targets, TOWEL: BLUE_TOWEL}, layouts)
    task = make_named_task(row, setting, [_ask(row, targets, name) for name in targets])
    return task.within(Reach(sizes=(0.0, LARGEST), apart=BESIDE))


COVER_OBJECT_WITH_TOWEL = _task(ROW, 12, TARGETS, SPOTS)
COVER_OBJECT_WITH_TOWEL_OOD = _task(
    ROW.shifted("the three objects stand upside-down, also at unseen positions"),
    6,
    {name: upside_down(kind) for name, kind in TARGETS.items()},
    UNSEEN_SPOTS,
)
