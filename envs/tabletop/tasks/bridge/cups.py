"""Cups: from the counter into the sink, one onto the other, a named one onto the plate."""

from __future__ import annotations

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.objects.tableware import PLATE
from vla_bench.envs.tabletop.objects.vessels import BLUE_CUP, CUP, PINK_CUP
from vla_bench.envs.tabletop.scenes.kitchen import (
    BASIN,
    BESIDE_RACK,
    COUNTER,
    RACK_FLOOR,
    SINK_FLOOR,
)
from vla_bench.envs.tabletop.tasks.bridge.row import Ask, Row, make_paired_task, make_task
from vla_bench.envs.tabletop.tasks.task import Reach
from vla_bench.envs.tabletop.tasks.trial.conditions import RestsOn, Within
from vla_bench.envs.tabletop.tasks.trial.credit import HeldAgainst, Reached
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw

LOW_IN_SINK = 0.045  # m: lower than the centre of a cup that stands on the counter, 54 mm
ON_PLATE = 0.055  # m, the plate's radius
ON_CUP = 0.020  # m, nearly the cup's radius
GRASP = Grasp(point=(0.0, 0.0), height=0.034, along=(1.0, 0.0, 0.0), quarter_turns=True)

INTO_SINK = Row(
    "put_cup_from_counter_into_sink",
    "Put Cup from Counter into Sink",
    "Visual",
    "starts in turn on the counter and in the drying rack",
)
STACK = Row(
    "stack_blue_cup_on_pink_cup",
    "Stack Blue Cup on Pink Cup",
    "Semantic",
    "straight cups, the blue one stands on the pink one's rim",
)
NAMED = Row(
    "put_named_cup_on_plate", "Put {Blue Cup, Pink Cup} on Plate", "Language", "straight cups"
)

ON_COUNTER = Spot((-0.095, -0.060, -0.015, 0.020), COUNTER, CUP.radius)
IN_RACK = Spot((-0.225, -0.170, -0.070, -0.025), RACK_FLOOR, CUP.radius)
STACK_SPOTS = {
    "blue_cup": Spot((-0.205, -0.110, 0.200, 0.280), SINK_FLOOR, 0.045),
    "pink_cup": Spot((-0.205, -0.110, 0.105, 0.160), SINK_FLOOR, 0.045),
}
NAMED_SPOTS = {
    "blue_cup": Spot((-0.220, -0.095, 0.225, 0.280), SINK_FLOOR, 0.045),
    "pink_cup": Spot((-0.220, -0.095, 0.225, 0.280), SINK_FLOOR, 0.045),
    "plate": Spot((-0.190, -0.140, 0.110, 0.130), SINK_FLOOR, 0.055),
}


def _ask(goal: Trial, wanted: str = "") -> Ask:
    return Ask(goal, PickAndPlace(goal, GRASP).start, wanted)


def _onto_plate(cup: str) -> Ask:
    goal = Trial(cup, RestsOn(cup, "plate", ON_PLATE), credit=Reached(cup))
    return _ask(goal, cup.replace("_", " "))


_IN_TURN = zip(
    draw(f"{INTO_SINK.name}/counter", {"pink_cup": ON_COUNTER}, n_trials=5),
    draw(f"{INTO_SINK.name}/rack", {"pink_cup": IN_RACK}, n_trials=5),
)
PUT_CUP_FROM_COUNTER_INTO_SINK = make_task(
    INTO_SINK,
    {"pink_cup": PINK_CUP},
    [layout for pair in _IN_TURN for layout in pair],
    _ask(Trial("pink_cup", Within("pink_cup", "sink", BASIN, SINK_FLOOR, LOW_IN_SINK))),
).within(
    Reach({"pink_cup": (BESIDE_RACK,)}, company=False)
)  # the arm would hide it; behind the sink a hand over a standing cup does not reach
STACK_BLUE_CUP_ON_PINK_CUP = make_task(
    STACK,
    {"blue_cup": BLUE_CUP, "pink_cup": PINK_CUP},
    draw(STACK.name, STACK_SPOTS),
    _ask(
        Trial(
            "blue_cup",
            RestsOn("blue_cup", "pink_cup", ON_CUP),
            credit=HeldAgainst("blue_cup", "pink_cup"),
        )
    ),
)
PUT_NAMED_CUP_ON_PLATE = make_paired_task(
    NAMED,
    {"blue_cup": BLUE_CUP, "pink_cup": PINK_CUP, "plate": PLATE},
    draw(NAMED.name, NAMED_SPOTS, n_trials=5),
    (_onto_plate("blue_cup"), _onto_plate("pink_cup")),
)
