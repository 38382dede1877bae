"""Which episodes there are, and what each one starts from; knows no simulator.

An episode's start follows from its spec and from `layouts` alone: the official initial state of its
index, or one drawn from index and seed; then the variation, whose draws are those of its twin.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vla_bench.envs.tabletop.geometry import Vector
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.variations.region import random_layout
from vla_bench.envs.tabletop.variations.registry import VARIATIONS, applies, asked_of, select
from vla_bench.envs.tabletop.variations.variation import NOMINAL, Variation
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import ConfigError, unknown_name

OFFICIAL, RANDOM, WIDE = "official", "random", "wide"


@dataclass(frozen=True)
class Start:
    """What one episode starts from; `task` says what is asked, built and judged."""

    task: Task
    layout: Layout
    home: Vector


class Plan:
    """The episodes of some tasks under some variations."""

    def __init__(
        self, tasks: Mapping[str, Task], n_episodes: int | None, seeds: Sequence[int], layouts: str
    ) -> None:
        """Raises ConfigError for what does not exist; `n_episodes` None is all that there are."""
        if layouts not in (OFFICIAL, RANDOM, WIDE):
            raise unknown_name("layouts", layouts, (OFFICIAL, RANDOM, WIDE))
        if not seeds or len(set(seeds)) < len(seeds):
            raise ConfigError(f"seeds={list(seeds)}: expected one or more different integers.")
        self._tasks, self._seeds = dict(tasks), tuple(seeds)
        self._asked = {name: asked_of(task) for name, task in tasks.items()}
        self._layouts, self._official = layouts, layouts == OFFICIAL
        self.n_episodes = self._counts(n_episodes)
        self.variations: Sequence[Variation] = (NOMINAL,)
        self._varied: dict[tuple[str, int, str], Task] = {}

    def vary(self, variation: str) -> None:
        """Plan what `variation` selects (see `registry.select`) instead of the nominal episodes."""
        self.variations = select(variation, self._tasks.values())

    def episodes(self) -> list[EpisodeSpec]:
        """Variation by variation, task by task, initial state by initial state, seed by seed."""
        return [
            EpisodeSpec(_id(task, index, seed, variation), task, index, seed, variation.name)
            for variation in self.variations
            for task in self._tasks
            if applies(variation, self._tasks[task])
            for index in range(self.n_episodes[task])
            for seed in self._seeds
        ]

    def asked(self) -> list[Task]:
        """All that the episodes ask for, varied; of paired tasks, every turn."""
        return [
            self._vary(variation, asked, turn)
            for variation in self.variations
            for name, task in self._tasks.items()
            if applies(variation, task)
            for turn, asked in enumerate(self._asked[name])
        ]

    def start(self, spec: EpisodeSpec) -> Start:
        """Raises ConfigError for a task, initial state or variation that does not exist."""
        if spec.task not in self._tasks:
            raise unknown_name("task", spec.task, self._tasks)
        if spec.variation not in VARIATIONS:
            raise unknown_name("variation", spec.variation, VARIATIONS)
        task, variation = self._tasks[spec.task], VARIATIONS[spec.variation]
        turns = self._asked[spec.task]
        asked = turns[spec.index % len(turns)]
        twins = self._layout(task, asked, spec)
        varied = self._vary(variation, asked, spec.index % len(turns))
        key = f"{task.name}/{variation.axis}/{variation.factor}/{self._key(spec)}"
        layout = variation.layout(varied, twins, random.Random(key))
        return Start(_told(variation, varied, layout), layout, task.home(spec.index))

    def _layout(self, task: Task, asked: Task, spec: EpisodeSpec) -> Layout:
        """Where everything starts without a variation."""
        if not self._official:
            key = f"{task.name}/{self._layouts}/{self._key(spec)}"
            margin = asked.reach.wide if self._layouts == WIDE else 0.0
            return random_layout(asked, random.Random(key), margin)
        if not 0 <= spec.index < len(task.layouts):
            raise ConfigError(
                f"{spec.task} has initial states 0 to {len(task.layouts) - 1}, got {spec.index}."
            )
        return task.layouts[spec.index]

    def _key(self, spec: EpisodeSpec) -> str:
        """Seeds are trials of one official initial state; random ones are drawn from both."""
        return f"{spec.index}" if self._official else f"{spec.index}/{spec.seed}"

    def _vary(self, variation: Variation, asked: Task, turn: int) -> Task:
        """The varied task, the same object each time: it is what is compiled."""
        key = (asked.name, turn, variation.name)
        if key not in self._varied:
            varied = variation.task(asked)
            if varied is None:
                raise ConfigError(f"{variation.name} has nothing to vary in {asked.name}.")
            self._varied[key] = varied
        return self._varied[key]

    def _counts(self, n_episodes: int | None) -> dict[str, int]:
        """Initial states to plan, by task."""
        if self._official:
            return _official_counts(self._tasks, n_episodes)
        if n_episodes is None or n_episodes < 1:
            raise ConfigError(f"n_episodes={n_episodes}: random layouts need to know how many.")
        bound = [name for name, task in self._tasks.items() if task.homes]
        if bound:
            raise ConfigError(
                f"layouts={self._layouts} is not possible for {', '.join(bound)}, where the "
                "robot's start belongs to the layout. Leave them out of tasks."
            )
        narrow = [name for name, task in self._tasks.items() if not task.reach.wide]
        if self._layouts == WIDE and narrow:
            raise ConfigError(
                f"layouts=wide is not possible for {', '.join(narrow)}: no Reach.wide says how far "
                "beyond the official positions objects may start. Leave them out of tasks, or take "
                "layouts=random."
            )
        return dict.fromkeys(self._tasks, n_episodes)


def _official_counts(tasks: Mapping[str, Task], n_episodes: int | None) -> dict[str, int]:
    available = min(len(task.layouts) for task in tasks.values())
    if n_episodes is not None and not 1 <= n_episodes <= available:
        raise ConfigError(
            f"n_episodes={n_episodes} is not possible: expected 1 to {available}, the initial "
            "states of each task, or null for all of each; for more trials, give more seeds, or "
            "layouts=random."
        )
    return {name: n_episodes or len(task.layouts) for name, task in tasks.items()}


def _id(task: str, index: int, seed: int, variation: Variation) -> str:
    suffix = "" if variation is NOMINAL else "-" + variation.name.replace("/", ".")
    return f"{task}-{index:02d}-s{seed}{suffix}"


def _told(variation: Variation, task: Task, layout: Layout) -> Task:
    """`task` with the words of `variation`, those of its second stage too."""
    then = task.then
    if then is not None:
        later = replace(task, instruction=then.instruction)
        then = replace(then, instruction=variation.instruction(later, layout))
    return replace(task, instruction=variation.instruction(task, layout), then=then)
