"""Which runs may stand in one table: same name means same configuration and same protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vla_bench.episode import EpisodeSpec
from vla_bench.errors import StoreError
from vla_bench.store import Run, differences, read_run

# Keys of an env's config that choose its episodes: one evaluation may be split by them.
_SELECTION = ("n_episodes", "seeds", "tasks", "variation")


def load(folders: Sequence[Path]) -> tuple[Run, ...]:
    """Read run folders that can stand in one table.

    Raises StoreError when two of them hold the same policy and env under different
    configurations, or the same episode, and when runs disagree on an env's protocol.
    """
    if not folders:
        raise StoreError("Expected at least one run folder, got none. Try: results/*")
    runs = tuple(read_run(Path(folder), actions=False) for folder in folders)
    for i, run in enumerate(runs):
        for earlier in runs[:i]:
            if names(run) == names(earlier):
                _check_same_evaluation(earlier, run)
            if run.identity["env"]["name"] == earlier.identity["env"]["name"]:
                _check_same_protocol(earlier, run)
    return runs


def names(run: Run) -> tuple[str, str]:
    """Of its policy and its env."""
    return run.identity["policy"]["name"], run.identity["env"]["name"]


def _check_same_evaluation(earlier: Run, run: Run) -> None:
    policy, env = names(run)
    changed = differences(_but_selection(earlier), _but_selection(run))
    if changed:
        raise StoreError(
            f"{earlier.folder} and {run.folder} both call themselves policy {policy!r} on {env!r}, "
            "but their configurations differ (first -> second):\n"
            + "\n".join(f"  {line}" for line in changed[:20])
            + "\nEvaluate one of them again under a name of its own (policy.name=...), or report "
            "them apart."
        )
    held = {_key(spec): spec.id for spec in earlier.plan}
    twice = next((s for s in run.plan if _key(s) in held), None)
    if twice is not None:
        raise StoreError(
            f"{earlier.folder} and {run.folder} both hold episode {twice.id!r} of policy "
            f"{policy!r} on {env!r}. Give only one of them."
        )


def _but_selection(run: Run) -> dict[str, Any]:
    """The identity without what chooses episodes, and without the card: that is the protocol's."""
    env = {key: value for key, value in run.identity["env"].items() if key != "card"}
    env["config"] = {k: v for k, v in env["config"].items() if k not in _SELECTION}
    return {**run.identity, "env": env}


def _check_same_protocol(earlier: Run, run: Run) -> None:
    """Refuse two cards under one env name; which episodes were chosen may differ."""
    first, second = (dict(r.identity["env"].get("card", {})) for r in (earlier, run))
    common = set(first.get("tasks", {})) & set(second.get("tasks", {}))
    changed = differences(_protocol(first, common), _protocol(second, common))
    if changed:
        raise StoreError(
            f"{earlier.folder} and {run.folder} both call their env "
            f"{run.identity['env']['name']!r}, but its protocols differ (first -> second):\n"
            + "\n".join(f"  {line}" for line in changed[:20])
            + "\nA rate means nothing across protocols: evaluate both under one, or report them "
            "apart."
        )


def _protocol(card: Mapping[str, Any], tasks: set[str]) -> dict[str, Any]:
    chosen = ("tasks", "seeds", "variations")
    plain = {key: value for key, value in card.items() if key not in chosen}
    of_tasks = {name: card["tasks"][name] for name in sorted(tasks)}
    plain["tasks"] = {
        name: {key: value for key, value in task.items() if key != "n_episodes"}
        for name, task in of_tasks.items()
    }
    return plain


def _key(spec: EpisodeSpec) -> tuple[str, int, int, str]:
    return spec.task, spec.index, spec.seed, spec.variation
