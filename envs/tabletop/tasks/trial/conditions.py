"""What success can be: conditions of a scene, each with the place where an expert lets go.

Heights and distances are of centres of mass unless they say otherwise; thresholds are this
project's, since the paper's trials were judged by eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vla_bench.envs.tabletop.objects.vessels import Vessel
from vla_bench.envs.tabletop.scenes.kitchen import Area
from vla_bench.envs.tabletop.tasks.trial.situation import Condition, Situation
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

ABOVE_RIM = 0.01  # m
STANDING = 0.02  # m, from the floor to the middle of an underside


class Placed(Condition, Protocol):
    """A condition with a place for an expert to let go: world point (3,) m; None: nowhere."""

    def spot(self, world: World) -> FloatArray | None: ...


@dataclass(frozen=True)
class Inside:
    """`source` is in the upright `vessel`, below its rim; it may still be held."""

    source: str
    vessel: str
    shape: Vessel

    @property
    def text(self) -> str:
        return f"the {self.source}'s centre is inside the upright {self.vessel}, below its rim"

    def holds(self, now: Situation) -> bool:
        origin, rotation = now.world.frame(self.vessel)
        local = rotation.T @ (now.world.centre_of_mass(self.source) - origin)
        within = np.linalg.norm(local[:2]) < self.shape.opening and 0 < local[2] < self.shape.height
        return bool(within) and now.is_upright(self.vessel)

    def spot(self, world: World) -> FloatArray:
        origin, rotation = world.frame(self.vessel)
        spot: FloatArray = origin + self.shape.height * rotation[:, 2]
        return spot


@dataclass(frozen=True)
class Outside:
    """`source` is out of the `vessel`: beyond its wall, or wholly above its rim."""

    source: str
    vessel: str
    shape: Vessel
    beside: tuple[float, float]  # m, x and y from the vessel to where an expert lets go
    half_height: float  # m, of the source

    @property
    def text(self) -> str:
        return (
            f"the {self.source}'s centre is beyond the {self.vessel}'s wall or its underside "
            f"{ABOVE_RIM * 1e3:.0f} mm above the rim"
        )

    def holds(self, now: Situation) -> bool:
        origin, rotation = now.world.frame(self.vessel)
        local = rotation.T @ (now.world.centre_of_mass(self.source) - origin)
        beyond = np.linalg.norm(local[:2]) > self.shape.radius
        above = local[2] - self.half_height > self.shape.height + ABOVE_RIM
        return bool(beyond or above)

    def spot(self, world: World) -> FloatArray:
        origin, _ = world.frame(self.vessel)
        return np.array([*(origin[:2] + self.beside), origin[2]])


@dataclass(frozen=True)
class Within:
    """`source` is over an `area` of the scene, its centre less than `below` over the `floor`."""

    source: str
    place: str
    area: Area
    floor: float
    below: float

    @property
    def text(self) -> str:
        height = f"{self.below * 1e3:.0f} mm"
        return f"the {self.source}'s centre is in the {self.place}, lower than {height} over it"

    def holds(self, now: Situation) -> bool:
        x, y, z = now.world.centre_of_mass(self.source)
        x_low, x_high, y_low, y_high = self.area
        over = x_low < x < x_high and y_low < y < y_high
        return bool(over and z - self.floor < self.below)

    def spot(self, world: World) -> FloatArray:  # noqa: ARG002 - a place does not move
        x_low, x_high, y_low, y_high = self.area
        return np.array([(x_low + x_high) / 2, (y_low + y_high) / 2, self.floor])


@dataclass(frozen=True)
class RestsOn:
    """`source` lies on `target` and on nothing else; only the hand may still touch it."""

    source: str
    target: str
    radius: float

    @property
    def text(self) -> str:
        return (
            f"the {self.source} touches the {self.target} and else only the robot, its centre "
            f"above and horizontally within {self.radius * 1e3:.0f} mm of the {self.target}'s"
        )

    def holds(self, now: Situation) -> bool:
        offset = now.world.centre_of_mass(self.source) - now.world.centre_of_mass(self.target)
        over = np.linalg.norm(offset[:2]) <= self.radius and offset[2] > 0
        alone = now.world.touches_only(self.source, self.target)
        return bool(over) and alone and self.target in now.touched_by(self.source)

    def spot(self, world: World) -> FloatArray:
        spot = world.centre_of_mass(self.target)
        origin, _ = world.frame(self.target)
        spot[2] = origin[2] + world.objects[self.target].extents[2]
        return spot


@dataclass(frozen=True)
class Held:
    """`source` is in the hand, at least `height` metres higher than it lay, and hangs free."""

    source: str
    height: float

    @property
    def text(self) -> str:
        height = f"{self.height * 1e3:.0f} mm"
        return f"the {self.source} is grasped, {height} higher than it lay, touching only the robot"

    def holds(self, now: Situation) -> bool:
        high = now.raised(self.source) > self.height
        free = now.world.touches_only(self.source, self.source)
        return high and free and now.grasped(self.source)

    def spot(self, world: World) -> None:  # noqa: ARG002 - it is kept in the hand
        return None


@dataclass(frozen=True)
class Upright:
    """`source` stands on the `floor` of the sink, upright."""

    source: str
    area: Area
    floor: float

    @property
    def text(self) -> str:
        return f"the {self.source} stands in the sink, upright within 15 degrees"

    def holds(self, now: Situation) -> bool:
        (x, y, z), _ = now.world.frame(self.source)
        x_low, x_high, y_low, y_high = self.area
        inside = x_low < x < x_high and y_low < y < y_high and z - self.floor < STANDING
        return bool(inside) and now.is_upright(self.source)

    def spot(self, world: World) -> None:  # noqa: ARG002 - it is pushed over, not carried
        return None
