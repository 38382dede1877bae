"""The `Policy` plug-in: a diffusion model over any mix of episodes, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from vla_bench.actions import ActionSpec
from vla_bench.policies.bundled import checkpoint_folder
from vla_bench.policies.device import device_of
from vla_bench.policies.diffusion.checkpoint import load_model
from vla_bench.policies.diffusion.interface import Interface
from vla_bench.policies.diffusion.language import text_encoder
from vla_bench.policies.diffusion.process import Sampler
from vla_bench.policies.diffusion.spec import ModelSpec
from vla_bench.policies.sampling import generator
from vla_bench.policies.weights import fingerprint
from vla_bench.protocols import FloatArray, Request


@dataclass(eq=False)
class DiffusionPolicy:
    """Samples an action sequence per inference and executes a slice of it.

    The constructor's parameters are the keys of conf/policy/diffusion.yaml, where each is
    explained.
    """

    name: str
    checkpoint: str
    model: ModelSpec | None
    interface: Interface
    sampler: Sampler
    device: str
    cameras: Sequence[str] = field(init=False)
    action_spec: ActionSpec = field(init=False)
    history: int = field(init=False)
    weights: str = field(init=False)

    def __post_init__(self) -> None:
        self._device = device_of(self.device)
        network = load_model(self.checkpoint, self.model)
        self.weights = fingerprint([checkpoint_folder(self.checkpoint)])
        spec = network.spec
        self.interface.check(spec)
        self.sampler.check(spec.diffusion)
        language = spec.observation.language
        self._encode_text = None if language is None else text_encoder(language)
        self._network = network.to(self._device)
        self.cameras = tuple(self.interface.cameras.values())
        self.action_spec = self.interface.actions.action_spec
        self.history = spec.horizons.n_obs_steps

    def act(self, requests: Sequence[Request]) -> Sequence[FloatArray]:
        """One chunk (n_action_steps, dim) per request, all sampled in the same batch.

        An episode's noise follows from its seed and from how often it has asked, not from what
        shares its batch.
        """
        spec = self._network.spec
        observations = self.interface.observe(requests, spec)
        if self._encode_text is not None:
            texts = [self._encode_text(r.observations[-1].instruction) for r in requests]
            observations["language"] = torch.stack(texts)
        on_device = {key: values.to(self._device) for key, values in observations.items()}
        noise = [_generator(request) for request in requests]
        sequences = self._network.sample(on_device, self.sampler, noise)
        chunks = sequences[:, spec.horizons.executed].cpu().numpy().astype(np.float64)
        return [
            self.interface.actions.convert(chunk, request)
            for chunk, request in zip(chunks, requests)
        ]


def _generator(request: Request) -> torch.Generator:
    """Fresh for every inference, seeded by the episode's own stream."""
    return torch.Generator().manual_seed(int(generator(request).integers(2**63)))
