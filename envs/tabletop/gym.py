"""The suites' tasks as ordinary Gymnasium environments: ``vla_bench/WidowXCarrotOnPlate-v0``.

`vla_bench.envs` registers their ids (`vla_bench.envs.registration`).
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import suite_of
from vla_bench.episode import EpisodeSpec
from vla_bench.protocols import FloatArray, Image, Observation, Step

PROPRIO = {"tcp_pose": 2.0, "gripper_open": 2.0, "joint_positions": 5.0}
"""Name -> generous bound; units are on the suite's card."""
TCP_POSE = 7


class TabletopGymEnv(gymnasium.Env[dict[str, Any], FloatArray]):
    """One task. The policy's view is the observation; what judges it is in `info`.

    Observation: ``images`` (camera -> (height, width, 3) uint8), ``proprio`` (as on the suite's
    card), ``instruction`` (str). Action (7,): the suite's `action_spec`. Reward: the gain
    in score at this step, so that the return is the score. Info: ``success``, ``score``,
    ``events`` (sorted), ``instruction``, ``episode``. ``reset(options={"episode": 7})`` asks for
    the task's initial state 7; otherwise one of them is drawn from the seed.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        image_size: Sequence[int] = (224, 224),
        look: str = "default",
        render_mode: str | None = None,
    ) -> None:
        known = suite_of([task]).tasks[task]
        robot = known.scene.mount.robot
        self.metadata = {**self.metadata, "render_fps": robot.control_hz}
        self._n_episodes = len(known.layouts)
        self._env = TabletopEnv(
            [task],
            None,
            [0],
            image_size,
            look,
            layouts="official",
            variation="none",
        )
        self._task, self.render_mode = task, render_mode
        self._episode, self._score = 0, 0.0
        low, high = self._env.action_spec.low, self._env.action_spec.high
        self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float64)
        sizes = {"tcp_pose": TCP_POSE, "gripper_open": 1, "joint_positions": len(robot.arm)}
        self.observation_space = _observation_space(self._env.cameras, image_size, sizes)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(self._n_episodes))
        self._episode, self._score = int((options or {}).get("episode", drawn)), 0.0
        name = f"{self._task}-{self._episode:02d}"
        self._env.reset(EpisodeSpec(name, self._task, self._episode, seed or 0))
        observation = self._env.observe(self._env.cameras, privileged=False)
        started = Step(False, False, success=False, score=0.0)
        return _as_dict(observation), self._info(started, observation.instruction)

    def step(self, action: FloatArray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        step = self._env.step(np.asarray(action, float))
        observation = self._env.observe(self._env.cameras, privileged=False)
        gain, self._score = step.score - self._score, step.score
        info = self._info(step, observation.instruction)
        return _as_dict(observation), gain, step.terminated, step.truncated, info

    def render(self) -> Image | None:
        if self.render_mode != "rgb_array":
            return None
        camera = self._env.cameras[0]
        return self._env.observe([camera], privileged=False).images[camera]

    def close(self) -> None:
        self._env.close()

    def _info(self, step: Step, instruction: str) -> dict[str, Any]:
        return {
            "success": step.success,
            "score": step.score,
            "events": sorted(step.events),
            "instruction": instruction,
            "episode": self._episode,
        }


def _observation_space(
    cameras: Sequence[str], image_size: Sequence[int], sizes: Mapping[str, int]
) -> gymnasium.spaces.Dict:
    width, height = image_size
    image = gymnasium.spaces.Box(0, 255, (height, width, 3), np.uint8)
    proprio: dict[str, gymnasium.Space[Any]] = {
        name: gymnasium.spaces.Box(-limit, limit, (sizes[name],), np.float64)
        for name, limit in PROPRIO.items()
    }
    text = gymnasium.spaces.Text(max_length=100, charset=string.ascii_letters + string.digits + " ")
    return gymnasium.spaces.Dict(
        {
            "images": gymnasium.spaces.Dict(dict.fromkeys(cameras, image)),
            "proprio": gymnasium.spaces.Dict(proprio),
            "instruction": text,
        }
    )


def _as_dict(observation: Observation) -> dict[str, Any]:
    return {
        "images": dict(observation.images),
        "proprio": dict(observation.proprio),
        "instruction": observation.instruction,
    }
