"""Rollouts while training: the best checkpoint by success in an env, not by loss.

    results/train/mine/
        evaluations.jsonl       one line per evaluated checkpoint
        evaluations/step-000500 its run, as `vla-bench eval` writes one
        checkpoints/best        a link to the checkpoint with the highest success rate, never pruned

What is missing after a kill is evaluated when the training is taken up again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console

from vla_bench import run, store
from vla_bench.construct import construct
from vla_bench.episode import Outcome
from vla_bench.policies.training import checkpoint
from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.loop import State
from vla_bench.policies.training.settings import Settings


def is_due(settings: Settings, step: int) -> bool:
    """Whether the checkpoint of `step` is evaluated: every so often, and the last one."""
    chosen = settings.evaluation
    return chosen is not None and (step % chosen.every == 0 or step == settings.n_steps)


def check(learner: Learner, state: State, settings: Settings) -> None:
    """Open the env and act once in it with the untrained policy. Every process must call it.

    Raises VlaBenchError where policy and env do not fit, before the first step and not after many.
    """
    network = checkpoint.network(state)
    if state.processes.is_first:
        with TemporaryDirectory() as folder:
            untrained = Path(folder) / "untrained"
            untrained.mkdir()
            learner.save(network, untrained / "policy")
            asked = _asked(learner, settings, untrained)
            run.preflight(asked, construct(asked.policy))
    state.processes.wait()


def evaluate(
    learner: Learner, settings: Settings, saved: Path, console: Console
) -> dict[str, float]:
    """Roll out the checkpoint `saved`, note the result, point `best` to the best one so far.

    What has been noted before is not run again. Raises VlaBenchError when episodes keep failing
    with errors; the same training, taken up again, runs what is missing.
    """
    folder, step = Path(settings.output), checkpoint.step_of(saved)
    if step not in {line["step"] for line in noted(folder)}:
        _say(console, f"Evaluating {saved.name} …")
        asked, quiet = _asked(learner, settings, saved), Console(quiet=True)
        torch.cuda.empty_cache()  # of what the last step left: a second model needs room
        finished = run.run(asked, quiet)
        if finished.pending:  # ended in errors, which running again retries
            finished = run.run(asked, quiet)
        _note(folder, {"step": step, **_result(finished)})
    _point_to_best(folder)
    found = next(line for line in noted(folder) if line["step"] == step)
    best = checkpoint.best(folder)
    shown = "incomplete" if found["success"] is None else f"{100 * found['success']:.1f} %"
    text = f"{saved.name}: success {shown} of {found['n_episodes']} episodes"
    _say(console, f"{text}; best: {best.name if best else 'none'}")
    return {"success": found["success"]} if found["success"] is not None else {}


def noted(folder: Path) -> list[dict[str, Any]]:
    """The lines of ``evaluations.jsonl``."""
    path = folder / "evaluations.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _note(folder: Path, line: dict[str, Any]) -> None:
    """All lines anew and at once, so that a kill tears none."""
    lines = [json.dumps(each, allow_nan=False) + "\n" for each in [*noted(folder), line]]
    partial = folder / "evaluations.partial"
    partial.write_text("".join(lines))
    partial.replace(folder / "evaluations.jsonl")


def _asked(learner: Learner, settings: Settings, saved: Path) -> run.Settings:
    chosen = settings.evaluation
    assert chosen is not None
    policy = learner.policy(settings.policy, saved / "policy")
    policy["device"] = settings.device
    if policy.get("name") is not None:
        policy["name"] = f"{policy['name']}_{saved.name}"
    return run.Settings(
        policy=policy,
        env=chosen.env,
        output=str(Path(settings.output) / "evaluations" / saved.name),
        n_lanes=chosen.n_lanes,
        lane_python=chosen.lane_python,
        lane_timeout_seconds=chosen.lane_timeout_seconds,
        image_check=chosen.image_check,
        max_errors=chosen.max_errors,
        n_videos=0,
    )


def _result(finished: store.Run) -> dict[str, Any]:
    """Success per task, and their unweighted mean: None while an episode has no outcome."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for spec in finished.plan:
        record = finished.records.get(spec.id)
        task = spec.task if spec.variation == "none" else f"{spec.task}, {spec.variation}"
        outcomes[task].append(record is not None and record.outcome is Outcome.SUCCESS)
    rates = {task: sum(ended) / len(ended) for task, ended in outcomes.items()}
    whole = not finished.pending
    return {
        "success": sum(rates.values()) / len(rates) if whole else None,
        "n_episodes": len(finished.plan),
        "n_errors": len(finished.pending),
        "tasks": rates if whole else {},
    }


def _point_to_best(folder: Path) -> None:
    """At equal success the later checkpoint, which has seen more."""
    there = {checkpoint.step_of(path): path for path in checkpoint.checkpoints(folder)}
    rated = [n for n in noted(folder) if n["success"] is not None and n["step"] in there]
    if rated:
        chosen = max(rated, key=lambda line: (line["success"], line["step"]))
        checkpoint.point_to(there[chosen["step"]])


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
