"""Objects that no suite's own tasks use, large enough for the Google Robot's fingers.

Sizes and masses are this project's. Every frame is on the surface under the object at rest; all are
round about z, and stand on a flat.
"""

from __future__ import annotations

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.objects.builder import (
    ROLLING,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)
from vla_bench.envs.tabletop.objects.mesh import lathe
from vla_bench.envs.tabletop.objects.textures import speckle

ON_SURFACE = Pose((0.0, 0.0, 0.0))
BALL_RADIUS = 0.033
BALL_MASS = 0.058
FLAT = 0.011  # m, the radius of what a ball stands on
JAR_RADIUS, JAR_HEIGHT = 0.030, 0.062
JAR_MASS = 0.100
LID = 0.012  # m of the jar's height
CANDLE_RADIUS, CANDLE_HEIGHT = 0.027, 0.066
CANDLE_MASS = 0.080


def _build_ball(builder: ObjectBuilder) -> None:
    felt = Paint(texture=speckle((206, 224, 60), 14.0), specular=0.0, repeat=(3.0, 3.0))
    middle = (0.0, 0.0, BALL_RADIUS)
    builder.draw(Solid("sphere", (BALL_RADIUS,), middle), felt)
    seam = Paint((0.93, 0.94, 0.88, 1.0), casts_shadow=False)
    r, half = BALL_RADIUS * 1.005, 0.0012
    band = ((0.0, -half), (r, -half), (r, half), (0.0, half))
    builder.draw_mesh(lathe(band, 24, "x"), seam, Pose(middle))
    builder.collide(Solid("sphere", (BALL_RADIUS,), middle), 0.7 * BALL_MASS)
    flat = Solid("cylinder", (FLAT, 0.005), (0.0, 0.0, 0.005))
    builder.collide(flat, 0.3 * BALL_MASS)


def _build_jar(builder: ObjectBuilder) -> None:
    glass = (JAR_HEIGHT - LID) / 2
    jam = Paint((0.45, 0.05, 0.10, 1.0), specular=0.9, shininess=0.8)
    builder.draw(Solid("cylinder", (JAR_RADIUS, glass), (0.0, 0.0, glass)), jam)
    label = Paint((0.94, 0.90, 0.80, 1.0), specular=0.05, casts_shadow=False)
    around = Solid("cylinder", (JAR_RADIUS + 0.0004, 0.45 * glass), (0.0, 0.0, glass))
    builder.draw(around, label)
    lid = Solid("cylinder", (JAR_RADIUS, LID / 2), (0.0, 0.0, JAR_HEIGHT - LID / 2))
    builder.draw(lid, Paint((0.85, 0.72, 0.30, 1.0), specular=0.8))
    whole = Solid("cylinder", (JAR_RADIUS, JAR_HEIGHT / 2), (0.0, 0.0, JAR_HEIGHT / 2))
    builder.collide(whole, JAR_MASS)


def _build_candle(builder: ObjectBuilder) -> None:
    half = CANDLE_HEIGHT / 2
    whole = Solid("cylinder", (CANDLE_RADIUS, half), (0.0, 0.0, half))
    builder.draw(whole, Paint((0.48, 0.36, 0.66, 1.0), specular=0.2))
    wick = Solid("capsule", (0.0012, 0.005), (0.0, 0.0, CANDLE_HEIGHT + 0.006))
    builder.draw(wick, Paint((0.10, 0.09, 0.08, 1.0)))
    builder.collide(whole, CANDLE_MASS)


def _round(radius: float, height: float) -> tuple[float, float, float]:
    return 2 * radius, 2 * radius, height


TENNIS_BALL = TabletopObject(
    "tennis_ball",
    _round(BALL_RADIUS, 2 * BALL_RADIUS),
    ON_SURFACE,
    _build_ball,
    rolling_friction=ROLLING,
)
JAM_JAR = TabletopObject("jam_jar", _round(JAR_RADIUS, JAR_HEIGHT), ON_SURFACE, _build_jar)
CANDLE = TabletopObject("candle", _round(CANDLE_RADIUS, CANDLE_HEIGHT), ON_SURFACE, _build_candle)
