"""One training from its data to its last checkpoint; the same settings take it up again.

results/train/mine/
    train.json      identity (what decides the weights), one entry per session (provenance)
    metrics.jsonl   one line per optimizer step
    checkpoints/    see `checkpoint`
    evaluations*    with an env, see `rollouts`
    bad_batch.json  only when a loss was not finite: the samples it was of; bad_batch-1.json is
                    of the second process, which may find one at the same time
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from vla_bench import provenance
from vla_bench.errors import StoreError, VlaBenchError
from vla_bench.lock import locked
from vla_bench.policies.device import device_of
from vla_bench.policies.training import checkpoint, rollouts, trackers
from vla_bench.policies.training.display import watch
from vla_bench.policies.training.learner import Learner, learner_of
from vla_bench.policies.training.loop import (
    NotFiniteError,
    State,
    begin,
    steps,
)
from vla_bench.policies.training.optimizers import trained_groups
from vla_bench.policies.training.processes import Processes
from vla_bench.policies.training.settings import Settings
from vla_bench.policies.training.trackers import Tracker
from vla_bench.policies.training.validation import validated
from vla_bench.store import differences, write_json


def run(settings: Settings, console: Console) -> Path:
    """Train what is missing; the folder of the last checkpoint's policy.

    Raises VlaBenchError: the last checkpoint is kept, and the same settings go on from there.
    """
    trackers.check(settings.log)
    device_of(settings.device, "device")
    torch.manual_seed(settings.seed)
    return train(learner_of(settings), settings, console)


def train(
    learner: Learner, settings: Settings, console: Console, listeners: Sequence[Tracker] = ()
) -> Path:
    """`run` with its learner given; its weights are those of step 0.

    `listeners` hear what the trackers of ``settings.log`` hear.
    """
    processes = Processes(settings.device)
    folder = Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    console = console if processes.is_first else Console(quiet=True)
    with _locked(folder) if processes.is_first else nullcontext():
        identity = {**settings.identity, "n_processes": processes.n_ranks, **learner.facts}
        state = _begun(learner, settings, processes, identity)
        for line in _opening(learner, settings, state):
            _say(console, line)
        named = settings.log if processes.is_first else []
        hearing = [*listeners, *trackers.start(named, folder, identity, state.step)]
        try:
            _Session(learner, settings, console, hearing).train(state)
        except NotFiniteError as error:
            own = "" if processes.is_first else f"-{processes.rank}"
            raise _with_samples(error, learner, folder / f"bad_batch{own}.json") from error
        finally:
            for tracker in hearing:
                tracker.finish()
    for path in filter(None, (checkpoint.best(folder), checkpoint.checkpoints(folder)[-1])):
        policy = path / "policy"
        _say(console, f"Evaluate: vla-bench eval policy=... policy.checkpoint={policy} env=...")
    processes.end()
    return policy


def _begun(
    learner: Learner, settings: Settings, processes: Processes, identity: Mapping[str, Any]
) -> State:
    """The state after the last checkpoint in the folder, or before the first step."""
    folder = Path(settings.output)
    sessions = _sessions(folder, identity) if processes.is_first else []
    state = begin(learner, settings, processes)
    processes.wait()
    found = checkpoint.checkpoints(folder)
    if found:
        checkpoint.restore(found[-1], state)
    elif settings.evaluation is not None:
        rollouts.check(learner, state, settings)
    if processes.is_first:  # what was refused above leaves the folder free for its cure
        _note_session(folder, identity, sessions)
        _keep_lines(folder / "metrics.jsonl", state.step)
    return state


@dataclass(frozen=True)
class _Session:
    """What stays the same from step to step. `hearing`: the trackers."""

    learner: Learner
    settings: Settings
    console: Console
    hearing: Sequence[Tracker]

    def train(self, state: State) -> None:
        """From where `state` is to the last step."""
        settings, folder = self.settings, Path(self.settings.output)
        if state.step:
            self._judge(checkpoint.checkpoints(folder)[-1], state)
        path = folder / "metrics.jsonl" if state.processes.is_first else Path(os.devnull)
        taken = validated(steps(self.learner, state, settings), self.learner, state, settings)
        with path.open("a") as lines:
            for metrics in watch(taken, state, settings, self.console):
                line = metrics.line()
                lines.write(json.dumps(line, allow_nan=False) + "\n")
                lines.flush()
                self._tell({name: v for name, v in line.items() if name != "step"}, state.step)
                is_last = state.step == settings.n_steps
                is_time = is_last or state.step % settings.checkpoint_every == 0
                if is_time or rollouts.is_due(settings, state.step):
                    self._judge(checkpoint.save(folder, self.learner, state), state)

    def _judge(self, saved: Path, state: State) -> None:
        """Evaluate the newest checkpoint if it is due, delete old ones; the others wait."""
        if state.processes.is_first:
            if rollouts.is_due(self.settings, state.step):
                found = rollouts.evaluate(self.learner, self.settings, saved, self.console)
                self._tell(found, state.step)
            checkpoint.prune(Path(self.settings.output), self.settings.n_checkpoints)
        state.processes.wait()

    def _tell(self, values: Mapping[str, float], step: int) -> None:
        for tracker in self.hearing:
            tracker.log(values, step)


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _sessions(folder: Path, identity: Mapping[str, Any]) -> list[Any]:
    """Those so far. Raises StoreError with the difference where the folder is of another one."""
    path = folder / "train.json"
    if not path.exists():
        return []
    there = json.loads(path.read_text())
    changed = differences(there["identity"], json.loads(json.dumps(identity)))
    if changed:
        raise StoreError(
            f"{folder} holds a training of another configuration (there -> asked for):\n"
            + "\n".join(f"  {line}" for line in changed[:20])
            + "\nGive this one a folder of its own with output=..., or delete that one."
        )
    return list(there["sessions"])


def _note_session(folder: Path, identity: Mapping[str, Any], sessions: Sequence[Any]) -> None:
    noted = {"identity": identity, "sessions": [*sessions, provenance.session()]}
    write_json(folder / "train.json", noted)


def _keep_lines(path: Path, n_steps: int) -> None:
    """Drop the lines of steps after the checkpoint, which will be taken again, and a torn one."""
    if path.exists():
        lines = path.read_bytes().split(b"\n")[:-1]
        partial = path.with_suffix(".partial")
        partial.write_bytes(b"".join(line + b"\n" for line in lines[:n_steps]))
        partial.replace(path)


def _opening(learner: Learner, settings: Settings, state: State) -> Iterator[str]:
    yield from learner.summary()
    for part in trained_groups(learner, settings.optimization.weight_decay):
        n = sum(parameter.numel() for parameter in part.parameters.values())
        yield (
            f"Trained, {part.group.name}: {n:,} parameters in {len(part.parameters)} tensors, "
            f"weight decay {part.weight_decay:g}"
        )
    n_frozen = sum(p.numel() for p in learner.module.parameters() if not p.requires_grad)
    yield f"Frozen: {n_frozen:,} parameters"
    yield _where(state.processes)
    n_seen = settings.batch_size * settings.n_accumulated * state.processes.n_ranks
    epochs = settings.n_steps * n_seen / len(learner.samples)
    yield (
        f"{settings.n_steps} steps of {n_seen} samples, {epochs:.1f} epochs of "
        f"{len(learner.samples)}; {state.step} steps done, {settings.output}"
    )
    if settings.validation.share:
        yield (
            f"Held out: {len(learner.held_out.episodes)} episodes, {len(learner.held_out)} "
            f"samples; validation_loss every {settings.validation.every} steps"
        )
    if epochs < 1:
        yield "Warning: that is less than one epoch; most samples will not be seen. Raise n_steps."


def _where(processes: Processes) -> str:
    """What the training computes on, and what it leaves idle."""
    device, n_gpus = processes.device, torch.cuda.device_count()
    if device.type == "cuda":
        return f"Device: {device} ({torch.cuda.get_device_name(device)}), {processes.n_ranks} of it"
    if n_gpus:
        return f"Device: cpu, though torch sees {n_gpus} GPU(s): type device=cuda to use them"
    return f"Device: cpu, {processes.n_ranks} process(es); torch sees no GPU"


def _with_samples(error: NotFiniteError, learner: Learner, path: Path) -> VlaBenchError:
    """`error` with the episodes and frames of its batch, which are saved at `path`."""
    found = [(number, learner.samples[number]) for number in error.samples]
    places = [{"sample": n, "episode": s.episode, "frame": s.frame} for n, s in found]
    write_json(path, {"step": error.step, "reason": str(error), "samples": places})
    shown = ", ".join(f"{p['episode']}:{p['frame']}" for p in places[:16])
    more = f" and {len(places) - 16} more" if len(places) > 16 else ""
    return VlaBenchError(
        f"{error} Its samples, episode:frame, are {shown}{more}; all are in {path}. Look at them, "
        "or lower optimization.learning_rate and give output=... another folder."
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / "train.lock", waits=False))
        except BlockingIOError as error:
            raise StoreError(
                f"{folder} is being written by another process. Wait for it, stop it, or give "
                "this training a folder of its own with output=..."
            ) from error
        yield
