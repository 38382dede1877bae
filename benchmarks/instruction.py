"""Does a policy move the object that its instruction names? Read from a kept or new run.

    python benchmarks/instruction.py results/reference/bench/google_robot/scripted

In each scene of move near three objects stand, and any can be asked for; under
``language/other_object`` there are two. Counted are the episodes in which something was moved, and
pairs of them that name different objects in the same scene: a pair is swapped when each moved its
own and nothing else. The last line is JSON.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from record import arguments

from vla_bench import store
from vla_bench.episode import EpisodeRecord

TASK = "move_near"
VARIATION = "language/other_object/"
N_REQUESTS = 6  # per scene, consecutive: every ordered pair of its three objects


def main() -> None:
    parser = arguments(__doc__, keeps=False)
    parser.add_argument("run", type=Path, help="the folder of a run")
    run = parser.parse_args().run
    finished = store.read_run(run, actions=False).records
    records = [r for r in finished.values() if _scene(r) is not None]
    moved = [r for r in records if _named(r) or _other(r)]
    pairs = [
        (a, b)
        for a, b in itertools.combinations(moved, 2)
        if _scene(a) == _scene(b) and _source(a) != _source(b)
    ]
    swapped = [all(_named(r) and not _other(r) for r in pair) for pair in pairs]
    figures = {
        "n_episodes": len(records),
        "n_moved": len(moved),
        "n_named_moved": sum(_named(r) and not _other(r) for r in moved),
        "n_pairs": len(pairs),
        "n_swapped": sum(swapped),
    }
    print(json.dumps({"run": str(run), **figures}))


def _scene(record: EpisodeRecord) -> tuple[str, int, int] | None:
    """The same for episodes whose first images are equal; None: one request only."""
    spec = record.spec
    if spec.variation.startswith(VARIATION):
        return spec.task, spec.index, spec.seed
    return (spec.task, spec.index // N_REQUESTS, spec.seed) if spec.task == TASK else None


def _named(record: EpisodeRecord) -> bool:
    return "moved_correct_object" in record.events


def _other(record: EpisodeRecord) -> bool:
    return "moved_wrong_object" in record.events


def _source(record: EpisodeRecord) -> str:
    return record.instruction.split(" near ")[0]


if __name__ == "__main__":
    main()
