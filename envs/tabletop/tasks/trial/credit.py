"""What the paper calls half a success (Appendix B.1.1); how near is near is this project's."""

from __future__ import annotations

from dataclasses import dataclass

from vla_bench.envs.tabletop.tasks.trial.situation import Situation

REACHED = 0.06  # m from the tool


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
