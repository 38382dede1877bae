"""How often the scripted expert succeeds: every task, in distribution, varied, on random layouts.

    python benchmarks/expert.py [--suites NAME ...] [--n-varied 3] [--n-random 10] [--write]

In distribution, every official initial state. Of each level of each variation, `--n-varied` initial
states per task, each level going on where the one before it stopped, so that all get their turn.
`--n-random` random layouts per task, without noise and as conf/policy/scripted_demonstrator.yaml
acts. The expert acts as in `vla-bench eval policy=scripted`; it is blind, so nothing is drawn, and
levels that change images or words alone are not played: such an episode is its twin's again. A
suite whose files are absent is left out and named. One process. After each suite it prints tables
and a line of JSON; --write also keeps them in results/reference/expert.md and expert.json.
"""

from __future__ import annotations

import argparse
import importlib.resources
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import yaml
from record import REFERENCE, conclude

from vla_bench import stats
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

IN_DISTRIBUTION, VARIED, RANDOM_LAYOUTS, NOISY = "in distribution", "varied", "random", "noisy"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suites", nargs="+", default=list(SUITES), choices=list(SUITES))
    parser.add_argument("--n-varied", type=int, default=3, help="per task and level")
    parser.add_argument("--n-random", type=int, default=10, help="per task")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    absent: list[str] = []
    for suite in (SUITES[name] for name in options.suites):
        try:
            rows += suite_rows(suite, options.n_varied, options.n_random)
        except MissingDependencyError:
            absent.append(suite.name)
            continue
        conclude_with(pd.DataFrame(rows), options, absent)


def conclude_with(played: pd.DataFrame, options: argparse.Namespace, absent: list[str]) -> None:
    """Say what has been played so far: a long run may be stopped after any suite."""
    ran = (
        f"{len(played)} episodes of {played['suite'].nunique()} suites: every official initial "
        "state (in distribution); of each level of each variation that changes more than images "
        f"and words, {options.n_varied} initial states per task; {options.n_random} random layouts "
        "per task, without noise and with the demonstrator's (noisy). Successes/episodes [Wilson's "
        f"95 % interval, %]. Left out for absent files: {', '.join(absent) or 'nothing'}. Made by "
        f"`python benchmarks/expert.py --n-varied {options.n_varied} --n-random "
        f"{options.n_random} --write`; machine and commit are in `expert.json`."
    )
    document = "\n\n".join(["# The scripted expert", ran, *tables(played)]) + "\n"
    print(document)
    if options.write:
        (REFERENCE / "expert.md").write_text(document)
    conclude("expert", {"ran": ran, **summary(played)})


def suite_rows(suite: Suite, n_varied: int, n_random: int) -> Iterator[dict[str, Any]]:
    """One row per episode; raises MissingDependencyError before the first one."""
    calm, noisy = policy("scripted"), policy("scripted_demonstrator")
    varies = suite.require is None
    for name, task in suite.tasks.items():
        print(f"{suite.name}: {name}", file=sys.stderr)
        varied = env(name, OFFICIAL, ALL if varies else NOMINAL.name, None)
        for spec in chosen(task, varied.episodes(), n_varied):
            kind = IN_DISTRIBUTION if spec.variation == NOMINAL.name else VARIED
            yield row(suite, kind, spec, play(varied, spec, calm))
        varied.close()
        if varies and not task.homes:
            drawn = env(name, RANDOM, NOMINAL.name, n_random)
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


def chosen(task: Task, specs: Sequence[EpisodeSpec], n_varied: int) -> Iterator[EpisodeSpec]:
    """All nominal episodes; of the levels that are felt, `n_varied` each, in turn."""
    levels: dict[str, list[EpisodeSpec]] = {}
    for spec in specs:
        levels.setdefault(spec.variation, []).append(spec)
    yield from levels.pop(NOMINAL.name)
    felt = [level for name, level in levels.items() if is_felt(VARIATIONS[name], task)]
    for number, level in enumerate(felt):
        first = number * n_varied
        turns = {index % len(level) for index in range(first, first + n_varied)}
        yield from (level[index] for index in sorted(turns))


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
    axis, _, factor = spec.variation.rpartition("/")[0].partition("/")
    where = {"suite": suite.name, "task": spec.task, "kind": kind, "axis": axis, "factor": factor}
    return {**where, "episode": spec.id, "success": bool(success)}


def tables(played: pd.DataFrame) -> Iterator[str]:
    """Markdown: by suite and axis, by task, by factor, and what failed."""
    varied = played[played["kind"] == VARIED]
    whole = played.assign(column=played["axis"].where(played["kind"] == VARIED, played["kind"]))
    yield "## By suite\n\n" + crossed(whole, "suite", list(dict.fromkeys(whole["column"])))
    by_task = played.assign(column=played["kind"])
    kinds = [IN_DISTRIBUTION, VARIED, RANDOM_LAYOUTS, NOISY]
    for suite in dict.fromkeys(played["suite"]):
        own = by_task[by_task["suite"] == suite]
        yield f"## {suite}\n\n" + crossed(own, "task", kinds)
        factors = varied[varied["suite"] == suite]
        if len(factors):
            named = factors.assign(column="", factor=factors["axis"] + "/" + factors["factor"])
            yield crossed(named, "factor", [""])
    failed = played[~played["success"]]
    lines = [f"- {row['suite']}: {row['episode']}, {row['kind']}" for _, row in failed.iterrows()]
    yield "## Failures\n\n" + ("\n".join(lines) or "None.")


def crossed(frame: pd.DataFrame, index: str, columns: Sequence[str]) -> str:
    """A table of successes with Wilson's 95 % interval, one row per value of `index`."""
    lines = [[index, *(column or "success" for column in columns)], ["---"] * (len(columns) + 1)]
    for value, part in frame.groupby(index, sort=False):
        cells = [rate(part[part["column"] == column]["success"]) for column in columns]
        lines.append([str(value), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rate(success: pd.Series) -> str:
    if success.empty:
        return ""
    wilson = stats.wilson(int(success.sum()), len(success))
    return f"{success.sum()}/{len(success)} [{100 * wilson.low:.0f}, {100 * wilson.high:.0f}]"


def summary(played: pd.DataFrame) -> dict[str, Any]:
    """Successes and episodes by suite, kind or axis, and by task, for the JSON."""
    figures: dict[str, Any] = {}
    column = played["axis"].where(played["kind"] == VARIED, played["kind"])
    for (suite, name), part in played.groupby([played["suite"], column], sort=False):
        figures[f"{suite}/{name}"] = [int(part["success"].sum()), len(part)]
    own = played[played["kind"] == IN_DISTRIBUTION]
    for (suite, task), part in own.groupby(["suite", "task"], sort=False):
        figures[f"{suite}/{task}"] = [int(part["success"].sum()), len(part)]
    return figures


if __name__ == "__main__":
    main()
