"""How often the scripted expert succeeds: every task, in distribution, varied, on random layouts.

    python benchmarks/expert.py [--suites NAME ...] [--tasks NAME ...] [--factors AXIS/FACTOR ...]
        [--n-nominal N] [--n-varied 3] [--n-random 10] [--write]

Of each task, every official initial state, or `--n-nominal` of them; of each factor of each axis,
`--n-varied` of the pairs of an initial state and a level, drawn at random; `--n-random` random
layouts, without noise and as conf/policy/scripted_demonstrator.yaml acts. The expert acts as in
`vla-bench eval policy=scripted`; it is blind, so nothing is drawn, and levels that change images or
words alone are not played: such an episode is its twin's again. A suite whose files are absent is
left out and named. One process. After each suite it prints tables and a line of JSON; --write also
puts the counts into results/reference/expert.csv, in the place of those tasks' older ones of the
same kind, with the commit, and what is there into expert.md and expert.json. With --factors only
the episodes of these are played, and only their counts replaced.
"""

from __future__ import annotations

import argparse
import importlib.resources
import random
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import yaml
from record import REFERENCE, arguments, conclude

from vla_bench import provenance, stats
from vla_bench.construct import construct
from vla_bench.envs.tabletop.plan import OFFICIAL, RANDOM
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES, Suite
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations.registry import ALL, VARIATIONS, asked_of
from vla_bench.envs.tabletop.variations.variation import NOMINAL, Aspect, Variation
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import MissingDependencyError
from vla_bench.protocols import Policy, Request

