"""Demonstrations: an env's expert plays in lanes; what it sees and does becomes a data set.

    results/demos/mine/
        rollouts/           an ordinary run folder: which episodes were played, how each ended
        staging/            recorded successes, until all episodes have been played
        data/ videos/ meta/ the LeRobotDataset, of the successes, in the order of the plan

The executed actions carry the policy's noise; the label ``expert_action`` is what the expert would
have done there, so that the data show how to recover.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from vla_bench import provenance, run, store
from vla_bench.construct import construct
from vla_bench.data.lerobot_format import ACTION, EXPERT_ACTION, STATE, Features, parquet
from vla_bench.data.lerobot_writer import Assembly, assemble, is_complete
from vla_bench.data.recording import Recording, state_names
from vla_bench.data.staging import RecordedEpisode, stage
from vla_bench.episode import EpisodeRecord, EpisodeSpec, Outcome
from vla_bench.errors import ConfigError, VlaBenchError, unknown_name
from vla_bench.evaluate import evaluate
from vla_bench.lane import Description, Lane, observations_of
from vla_bench.preflight import check_compatible
from vla_bench.progress import watch
from vla_bench.protocols import Observation, Policy
from vla_bench.rollout import View


@dataclass(frozen=True)
class Settings:
    """What `conf/demos.yaml` says, as plain Python; the comments there explain each."""

    policy: Mapping[str, Any]
    env: Mapping[str, Any]
    n: int
    output: str
    cameras: Sequence[str] | None
    images: str
    n_lanes: int | None
    lane_python: str | None
    lane_timeout_seconds: float
    max_errors: int

    @property
    def folder(self) -> Path:
        return Path(self.output)

    @property
    def rollouts(self) -> run.Settings:
        """Those of the run folder inside."""
        return run.Settings(
            policy=self.policy,
            env=self.env,
            output=str(self.folder / "rollouts"),
            n_lanes=self.n_lanes,
            lane_python=self.lane_python,
            lane_timeout_seconds=self.lane_timeout_seconds,
            image_check=False,
            max_errors=self.max_errors,
            n_videos=0,
        )


@dataclass(frozen=True)
class _Session:
    """What one sitting of a recording needs."""

    settings: Settings
    env: Description
    plan: tuple[EpisodeSpec, ...]
    features: Features
    recording: Recording
    commit: str

    @property
    def title(self) -> str:
        return f"{self.recording.name} on {self.env.name}"

    @property
    def staging(self) -> Path:
        return self.settings.folder / "staging"

    @property
    def rate(self) -> int:
        """Frames per second."""
        return round(float(self.env.card["control_hz"]))


def record(settings: Settings, console: Console) -> store.Run:
    """Play what is missing, make the data set, return the run with every outcome.

    Raises VlaBenchError: nothing is lost, and the same settings go on from there.
    """
    parquet()  # absent: say so before the first episode
    session = _preflight(settings, construct(settings.policy))
    with _start(session) as writer:
        pending = writer.run.pending
        n_done = len(session.plan) - len(pending)
        text = f"{session.title}: {len(pending)} demonstrations to play, {n_done} done"
        console.print(f"{text}, {settings.folder}", highlight=False, markup=False, soft_wrap=True)
        if not is_complete(settings.folder):
            _play(session, writer, console)
            _assemble(session)
        shutil.rmtree(session.staging, ignore_errors=True)
    return store.read_run(settings.folder / "rollouts")


def summary(played: store.Run) -> str:
    """What was kept and what was dropped, in one line."""
    kept = [r for r in played.records.values() if r.outcome is Outcome.SUCCESS]
    n_dropped = len(played.records) - len(kept)
    n_frames = sum(r.n_steps for r in kept)
    return (
        f"Kept {len(kept)} of {len(played.plan)} episodes ({n_dropped} failures dropped), "
        f"{n_frames} frames: {played.folder.parent}"
    )


def _preflight(settings: Settings, policy: Policy) -> _Session:
    """Open one lane and look: is there an expert, and what is in an observation?"""
    rollouts = settings.rollouts
    lane = Lane(rollouts.lane)
    try:
        env = lane.describe(rollouts.lane_timeout_seconds)
        check_compatible(policy, env)
        plan = _plan(settings, env)
        cameras = env.cameras if settings.cameras is None else tuple(settings.cameras)
        for camera in cameras:
            if camera not in env.cameras:
                raise unknown_name(f"camera of {env.name}", camera, env.cameras)
        recording = Recording(policy, cameras)
        limit = rollouts.lane_timeout_seconds
        first = observations_of(lane.first_question(plan[0], View.of(recording), limit))[-1]
    finally:
        lane.close()
    _check_expert(env, first)
    sizes = {c: (first.images[c].shape[0], first.images[c].shape[1]) for c in cameras}
    features = Features(sizes, state_names(first), env.action_spec.names, settings.images)
    commit = provenance.commit()["commit"] or ""
    return _Session(settings, env, plan, features, recording, commit)


def _plan(settings: Settings, env: Description) -> tuple[EpisodeSpec, ...]:
    rate = float(env.card["control_hz"])
    if rate < 1 or rate != round(rate):
        raise ConfigError(f"{env.name}: LeRobot needs a whole number of frames per second: {rate}.")
    if not 1 <= settings.n <= len(env.episodes):
        raise ConfigError(
            f"n: expected 1 to {len(env.episodes)}, got {settings.n}: {env.name} plans "
            f"{len(env.episodes)} episodes with this config. Its config says how many: tasks, "
            "initial states (env.n_episodes=...), seeds (env.seeds=[...])."
        )
    return env.episodes[: settings.n]


def _check_expert(env: Description, first: Observation) -> None:
    if "expert_action" not in first.privileged:
        raise ConfigError(
            f"{env.name} has no expert to demonstrate it (privileged 'expert_action'); it offers: "
            f"{', '.join(sorted(first.privileged)) or 'nothing'}."
        )


def _start(session: _Session) -> store.RunWriter:
    """The run folder inside, begun or taken up; it holds the lock."""
    rollouts = session.settings.rollouts
    choices = {"cameras": list(session.features.cameras), "images": session.features.storage}
    asked = run.identity(rollouts, session.recording, session.env, "skipped")
    asked["demonstrations"] = choices
    return store.start(Path(rollouts.output), asked, session.plan, provenance.session())


def _play(session: _Session, writer: store.RunWriter, console: Console) -> None:
    rollouts = session.settings.rollouts
    n_lanes = run.lanes_of(rollouts)
    pending = writer.run.pending
    records = evaluate(session.recording, rollouts.lane, n_lanes, pending)
    watched = watch(records, session.title, len(pending), console)
    for done in run.until_too_many_errors(watched, rollouts):
        episode = _episode(session, done)
        if done.outcome is Outcome.SUCCESS:  # before the line that makes the episode count
            stage(session.staging, episode, session.features, session.rate)
        writer.append(done)


def _episode(session: _Session, done: EpisodeRecord) -> RecordedEpisode:
    frames = session.recording.take(done.spec.id)
    vectors = {
        STATE: np.array(frames.states, np.float32),
        ACTION: np.array(frames.actions, np.float32),
        EXPERT_ACTION: np.array(frames.expert_actions, np.float32),
    }
    facts = {
        "episode_id": done.spec.id,
        "task_name": done.spec.task,
        "initial_state": done.spec.index,
        "seed": done.spec.seed,
        "variation": done.spec.variation,
        "env": session.env.name,
        "commit": session.commit,
        "first_image_sha256": done.first_image_sha256,
    }
    success = done.outcome is Outcome.SUCCESS
    return RecordedEpisode(
        done.spec.id, frames.instructions, frames.images, vectors, success, facts
    )


def _assemble(session: _Session) -> None:
    folder = session.settings.folder
    played = store.read_run(folder / "rollouts")
    if played.pending:
        raise VlaBenchError(
            f"{len(played.pending)} of {len(played.plan)} episodes ended in an error, the first is "
            f"{played.pending[0].id}; see {played.folder}/episodes.jsonl. Run the same command "
            "again to repeat them."
        )
    kept = [s.id for s in played.plan if played.records[s.id].outcome is Outcome.SUCCESS]
    if not kept:
        raise VlaBenchError(
            f"None of {len(played.plan)} demonstrations succeeded: nothing to learn from. Reduce "
            "the noise: policy.translation_noise=..., policy.rotation_noise=..."
        )
    facts = {
        "action_spec": [asdict(d) for d in session.env.action_spec.dimensions],
        "policy": played.identity["policy"],
        "env": played.identity["env"],
        "dropped": [spec.id for spec in played.plan if spec.id not in kept],
    }
    assemble(Assembly(folder, session.staging, kept, session.features, session.rate, facts))
