"""What a policy sees of an env and how its rows become actions, by the env's own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vla_bench.errors import ConfigError, PolicyError
from vla_bench.policies.diffusion.actions import ActionConverter
from vla_bench.policies.diffusion.spec import ModelSpec
from vla_bench.protocols import FloatArray, Observation, Request


@dataclass(frozen=True)
class Interface:
    """The wiring between one network and one kind of env.

    Attributes:
        cameras: The network's image keys -> the env's cameras.
        proprio: The network's vector keys -> names of the env's proprio, concatenated in order.
        actions: How the network's columns become the env's action.
    """

    cameras: Mapping[str, str]
    proprio: Mapping[str, Sequence[str]]
    actions: ActionConverter

    def check(self, spec: ModelSpec) -> None:
        """Raise ConfigError unless exactly what the network takes and gives is covered."""
        for kind, given, wanted in (
            ("cameras", set(self.cameras), set(spec.observation.image_keys)),
            ("proprio", set(self.proprio), set(spec.observation.vector_keys)),
        ):
            if given != wanted:
                raise ConfigError(
                    f"The network takes {kind} {_listed(wanted)}, the interface gives "
                    f"{_listed(given)}. Set policy.interface.{kind}."
                )
        n_columns = len(self.actions.column_names)
        if n_columns != spec.action_dim:
            raise ConfigError(
                f"The network predicts {spec.action_dim} columns, "
                f"{type(self.actions).__name__} takes {n_columns}. "
                "Set policy.interface.actions."
            )

    def observe(self, requests: Sequence[Request], spec: ModelSpec) -> dict[str, Tensor]:
        """Key -> (batch, To, ...) float32 on the CPU; images in [0, 1], channels first.

        An episode's first observation stands for the time steps before it.
        """
        windows = [_window(request, spec.horizons.n_obs_steps) for request in requests]
        batch = {}
        for key, camera in self.cameras.items():
            view = spec.observation.view(key)
            images = [[view(o.images[camera]) for o in window] for window in windows]
            levels = torch.from_numpy(np.array(images))
            batch[key] = levels.permute(0, 1, 4, 2, 3).float() / 255
        for key, names in self.proprio.items():
            vectors = np.array([[_vector(o, names) for o in window] for window in windows])
            if vectors.shape[-1:] != tuple(spec.observation.shapes[key]):
                raise PolicyError(
                    f"{' + '.join(names)} are {vectors.shape[-1]} numbers; the network's {key!r} "
                    f"takes {spec.observation.shapes[key][0]}. Set policy.interface.proprio."
                )
            batch[key] = torch.from_numpy(vectors).float()
        return batch


def _window(request: Request, n_obs: int) -> list[Observation]:
    seen = list(request.observations)[-n_obs:]
    return [seen[0]] * (n_obs - len(seen)) + seen


def _vector(observation: Observation, names: Sequence[str]) -> FloatArray:
    absent = [name for name in names if name not in observation.proprio]
    if absent:
        raise PolicyError(
            f"The policy needs the proprio {', '.join(absent)}; this env offers: "
            f"{', '.join(sorted(observation.proprio)) or 'nothing'}."
        )
    return np.concatenate([observation.proprio[name] for name in names])


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "none"
