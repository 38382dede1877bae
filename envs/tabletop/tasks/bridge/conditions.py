"""What can hold of a scene: the building blocks of success rules and of partial credit.

All heights and distances are of centres of mass unless they say otherwise; thresholds are this
project's, since the paper's trials were judged by eye.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vla_bench.envs.tabletop.contacts import contact_impulses, is_touch
from vla_bench.envs.tabletop.objects.vessels import Vessel
from vla_bench.envs.tabletop.scenes.kitchen import Area
from vla_bench.envs.tabletop.tasks.put_on import MAX_GRASP_ANGLE
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

REACHED = 0.06  # m from the tool
UPRIGHT = float(np.deg2rad(15.0))
ABOVE_RIM = 0.01  # m
STANDING = 0.02  # m, from the floor to the middle of an underside


@dataclass(frozen=True)
class Situation:
    """The world now, and each object's centre of mass (3,) m as it was after settling."""

    world: World
    settled: Mapping[str, FloatArray]

    def raised(self, name: str) -> float:
        """How much higher an object is than at the start, m."""
        return float(self.world.centre_of_mass(name)[2] - self.settled[name][2])

    def moved(self, name: str) -> float:
        """How far an object is from where it was at the start, m."""
        return float(np.linalg.norm(self.world.centre_of_mass(name) - self.settled[name]))

    def grasped(self, name: str) -> bool:
        """By SIMPLER's test: both fingers are pushed apart."""
        return self.world.is_grasped(name, MAX_GRASP_ANGLE)

    def touched_by(self, name: str) -> set[str]:
        """Bodies that push an object: objects, robot links, ``world`` for furniture."""
        model, data = self.world.model, self.world.data
        impulses = contact_impulses(model, data, model.body(name).id)
        return {model.body(body).name for body, push in impulses.items() if is_touch(push)}

    def distance(self, name: str) -> float:
        """From the tool to an object, m."""
        tool, _ = self.world.tcp_in_base()
        return float(np.linalg.norm(self.world.in_base(self.world.centre_of_mass(name)) - tool))

    def is_upright(self, name: str) -> bool:
        """Whether an object's z axis points up, within 15 degrees."""
        _, rotation = self.world.frame(name)
        return bool(rotation[2, 2] > np.cos(UPRIGHT))


class Condition(Protocol):
    """Something that holds of a situation, or does not; `text` says it in words."""

    @property
    def text(self) -> str: ...
    def holds(self, now: Situation) -> bool: ...


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


@dataclass(frozen=True)
class Reached:
    """The hand has come to `source`, nearer than to any other loose object."""

    source: str

    @property
    def text(self) -> str:
        near = f"{REACHED * 1e3:.0f} mm"
        return (
            f"the tool came within {near} of the {self.source}, nearer than to other loose objects"
        )

    def holds(self, now: Situation) -> bool:
        loose = [name for name, kind in now.world.objects.items() if not kind.fixed]
        nearest = min(loose, key=now.distance)
        return nearest == self.source and now.distance(self.source) < REACHED


@dataclass(frozen=True)
class Touched:
    """The robot touches `source`."""

    source: str

    @property
    def text(self) -> str:
        return f"the robot touched the {self.source}"

    def holds(self, now: Situation) -> bool:
        links = {link.name for link in now.world.robot.links}
        return bool(links & now.touched_by(self.source))


@dataclass(frozen=True)
class HeldAgainst:
    """`source` is in the hand and touches `target`."""

    source: str
    target: str

    @property
    def text(self) -> str:
        return f"the {self.source} was grasped and touched the {self.target}"

    def holds(self, now: Situation) -> bool:
        return now.grasped(self.source) and self.target in now.touched_by(self.source)
