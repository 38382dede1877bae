"""One run from plan to videos: the order of things, each done by the module that knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from vla_bench import provenance, store
from vla_bench.construct import construct
from vla_bench.episode import EpisodeRecord, Outcome
from vla_bench.errors import ConfigError, VlaBenchError
from vla_bench.evaluate import evaluate
from vla_bench.lane import Description, Lane, LaneConfig, observations_of
from vla_bench.preflight import check_compatible, check_images_matter
from vla_bench.progress import watch
from vla_bench.protocols import Policy, is_privileged, weights_of
from vla_bench.rollout import View


@dataclass(frozen=True)
class Settings:
    """What `conf/eval.yaml` says, as plain Python; the comments there explain each."""

    policy: Mapping[str, Any]
    env: Mapping[str, Any]
    output: str
    n_lanes: int | None
    lane_python: str | None
    lane_timeout_seconds: float
    image_check: bool
    max_errors: int
    n_videos: int

    @property
    def lane(self) -> LaneConfig:
        return LaneConfig(self.env, self.lane_python, self.lane_timeout_seconds)


def run(settings: Settings, console: Console) -> store.Run:
    """Evaluate what is missing in the run folder, film a few episodes, return the run.

    Raises VlaBenchError: nothing is lost, and the same settings take the run up again.
    """
    n_lanes = lanes_of(settings)
    folder = Path(settings.output)
    policy: Policy = construct(settings.policy)
    env, image_check = preflight(settings, policy)
    asked = identity(settings, policy, env, image_check)
    with store.start(folder, asked, env.episodes, provenance.session()) as writer:
        pending = writer.run.pending
        title = f"{policy.name} on {env.name}"
        n_done = len(env.episodes) - len(pending)
        text = f"{title}: {len(pending)} episodes to run, {n_done} done, {folder}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        records = evaluate(policy, settings.lane, n_lanes, pending)
        for record in until_too_many_errors(watch(records, title, len(pending), console), settings):
            writer.append(replace(record, image_check=image_check))
        _film(settings, store.read_run(folder), env, n_lanes, console)
    return store.read_run(folder)


def lanes_of(settings: Settings) -> int:
    """As asked for, or one per core."""
    n_lanes = provenance.n_cores() if settings.n_lanes is None else settings.n_lanes
    if n_lanes < 1:
        raise ConfigError(f"n_lanes: expected at least 1, got {n_lanes}.")
    return n_lanes


def preflight(settings: Settings, policy: Policy) -> tuple[Description, str]:
    """Open one lane: is the env what the policy expects, and does the policy look at it?"""
    lane = Lane(settings.lane)
    try:
        env = lane.describe(settings.lane_timeout_seconds)
        check_compatible(policy, env)
        if not env.episodes:
            raise ConfigError(f"{env.name} has no episodes with this config: nothing to run.")
        if not policy.cameras:
            return env, "no cameras"
        if not settings.image_check:
            return env, "skipped"
        limit = settings.lane_timeout_seconds
        first = lane.first_question(env.episodes[0], View.of(policy), limit)
        check_images_matter(policy, observations_of(first))
        return env, "passed"
    finally:
        lane.close()


def identity(
    settings: Settings, policy: Policy, env: Description, image_check: str
) -> dict[str, Any]:
    """What makes two runs the same run; what may differ between sessions is left out."""
    weights = weights_of(policy)
    return {
        "policy": {
            "name": policy.name,
            **({} if weights is None else {"weights": weights}),
            "privileged": is_privileged(policy),
            "action_spec": [asdict(d) for d in policy.action_spec.dimensions],
            "cameras": list(policy.cameras),
            "history": policy.history,
            "config": settings.policy,
        },
        "env": {
            "name": env.name,
            "action_spec": [asdict(d) for d in env.action_spec.dimensions],
            "cameras": list(env.cameras),
            "card": env.card,
            "config": settings.env,
        },
        "image_check": image_check,
    }


def until_too_many_errors(
    records: Iterator[EpisodeRecord], settings: Settings
) -> Iterator[EpisodeRecord]:
    """Pass `records` on. Raises VlaBenchError after ``settings.max_errors`` errors."""
    n_errors = 0
    for record in records:
        yield record
        if record.outcome is Outcome.ERROR:
            n_errors += 1
            if n_errors >= settings.max_errors:
                raise VlaBenchError(
                    f"Stopped after {n_errors} errors. The last one, in {record.spec.id}, is the "
                    f"{record.fault.value if record.fault else 'unknown'}'s:\n{record.error}\n"
                    f"Everything finished is in {settings.output}; the same command goes on."
                )


def _film(
    settings: Settings, run: store.Run, env: Description, n_lanes: int, console: Console
) -> None:
    from vla_bench.video import film, to_film

    todo = to_film(run, settings.n_videos)
    if not todo or run.pending:
        return
    for _ in watch(film(run, settings.lane, env, todo, n_lanes), "videos", len(todo), console):
        pass
