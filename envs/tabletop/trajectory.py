"""Time-optimal joint paths of limited velocity, acceleration and jerk; joints arrive together.

What SIMPLER asks of the ruckig library. A path that changes acceleration at once is planned for
each joint (trapezoidal velocity), then averaged over a window of acceleration / jerk seconds, which
limits its jerk. That is time-optimal wherever full acceleration is reached; for motions below
a^3 / j^2 (3 mrad here) it takes up to one window, 0.04 s, longer than ruckig.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_bench.protocols import FloatArray


@dataclass(frozen=True)
class Limits:
    """rad/s, rad/s^2, rad/s^3, for every joint alike."""

    velocity: float
    acceleration: float
    jerk: float

    @property
    def window(self) -> float:
        """Seconds in which the acceleration goes from none to full."""
        return self.acceleration / self.jerk


@dataclass(frozen=True, eq=False)
class JointPath:
    """A planned motion of n joints: constant acceleration between `switches`, then averaged.

    Attributes:
        start, velocity: (n,) rad and rad/s before the motion, without averaging.
        switches: (4, n) s, when the acceleration changes.
        changes: (4, n) rad/s^2, by how much.
        window: s, of the average.
    """

    start: FloatArray
    velocity: FloatArray
    switches: FloatArray
    changes: FloatArray
    window: float

    def at(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positions and velocities, (len(times), n) each; at rest at the goal after the end."""
        now, then = times[:, None], times[:, None] - self.window
        positions = (self._sum(now, 3) - self._sum(then, 3)) / self.window
        velocities = (self._sum(now, 2) - self._sum(then, 2)) / self.window
        return positions, velocities

    def _sum(self, times: FloatArray, power: int) -> FloatArray:
        """The unaveraged position (power 2) or its integral from time 0 (power 3)."""
        smooth = (
            self.start + self.velocity * times
            if power == 2
            else self.start * times + self.velocity * times**2 / 2
        )
        since = np.maximum(times[:, None, :] - self.switches, 0.0)
        factorial = 2.0 if power == 2 else 6.0
        return np.asarray(smooth + (self.changes * since**power).sum(axis=1) / factorial)


def plan(start: FloatArray, velocity: FloatArray, goal: FloatArray, limits: Limits) -> JointPath:
    """The path from `start` (n,) at `velocity` (n,), without acceleration, to rest at `goal` (n,).

    `velocity` must be within its limit.
    """
    a, window = limits.acceleration, limits.window
    origin = start + velocity * window / 2  # averaging lags by half a window
    distance = goal - origin
    stopping = velocity * np.abs(velocity) / (2 * a)
    sign = np.where(distance >= stopping, 1.0, -1.0)
    ahead, speed = sign * distance, sign * velocity
    duration = _shortest(ahead, speed, limits).max()
    cruise = _cruise(ahead, speed, duration, a)
    rising = np.abs(cruise - speed) / a
    first = sign * np.sign(cruise - speed) * a
    braking = np.full_like(start, duration) - cruise / a
    switches = np.stack([np.zeros_like(start), rising, braking, np.full_like(start, duration)])
    changes = np.stack([first, -first, -sign * a, sign * a])
    return JointPath(origin, velocity, switches, changes, window)


def _shortest(ahead: FloatArray, speed: FloatArray, limits: Limits) -> FloatArray:
    """Seconds that each joint needs at least to come to rest `ahead` of where it is."""
    a = limits.acceleration
    span = a * limits.window  # between two ramps the speed is held for at least one window
    energy = np.maximum(a * ahead + speed**2 / 2, 0.0)
    peak = 2 * energy / (np.sqrt(span**2 + 4 * energy) + span)
    top = np.minimum(np.maximum(peak, speed), limits.velocity)
    travelled = (2 * top**2 - speed**2) / (2 * a)
    cruising = np.divide(ahead - travelled, top, out=np.zeros_like(top), where=top > 0)
    return np.asarray((2 * top - speed) / a + np.maximum(cruising, 0.0))


def _cruise(ahead: FloatArray, speed: FloatArray, duration: float, a: float) -> FloatArray:
    """The constant speed, between full accelerations, that takes exactly `duration` seconds."""
    slower = speed * np.abs(speed) / (2 * a) + speed * (duration - np.abs(speed) / a) >= ahead
    span = a * duration + speed
    root = np.sqrt(np.maximum(span**2 - 4 * (a * ahead + speed**2 / 2), 0.0))
    left = duration - np.abs(speed) / a
    held = np.divide(ahead - speed * np.abs(speed) / (2 * a), left, out=0 * left, where=left > 0)
    cruise = np.where(slower & (speed > 0), held, (span - root) / 2)
    return np.asarray(np.maximum(cruise, 0.0))
