"""The side of vla-bench: `evaluate` over lanes. Run by rivals.py under this repository's Python.

A long plan is begun once and taken further by as many records as each command asks for: between
two commands the lanes wait with their next question asked, so a command costs exactly its episodes.
"""

from __future__ import annotations

from itertools import islice

import side
from null import NullEnv, NullPolicy

from vla_bench.evaluate import evaluate
from vla_bench.lane import LaneConfig

_LONGEST_PLAN = 100_000  # episodes; more than any benchmark asks for


def main() -> None:
    case = side.Case.of_arguments()
    env = {"_target_": "null.NullEnv", "n_episodes": 1, "horizon": case.n_steps}
    plan = NullEnv(_LONGEST_PLAN, case.n_steps).episodes()
    policy = NullPolicy(case.chunk, case.act_seconds)
    records = evaluate(policy, LaneConfig(env, None, 60.0), case.n_clients, plan)

    def play(n_episodes: int) -> None:
        for record in islice(records, n_episodes * case.n_clients):
            assert record.n_steps == case.n_steps, record.error

    side.obey(play)
    records.close()  # type: ignore[attr-defined] # a generator


if __name__ == "__main__":
    main()
