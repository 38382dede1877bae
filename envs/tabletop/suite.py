"""`TabletopEnv`: one suite of MuJoCo tasks as a `vla_bench.protocols.Env`.

Which suite follows from the tasks; `suites.py` says what each one is a twin of, and what it is not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vla_bench.envs.tabletop.geometry import quaternion_of
from vla_bench.envs.tabletop.physics import described
from vla_bench.envs.tabletop.plan import OFFICIAL, RANDOM, WIDE, Plan
from vla_bench.envs.tabletop.renderer import named_look
from vla_bench.envs.tabletop.suites import Suite, suite_of
from vla_bench.envs.tabletop.tasks.task import Expert, Judge, Task
from vla_bench.envs.tabletop.variations.settings import settings_card
from vla_bench.envs.tabletop.world import World
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import EnvError
from vla_bench.protocols import FloatArray, Observation, Step

MAX_WORLDS = 24  # more than any suite has tasks, so that nominal episodes never compile twice
LAYOUTS = {
    OFFICIAL: "the tasks' own initial states",
    RANDOM: "drawn from the region that the tasks' own initial states span; where nothing lies "
    "loose, as with drawers, one of these",
    WIDE: "drawn from that region and beyond it as far as the task allows",
}


class TabletopEnv:
    """A suite: reset, observe, step; one compiled world per set of objects, made when needed."""

    def __init__(
        self,
        tasks: Sequence[str],
        n_episodes: int | None,
        seeds: Sequence[int],
        image_size: Sequence[int],
        look: str,
        layouts: str,
        variation: str,
    ) -> None:
        """Plan `n_episodes` initial states of each of `tasks`, all of one suite, once per seed.

        None for `n_episodes` plans every initial state that each task has. `image_size` is [width,
        height]; `layouts` is a key of `LAYOUTS`; `variation` is what `registry.select` takes. More
        than five parameters, since these are the keys that a user overrides. Raises ConfigError
        for what does not exist and MissingDependencyError for absent files.
        """
        suite = suite_of(tasks)
        self.name, self.action_spec = suite.name, suite.action_spec
        chosen = {name: suite.tasks[name] for name in tasks}
        suite.check(layouts, variation)
        self._plan = Plan(chosen, n_episodes, seeds, layouts)
        self._plan.vary(variation)
        if suite.require is not None:
            suite.require(self._plan.asked())
        self._image_size = (int(image_size[0]), int(image_size[1]))
        self._look = named_look(look)
        first = next(iter(chosen.values()))
        self.cameras: Sequence[str] = tuple(camera.name for camera in first.scene.cameras)
        self.card: Mapping[str, Any] = {
            **_suite_card(suite, first),
            "image_size": list(self._image_size),
            "look": described(first.scene.mount, self._look),
            "layouts": LAYOUTS[layouts],
            "seeds": list(seeds),
            "variations": {each.name: each.text for each in self._plan.variations},
            "tasks": {
                name: _task_card(task, self._plan.n_episodes[name]) for name, task in chosen.items()
            },
        }
        self._worlds: OrderedDict[tuple[int, int], World] = OrderedDict()
        self._task, self._n_steps = first, 0
        self._world: World | None = None
        self._judge: Judge | None = None
        self._expert: Expert | None = None

    def episodes(self) -> list[EpisodeSpec]:
        """Variation by variation, task by task, initial state by initial state, seed by seed."""
        return self._plan.episodes()

    def reset(self, spec: EpisodeSpec) -> None:
        """Settle the objects of `spec`; raises ConfigError for what does not exist."""
        start = self._plan.start(spec)
        self._task, self._n_steps = start.task, 0
        self._world = self._world_of(start.task)
        self._world.reset(start.layout, start.home)
        self._judge = start.task.goal.start(self._world)
        self._expert = start.task.expert(self._world)

    def observe(self, cameras: Sequence[str], privileged: bool) -> Observation:
        """Images of `cameras`, the instruction, the robot's own sensors; see the card for units.

        `privileged` adds object poses and advances the scripted expert by one control step.
        """
        world, _ = self._running()
        unknown = set(cameras) - set(self.cameras)
        if unknown:
            raise EnvError(f"{self.name} has cameras {list(self.cameras)}, got {sorted(unknown)}.")
        return Observation(
            images={camera: world.render(camera, self._image_size) for camera in cameras},
            instruction=self._task.told(self._n_steps),
            proprio=_proprio(world),
            privileged=self._privileged(world) if privileged else {},
        )

    def step(self, action: FloatArray) -> Step:
        """Execute one action (7,) for one control period; raises EnvError unless it is finite."""
        world, judge = self._running()
        action = np.asarray(action, float)
        if action.shape != (self.action_spec.dim,) or not np.isfinite(action).all():
            raise EnvError(
                f"Expected {self.action_spec.dim} finite numbers "
                f"({', '.join(self.action_spec.names)}), got {action.tolist()}."
            )
        world.step(action)
        self._n_steps += 1
        verdict = judge.judge()
        return Step(
            terminated=False,
            truncated=self._n_steps >= self._task.horizon,
            success=verdict.success,
            score=verdict.score,
            events=verdict.events,
        )

    def close(self) -> None:
        """Release compiled models and their GL memory."""
        for world in self._worlds.values():
            world.close()
        self._worlds.clear()
        self._world = self._judge = self._expert = None

    @property
    def world(self) -> World:
        """The simulator of the present episode; not for policies."""
        return self._running()[0]

    def _world_of(self, task: Task) -> World:
        """The world of the task's scene and objects; tasks that share them share the world.

        Only the worlds used last are kept, since each holds textures and frame buffers.
        """
        key = (id(task.scene), id(task.objects))  # the plan keeps both alive
        if key not in self._worlds:
            self._worlds[key] = World(task.scene, task.objects, self._look)
        self._worlds.move_to_end(key)
        while len(self._worlds) > MAX_WORLDS:
            _, oldest = self._worlds.popitem(last=False)
            oldest.close()
        return self._worlds[key]

    def _running(self) -> tuple[World, Judge]:
        if self._world is None or self._judge is None:
            raise EnvError(f"{self.name}: expected reset(spec) before observe or step.")
        return self._world, self._judge

    def _privileged(self, world: World) -> dict[str, FloatArray]:
        assert self._expert is not None
        poses = {f"{name}_pose": world.pose_in_base(name) for name in world.objects}
        return {**poses, "expert_action": self._expert.act()}


def _proprio(world: World) -> dict[str, FloatArray]:
    position, rotation = world.tcp_in_base()
    return {
        "tcp_pose": np.concatenate([position, quaternion_of(rotation)]),
        "gripper_open": np.array([world.gripper_open()]),
        "joint_positions": world.joint_positions(),
    }


def _suite_card(suite: Suite, task: Task) -> dict[str, Any]:
    robot = task.scene.mount.robot
    return {
        "suite": suite.name,
        "description": suite.description,
        "robot": robot.name,
        "control_hz": robot.control_hz,
        "success": suite.success,
        "score": suite.score,
        "proprio": {
            "tcp_pose": "x y z m, quaternion w x y z, in the robot's base frame",
            "gripper_open": "0 closed to 1 open, as far as the finger joints go",
            "joint_positions": f"rad, {robot.arm[0]} to {robot.arm[-1]}",
        },
        "source": suite.source,
        **({"settings": settings_card(suite.groups, suite.tasks)} if suite.groups else {}),
        "horizon": "control steps; an episode never ends early",
    }


def _task_card(task: Task, n_episodes: int) -> dict[str, Any]:
    asked = task.turns or (task,)
    return {
        "instruction": task.instruction,
        "horizon": task.horizon,
        "success": "; ".join(dict.fromkeys(each.goal.text for each in asked)),
        "events": list(task.goal.events),
        "n_episodes": n_episodes,
        **({} if task.then is None else {"then": asdict(task.then)}),
        **task.facts,
    }
