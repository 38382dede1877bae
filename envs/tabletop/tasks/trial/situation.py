"""What can be asked of a scene: the measures that success rules and partial credit are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vla_bench.envs.tabletop.contacts import contact_impulses, is_touch
from vla_bench.envs.tabletop.tasks.put_on import MAX_GRASP_ANGLE
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

UPRIGHT = float(np.deg2rad(15.0))


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
