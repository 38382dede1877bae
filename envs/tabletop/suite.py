"""`TabletopEnv`: one suite of MuJoCo tasks as a `vla_bench.protocols.Env`.

Which suite follows from the tasks; `suites.py` says what each one is a twin of, and what it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vla_bench.envs.tabletop.geometry import quaternion_of
from vla_bench.envs.tabletop.renderer import named_look
from vla_bench.envs.tabletop.suites import Suite, suite_of
from vla_bench.envs.tabletop.tasks.task import Expert, Judge, Task
from vla_bench.envs.tabletop.world import World
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import ConfigError, EnvError, unknown_name
from vla_bench.protocols import FloatArray, Observation, Step


class TabletopEnv:
    """A suite: reset, observe, step; one compiled world per set of objects, made when needed."""

    def __init__(
        self,
        tasks: Sequence[str],
        n_episodes: int | None,
        seeds: Sequence[int],
        image_size: Sequence[int],
        look: str,
    ) -> None:
        """Plan `n_episodes` initial states of each of `tasks`, all of one suite, once per seed.

        None for `n_episodes` plans every initial state that each task has. `image_size` is [width, height]. Raises ConfigError for what does not exist.
        """
        suite = suite_of(tasks)
        self.name, self.action_spec = suite.name, suite.action_spec
        self._tasks = {name: suite.tasks[name] for name in tasks}
        available = min(len(task.layouts) for task in self._tasks.values())
        if n_episodes is not None and not 1 <= n_episodes <= available:
            raise ConfigError(
                f"n_episodes={n_episodes} is not possible: expected 1 to {available}, "
                f"the initial states of each task, or null for all of each; for more trials, "
                f"give more seeds."
            )
        if not seeds or len(set(seeds)) < len(seeds):
            raise ConfigError(f"seeds={list(seeds)}: expected one or more different integers.")
        self._n_episodes = {
            name: n_episodes or len(task.layouts) for name, task in self._tasks.items()
        }
        self._seeds = tuple(seeds)
        self._image_size = (int(image_size[0]), int(image_size[1]))
        self._look = named_look(look)
        first = next(iter(self._tasks.values()))
        self.cameras: Sequence[str] = tuple(camera.name for camera in first.scene.cameras)
        self.card: Mapping[str, Any] = {
            **_suite_card(suite, first),
            "image_size": list(self._image_size),
            "look": look,
            "seeds": list(seeds),
            "tasks": {
                name: _task_card(task, self._n_episodes[name])
                for name, task in self._tasks.items()
            },
        }
        self._worlds: dict[int, World] = {}
        self._task, self._n_steps = first, 0
        self._world: World | None = None
        self._judge: Judge | None = None
        self._expert: Expert | None = None

    def episodes(self) -> list[EpisodeSpec]:
        """Task by task, initial state by initial state, seed by seed."""
        return [
            EpisodeSpec(f"{task}-{index:02d}-s{seed}", task, index, seed)
            for task in self._tasks
            for index in range(self._n_episodes[task])
            for seed in self._seeds
        ]

    def reset(self, spec: EpisodeSpec) -> None:
        """Settle the objects of `spec`; raises ConfigError for a task or variation not planned."""
        if spec.variation != "none":
            raise ConfigError(
                f"{self.name} has no variations: expected 'none', got {spec.variation!r}."
            )
        if spec.task not in self._tasks:
            raise unknown_name("task", spec.task, self._tasks)
        task = self._tasks[spec.task]
        if not 0 <= spec.index < len(task.layouts):
            raise ConfigError(
                f"{spec.task} has initial states 0 to {len(task.layouts) - 1}, got {spec.index}."
            )
        self._task, self._n_steps = task.asked(spec.index), 0
        self._world = self._world_of(self._task)
        self._world.reset(task.layouts[spec.index], task.home(spec.index))
        self._judge = self._task.goal.start(self._world)
        self._expert = self._task.expert(self._world)

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

    def _world_of(self, task: Task) -> World:
        """The world of the task's objects; tasks that share the mapping share the world."""
        key = id(task.objects)
        if key not in self._worlds:
            self._worlds[key] = World(task.scene, task.objects, self._look)
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
