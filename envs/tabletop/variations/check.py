"""Does each variation change what it says, and nothing else? Asked of the env as a policy sees it.

A perturbation that never reaches the policy looks like robustness. So the words are those that
`observe` delivered, and the images those that it rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.variations.registry import VARIATIONS
from vla_bench.envs.tabletop.variations.variation import NOMINAL, Aspect
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import EnvError
from vla_bench.protocols import FloatArray, Image

EXPERT = "expert_action"  # privileged, but no state
STATE_TOLERANCE = 1e-4  # m, rad and quaternion parts: more bodies shift the others' rest by less
VISIBLE_LEVELS = 8  # of 255
VISIBLE_SHARE = 1e-3  # of the pixels


@dataclass(frozen=True)
class Finding:
    """What differs between the starts of an episode and of the one it is held against."""

    episode: EpisodeSpec
    against: EpisodeSpec
    changed: frozenset[Aspect]


@dataclass(frozen=True, eq=False)
class _Seen:
    images: Mapping[str, Image]
    instruction: str
    state: Mapping[str, FloatArray]
    physics: Mapping[str, FloatArray]


def verify(env: TabletopEnv, indices: range = range(1)) -> list[Finding]:
    """Compare the start of every varied episode of `env` whose index is in `indices`.

    Returns what was found; an episode counts for its own and for no other seed. Raises EnvError
    that lists every variation which leaves something as it was that it says it changes, or changes
    something that it does not say.
    """
    specs = [s for s in env.episodes() if s.index in indices and s.variation != NOMINAL.name]
    twin = cache(partial(_look, env))  # many levels are held against one
    findings = [_find(spec, _look(env, spec), twin) for spec in specs]
    wrong = [line for finding in findings for line in _complaints(finding)]
    if wrong:
        raise EnvError("Variations that are not what they say:\n" + "\n".join(wrong))
    return findings


def _find(spec: EpisodeSpec, mine: _Seen, twin: Callable[[EpisodeSpec], _Seen]) -> Finding:
    variation = VARIATIONS[spec.variation]
    against = replace(spec, variation=variation.against)
    other = twin(replace(against, id=""))
    # What is to be seen must be visible; what is not must be equal to the last bit.
    share = VISIBLE_SHARE if Aspect.IMAGE in variation.changes else 0.0
    differs = {
        Aspect.IMAGE: _share_that_differs(mine.images, other.images, share > 0) > share,
        Aspect.STATE: not _equal(mine.state, other.state, STATE_TOLERANCE),
        Aspect.PHYSICS: not _equal(mine.physics, other.physics, 0.0),
        Aspect.INSTRUCTION: mine.instruction != other.instruction,
    }
    return Finding(spec, against, frozenset(a for a, changed in differs.items() if changed))


def _look(env: TabletopEnv, spec: EpisodeSpec) -> _Seen:
    env.reset(spec)
    seen = env.observe(env.cameras, privileged=True)
    poses = {name: values for name, values in seen.privileged.items() if name != EXPERT}
    physics = {name: env.world.physics(name) for name in env.world.objects}
    physics |= {joint: env.world.model.body(joint).mass.copy() for joint in env.world.drawers()}
    state = {**seen.proprio, **poses, "robot_base": env.world.base_pose()}
    return _Seen(seen.images, seen.instruction, state, physics)


def _equal(mine: Mapping[str, FloatArray], other: Mapping[str, FloatArray], atol: float) -> bool:
    """Whether what both have is equal: what one has more shows in the image."""
    return all(
        mine[name].shape == other[name].shape and np.allclose(mine[name], other[name], 0.0, atol)
        for name in mine.keys() & other.keys()
    )


def _share_that_differs(
    mine: Mapping[str, Image], other: Mapping[str, Image], visibly: bool
) -> float:
    """Of the pixels of the camera that shows it best."""
    least = VISIBLE_LEVELS if visibly else 0
    apart = [np.abs(mine[name].astype(int) - other[name]).max(axis=-1) for name in mine]
    return max(float((levels > least).mean()) for levels in apart)


def _complaints(finding: Finding) -> list[str]:
    spec, variation = finding.episode, VARIATIONS[finding.episode.variation]
    missing = variation.changes - finding.changed
    extra = finding.changed - variation.changes - variation.may_change
    held = f"{spec.id}, held against {finding.against.variation}"
    return [
        *(f"{held}: does not change {aspect.value}" for aspect in missing),
        *(f"{held}: also changes {aspect.value}" for aspect in extra),
    ]
