"""Rollout videos, filmed afterwards: the recorded actions are played again and rendered.

An episode is a pure function of its spec and its actions, so a run need not render what nobody
looks at. A replay that ends otherwise than the record says so and is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from vla_bench.data.video import write_video
from vla_bench.episode import EpisodeRecord, EpisodeSpec, Outcome
from vla_bench.errors import EnvError
from vla_bench.evaluate import evaluate
from vla_bench.lane import Description, LaneConfig
from vla_bench.protocols import FloatArray, Image, Request
from vla_bench.store import Run


class Filming:
    """A policy that repeats recorded rows one by one and keeps what it sees."""

    history = 1

    def __init__(self, run: Run, env: Description) -> None:
        self.name = "filming"
        self.action_spec = env.action_spec
        self.cameras: Sequence[str] = (env.cameras[0],)
        self.frames: dict[str, list[Image]] = {}
        self._records = run.records

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        return [self._row(request) for request in requests]

    def _row(self, request: Request) -> FloatArray:
        frames = self.frames[request.episode_id] = request.memory.setdefault("frames", [])
        frames.append(request.observations[-1].images[self.cameras[0]])
        index = len(frames) - 1
        return self._records[request.episode_id].actions[index : index + 1]


def to_film(run: Run, n_videos: int) -> tuple[EpisodeSpec, ...]:
    """The first `n_videos` of each task and outcome, in the order of the plan, not filmed yet."""
    wanted: dict[tuple[str, Outcome], list[EpisodeSpec]] = {}
    for spec in run.plan:
        record = run.records.get(spec.id)
        if record is not None and record.outcome is not Outcome.ERROR:
            wanted.setdefault((spec.task, record.outcome), []).append(spec)
    chosen = [spec for specs in wanted.values() for spec in specs[:n_videos]]
    return tuple(spec for spec in chosen if not run.video(spec.id).exists())


def film(
    run: Run, config: LaneConfig, env: Description, todo: Sequence[EpisodeSpec], n_lanes: int
) -> Iterator[EpisodeRecord]:
    """Write ``videos/<id>.mp4`` for each of `todo`; yields the replays' records.

    Raises EnvError when a replay does not reproduce its record: the env is not deterministic.
    """
    camera = Filming(run, env)
    (run.folder / "videos").mkdir(exist_ok=True)
    for replay in evaluate(camera, config, n_lanes, todo):
        _check_same(replay, run.records[replay.spec.id])
        rate = round(float(env.card["control_hz"]))
        write_mp4(run.video(replay.spec.id), camera.frames.pop(replay.spec.id), rate)
        yield replay


def write_mp4(path: Path, frames: Sequence[Image], frames_per_second: int) -> None:
    """Small H.264 that every browser plays; an odd last row or column is dropped."""
    height, width = (2 * (n // 2) for n in frames[0].shape[:2])
    partial = path.with_suffix(".partial.mp4")
    even = [frame[:height, :width] for frame in frames]
    write_video(partial, even, frames_per_second, encoder={"crf": "23", "preset": "medium"})
    partial.replace(path)


def _check_same(replay: EpisodeRecord, record: EpisodeRecord) -> None:
    if replay.outcome is Outcome.ERROR:
        raise EnvError(f"Episode {replay.spec.id} could not be filmed: {replay.error}")
    for name in ("outcome", "score", "n_steps", "events", "first_image_sha256"):
        was, now = getattr(record, name), getattr(replay, name)
        if was != now:
            raise EnvError(
                f"Episode {replay.spec.id} came out otherwise when its actions were played again "
                f"({name}: {was} recorded, {now} now): this env is not deterministic here. Its "
                "numbers stand; skip the videos with n_videos=0."
            )