TABLE = REFERENCE / "expert.csv"
PREAMBLE = (
    "Successes/episodes [Wilson's 95 % interval, %], by `benchmarks/expert.py`, which says how "
    "episodes are chosen; `expert.csv` has the counts, and the commit of each suite's run. Levels "
    "that change images or words alone are not played: the expert is blind. *random*: random "
    "layouts; *noisy*: the same, with the demonstrator's noise."
)
IN_DISTRIBUTION, VARIED, RANDOM_LAYOUTS, NOISY = "in distribution", "varied", "random", "noisy"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--suites", nargs="+", default=list(SUITES), choices=list(SUITES))
    names = sorted({task for suite in SUITES.values() for task in suite.tasks})
    parser.add_argument("--tasks", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--factors", nargs="+", default=None, help="such as motion/position")
    parser.add_argument("--n-nominal", type=int, default=None, help="per task; default all")
    parser.add_argument("--n-varied", type=int, default=3, help="per task and factor")
    parser.add_argument("--n-random", type=int, default=10, help="per task")
    options = parser.parse_args()
    known = pd.read_csv(TABLE, keep_default_na=False) if TABLE.exists() else pd.DataFrame()
    for suite in (SUITES[name] for name in options.suites):
        try:
            rows = list(suite_rows(suite, options))
        except MissingDependencyError as error:
            print(f"{suite.name} is left out: {error}", file=sys.stderr)
            continue
        if not rows:
            continue
        played = counted(pd.DataFrame(rows), provenance.commit()["commit"] or "unknown")
        keys = ["suite", "task", "kind", *(["axis", "factor"] if options.factors else [])]
        kept = others_than(played, known, keys)
        known = in_order(pd.concat([kept, played], ignore_index=True))
        document = "\n\n".join(["# The scripted expert", PREAMBLE, *tables(known)]) + "\n"
        if options.write:
            known.to_csv(TABLE, index=False)
            TABLE.with_suffix(".md").write_text(document)
        print(document)
        conclude("expert", summary(known), options.write)


def others_than(played: pd.DataFrame, known: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """What of `known` differs from all that was played in one of `keys`."""
    if known.empty:
        return known
    again = set(played[keys].itertuples(index=False, name=None))
    return known[[key not in again for key in known[keys].itertuples(index=False, name=None)]]


def in_order(counts: pd.DataFrame) -> pd.DataFrame:
    """Tasks as their suites have them."""
    every = [(suite.name, task) for suite in SUITES.values() for task in suite.tasks]
    place = {key: index for index, key in enumerate(every)}
    keys = counts[["suite", "task"]].itertuples(index=False, name=None)
    return (
        counts.assign(place=[place[key] for key in keys])
        .sort_values("place", kind="stable", ignore_index=True)
        .drop(columns="place")
    )


def counted(rows: pd.DataFrame, commit: str) -> pd.DataFrame:
    """Successes, episodes and the failed ones' ids by suite, task, kind, axis and factor."""
    keys = ["suite", "task", "kind", "axis", "factor"]
    counts = rows.groupby(keys, sort=False)["success"].agg(["sum", "size"]).reset_index()
    failed = rows[~rows["success"]].groupby(keys, sort=False)["episode"].agg(" ".join)
    counts = counts.merge(failed.rename("failed").reset_index(), on=keys, how="left")
    counts = counts.rename(columns={"sum": "n_successes", "size": "n_episodes"})
    return counts.fillna({"failed": ""}).assign(commit=commit)


def suite_rows(suite: Suite, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row per episode; raises MissingDependencyError before the first one."""
    calm, noisy = policy("scripted"), policy("scripted_demonstrator")
    varies = suite.require is None
    for name, task in suite.tasks.items():
        if name not in options.tasks:
            continue
        print(f"{suite.name}: {name}", file=sys.stderr)
        varied = env(name, OFFICIAL, ALL if varies else NOMINAL.name, None)
        for spec in chosen(task, varied.episodes(), options):
            if options.factors and factor_of(spec) not in options.factors:
                continue
            kind = IN_DISTRIBUTION if spec.variation == NOMINAL.name else VARIED
            yield row(suite, kind, spec, play(varied, spec, calm))
        varied.close()
        if varies and not task.homes and options.n_random and not options.factors:
            drawn = env(name, RANDOM, NOMINAL.name, options.n_random)
            for spec in drawn.episodes():
                yield row(suite, RANDOM_LAYOUTS, spec, play(drawn, spec, calm))
                yield row(suite, NOISY, spec, play(drawn, spec, noisy))
            drawn.close()


def policy(name: str) -> Policy:
    text = importlib.resources.files("vla_bench.conf").joinpath(f"policy/{name}.yaml").read_text()
    made: Policy = construct(yaml.safe_load(text))
    return made


def env(task: str, layouts: str, variation: str, n_episodes: int | None) -> TabletopEnv:
    return TabletopEnv([task], n_episodes, [0], (32, 32), "fast", layouts, variation)


def chosen(
    task: Task, specs: Sequence[EpisodeSpec], options: argparse.Namespace
) -> Iterator[EpisodeSpec]:
    """Nominal episodes, evenly; of each factor that is felt, a sample of its states and levels."""
    factors: dict[str, list[EpisodeSpec]] = {}
    for spec in specs:
        if spec.variation == NOMINAL.name or is_felt(VARIATIONS[spec.variation], task):
            factors.setdefault(factor_of(spec), []).append(spec)
    nominal = factors.pop("")
    n_nominal = len(nominal) if options.n_nominal is None else options.n_nominal
    yield from (nominal[index * len(nominal) // n_nominal] for index in range(n_nominal))
    for factor, varied in factors.items():
        drawn = random.Random(f"{task.name}/{factor}")
        yield from drawn.sample(varied, min(options.n_varied, len(varied)))


def factor_of(spec: EpisodeSpec) -> str:
    """``axis/factor``; empty for the twin."""
    return spec.variation.rpartition("/")[0]


def is_felt(variation: Variation, task: Task) -> bool:
    """Whether `variation` changes anything but images and words."""
    if (variation.changes | variation.may_change) - {Aspect.IMAGE, Aspect.INSTRUCTION}:
        return True
    pairs = [(asked, variation.task(asked)) for asked in asked_of(task)]
    return any(varied and varied.objects.keys() != asked.objects.keys() for asked, varied in pairs)


def play(env: TabletopEnv, spec: EpisodeSpec, policy: Policy) -> bool:
    """Whether the episode ends in success."""
    memory: dict[str, Any] = {}
    env.reset(spec)
    while True:
        seen = env.observe(policy.cameras, privileged=True)
        (chunk,) = policy.act([Request(spec.id, [seen], spec.seed, memory)])
        step = env.step(chunk[0])
        if step.truncated:
            return step.success


def row(suite: Suite, kind: str, spec: EpisodeSpec, success: bool) -> dict[str, Any]:
    axis, _, factor = factor_of(spec).partition("/")
    where = {"suite": suite.name, "task": spec.task, "kind": kind, "axis": axis, "factor": factor}
    return {**where, "episode": spec.id, "success": bool(success)}


def tables(counts: pd.DataFrame) -> Iterator[str]:
    """Markdown: by suite and axis, by task, by factor, and what failed."""
    is_varied = counts["kind"] == VARIED
    whole = counts.assign(column=counts["axis"].where(is_varied, counts["kind"]))
    yield "## By suite\n\n" + crossed(whole, "suite", list(dict.fromkeys(whole["column"])))
    named = counts[is_varied].assign(factor=counts["axis"] + "/" + counts["factor"])
    factors = named.assign(column=named["suite"].str.partition("-")[0])
    yield "## By factor\n\n" + crossed(factors, "factor", list(dict.fromkeys(factors["column"])))
    by_kind = counts.assign(column=counts["kind"])
    for suite, part in by_kind.groupby("suite", sort=False):
        kinds = [IN_DISTRIBUTION, VARIED, RANDOM_LAYOUTS, NOISY]
        commits = ", ".join(dict.fromkeys(part["commit"].str[:8]))
        yield f"## {suite}\n\nCommit {commits}.\n\n" + crossed(part, "task", kinds)
    failed = counts[counts["failed"] != ""]
    lines = [f"- {row['suite']}, {row['kind']}: {row['failed']}" for _, row in failed.iterrows()]
    yield "## Failures\n\n" + ("\n".join(lines) or "None.")


def crossed(counts: pd.DataFrame, index: str, columns: Sequence[str]) -> str:
    """A table of successes with Wilson's 95 % interval, one row per value of `index`."""
    lines = [[index, *columns], ["---"] * (len(columns) + 1)]
    for value, part in counts.groupby(index, sort=False):
        lines.append([str(value), *(rate(part[part["column"] == each]) for each in columns)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rate(counts: pd.DataFrame) -> str:
    if counts.empty:
        return ""
    k, n = int(counts["n_successes"].sum()), int(counts["n_episodes"].sum())
    wilson = stats.wilson(k, n)
    return f"{k}/{n} [{100 * wilson.low:.0f}, {100 * wilson.high:.0f}]"


def summary(counts: pd.DataFrame) -> dict[str, list[int]]:
    """[successes, episodes] by suite and kind, or axis, for the JSON."""
    column = counts["axis"].where(counts["kind"] == VARIED, counts["kind"])
    groups = counts.groupby([counts["suite"], column], sort=False)
    return {
        "/".join(map(str, key)) if isinstance(key, tuple) else str(key): [
            int(part["n_successes"].sum()),
            int(part["n_episodes"].sum()),
        ]
        for key, part in groups
    }


if __name__ == "__main__":
    main()
