"""Put something on a plate: corn among distractors, the carrot low and high."""

from __future__ import annotations

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.objects.food import CARROT
from vla_bench.envs.tabletop.objects.groceries import CORN, RED_BOTTLE
from vla_bench.envs.tabletop.objects.tableware import plate
from vla_bench.envs.tabletop.objects.toys import DINOSAUR
from vla_bench.envs.tabletop.objects.vessels import PLATE_STAND, STAND_HALF
from vla_bench.envs.tabletop.scenes.kitchen import COUNTER, RACK_FLOOR, SINK_FLOOR
from vla_bench.envs.tabletop.tasks.bridge.row import Ask, Row, make_task
from vla_bench.envs.tabletop.tasks.trial.conditions import RestsOn
from vla_bench.envs.tabletop.tasks.trial.credit import HeldAgainst, Reached
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Rider, Spot, draw

ON_PLATE = 0.055  # m, the plate's radius
CORN_GRASP = Grasp(point=(0.0, 0.0), height=0.018, along=(1.0, 0.0, 0.0))
CARROT_GRASP = Grasp(point=(0.012, 0.0), height=0.001, along=(1.0, 0.0, 0.0))

CORN_ROW = Row(
    "put_yellow_corn_on_pink_plate",
    "Put Yellow Corn on Pink Plate",
    "Visual",
    "distractors: a green dinosaur behind the sink, a red bottle in the drying rack",
)
HIGH_ROW = Row(
    "put_carrot_on_plate_height_change",
    "Put Carrot on Plate (w/ Height Change)",
    "Motion",
    "the plate lies on a block, 40 mm above the sink's floor",
)
LOW_ROW = Row(
    "put_carrot_on_plate", "Put Carrot on Plate", "Physical", "the carrot of SIMPLER's size"
)

PINK_PLATE = plate("pink_plate", (0.93, 0.55, 0.66, 1.0))
YELLOW_PLATE = plate("yellow_plate", (0.95, 0.84, 0.30, 1.0))
PLATE_SPOT = Spot((-0.190, -0.140, 0.115, 0.135), SINK_FLOOR, 0.055)
CARROT_SPOT = Spot((-0.200, -0.120, 0.240, 0.265), SINK_FLOOR, 0.050, (-1.0, 1.0))
CORN_SPOTS = {
    "corn": Spot((-0.215, -0.105, 0.235, 0.280), SINK_FLOOR, 0.045),
    "plate": PLATE_SPOT,
    "dinosaur": Spot((-0.335, -0.310, 0.080, 0.160), COUNTER, 0.055),
    "red_bottle": Spot((-0.215, -0.185, -0.060, -0.035), RACK_FLOOR, 0.045),
}
HIGH_SPOTS: dict[str, Spot | Rider] = {
    "carrot": CARROT_SPOT,
    "stand": Spot((-0.180, -0.140, 0.110, 0.122), SINK_FLOOR, 0.065, (0.0, 0.0)),
    "plate": Rider("stand", 2 * STAND_HALF[2]),
}


def _ask(source: str, grasp: Grasp, credit: Reached | HeldAgainst | None) -> Ask:
    goal = Trial(source, RestsOn(source, "plate", ON_PLATE), credit=credit)
    return Ask(goal, PickAndPlace(goal, grasp).start)


PUT_YELLOW_CORN_ON_PINK_PLATE = make_task(
    CORN_ROW,
    {"corn": CORN, "plate": PINK_PLATE, "dinosaur": DINOSAUR, "red_bottle": RED_BOTTLE},
    draw(CORN_ROW.name, CORN_SPOTS),
    _ask("corn", CORN_GRASP, Reached("corn")),
)
PUT_CARROT_ON_PLATE_HEIGHT_CHANGE = make_task(
    HIGH_ROW,
    {"carrot": CARROT, "stand": PLATE_STAND, "plate": YELLOW_PLATE},
    draw(HIGH_ROW.name, HIGH_SPOTS),
    _ask("carrot", CARROT_GRASP, HeldAgainst("carrot", "plate")),
)
PUT_CARROT_ON_PLATE = make_task(
    LOW_ROW,
    {"carrot": CARROT, "plate": YELLOW_PLATE},
    draw(LOW_ROW.name, {"carrot": CARROT_SPOT, "plate": PLATE_SPOT}),
    _ask("carrot", CARROT_GRASP, None),
)
