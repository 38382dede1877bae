"""What must hold before a run's first episode: else the run would measure something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vla_bench.errors import ActionSpecError, ConfigError, PolicyError, unknown_name
from vla_bench.evaluate import act
from vla_bench.lane import Description
from vla_bench.protocols import FloatArray, Image, Observation, Policy, Request


def check_compatible(policy: Policy, env: Description) -> None:
    """Raise when the policy's actions, cameras or history do not fit the env."""
    lines = policy.action_spec.differences(env.action_spec)
    if lines:
        raise ActionSpecError(
            f"{policy.name} and {env.name} disagree on what an action means (policy | env):\n"
            + "\n".join(f"  {line}" for line in lines)
            + "\nConvert in the policy's config, or choose another env."
        )
    for camera in policy.cameras:
        if camera not in env.cameras:
            raise unknown_name(f"camera of {env.name}", camera, env.cameras)
    if policy.history < 1:
        raise ConfigError(f"{policy.name}: expected history >= 1, got {policy.history}.")


def check_images_matter(policy: Policy, observations: Sequence[Observation]) -> None:
    """Raise PolicyError when changing every image leaves the policy's chunk unchanged.

    A known fault of published code: on newer library versions the vision tower is silently never
    run and the action is constant. The images of a real first observation are inverted, blacked
    out and replaced by noise; one of the three must change the chunk.
    """
    true_chunk = _chunk(policy, observations)
    for alter in (_inverted, _black, _noise):
        altered = [_altered(o, {c: alter(i) for c, i in o.images.items()}) for o in observations]
        chunk = _chunk(policy, altered)
        if chunk.shape != true_chunk.shape or not np.array_equal(chunk, true_chunk):
            return
    raise PolicyError(
        f"{policy.name} ignores its images: inverted, black and noise images of "
        f"{', '.join(policy.cameras)} gave the same actions as the real ones. "
        "Check its weights and library versions. To run it nevertheless, add image_check=false; "
        "every record will say so."
    )


def _inverted(image: Image) -> Image:
    return 255 - image


def _black(image: Image) -> Image:
    return np.zeros_like(image)


def _noise(image: Image) -> Image:
    return np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)


def _altered(observation: Observation, images: dict[str, Image]) -> Observation:
    return replace(observation, images=images)


def _chunk(policy: Policy, observations: Sequence[Observation]) -> FloatArray:
    return act(policy, [Request("image-check", tuple(observations), seed=0)])[0]
