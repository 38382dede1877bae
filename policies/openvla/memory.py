"""How much GPU memory a training needs, counted without a GPU and without the weights.

Weights, gradients and AdamW's moments follow from the parameters. Activations are what autograd
keeps in a forward pass over fake tensors (torch's FakeTensorMode: shapes and types, no memory) of
the true widths, with two and three decoder layers and one and two samples, extrapolated: all are
linear in both. Not counted: the CUDA context, workspaces and what the allocator leaves unused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from vla_bench.policies.openvla.config import OpenVLAConfig
from vla_bench.policies.openvla.methods import Method
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.quantize import quantize_decoder
from vla_bench.policies.training.sharding import blocks

N_TEXT_TOKENS = 32
"""Prompt, action and end: published instructions have 18 to 36 tokens of prompt."""

N_LEARNED = 8
_OVERHEAD_BYTES = 1.5e9  # CUDA context, workspaces, a gradient in flight: round, not measured


@dataclass(frozen=True)
class Needs:
    """Bytes on one GPU.

    Attributes:
        weights: As they are held, with the running average if one is kept.
        gradients, moments: Of the parameters that get a gradient.
        casts: Copies of fp32 weights in bf16 that autocast keeps for the backward pass.
        per_sample: Activations.
        buffers: Of the weights, what is no parameter, as NF4's codes: sharding leaves it whole.
        root: Bytes of the parameters outside of the blocks that sharding gathers singly.
        block: Bytes of the largest of these.
        gathered: What sharding puts together for a moment.
        overhead: What a GPU holds beside.
    """

    weights: float
    gradients: float
    moments: float
    casts: float
    per_sample: float
    buffers: float = 0.0
    root: float = 0.0
    block: float = 0.0
    gathered: float = 0.0
    overhead: float = _OVERHEAD_BYTES

    @property
    def fixed(self) -> float:
        """Whatever the batch."""
        held = self.weights + self.gathered + self.gradients + self.moments
        return held + self.casts + self.overhead

    def sharded(self, n: int) -> Needs:
        """On each of `n` GPUs with FSDP2: every parameter, gradient and moment is split.

        Whole beside its parts are the parameters outside of blocks, with their copies, and two
        blocks, one computing and one on its way, counted as they are held: bf16 halves fp32 ones.
        """
        parameters = self.weights - self.buffers
        return replace(
            self,
            weights=parameters / n + self.buffers,
            gradients=self.gradients / n,
            moments=self.moments / n,
            gathered=self.root + 2 * self.block,
            casts=self.casts * self.root / parameters,
        )

    def total(self, batch_size: int) -> float:
        return self.fixed + batch_size * self.per_sample

    def largest_batch(self, n_bytes: float) -> int:
        """0 when not even one sample fits."""
        return max(0, int((n_bytes - self.fixed) // self.per_sample))


def needs(config: OpenVLAConfig, method: Method, precision: str, averages: bool) -> Needs:
    """Of training `config`'s model in the loop's `precision`, with an EMA if `averages`."""
    with FakeTensorMode():
        model = _built(config, method)
        parameters, buffers = _nbytes(model.parameters()), _nbytes(model.buffers())
        units = [_nbytes(block.parameters()) for block in blocks(model)]
        trained = float(sum(p.nbytes for p in _with_gradients(model)))
    two, three = (replace(config, decoder=replace(config.decoder, n_layers=n)) for n in (2, 3))
    kept = {
        (layers.decoder.n_layers, batch): kept_bytes(layers, method, precision, batch)
        for layers in (two, three)
        for batch in (1, 2)
    }
    fixed = {n: 2 * kept[n, 1] - kept[n, 2] for n in (2, 3)}
    sample = {n: kept[n, 2] - kept[n, 1] for n in (2, 3)}
    more = config.decoder.n_layers - 2
    layer = sample[3] - sample[2]
    if method.recompute:  # the input of each layer, and all of the one that is computed again
        n_tokens = config.n_patches + N_TEXT_TOKENS
        width = 4 if method.weights == "fp32" else 2
        border = n_tokens * config.decoder.width * (width + 2)
        per_sample = sample[2] - layer + (more + 2) * border
    else:
        per_sample = sample[2] + more * layer
    copies = 2 if averages else 1
    return Needs(
        weights=copies * (parameters + buffers),
        gradients=trained,
        moments=2 * trained,
        casts=fixed[2] + more * (fixed[3] - fixed[2]),
        per_sample=per_sample,
        buffers=copies * buffers,
        root=parameters - sum(units),
        block=max(units),
    )


def _nbytes(tensors: Iterable[Tensor]) -> float:
    return float(sum(tensor.nbytes for tensor in tensors))


def _built(config: OpenVLAConfig, method: Method) -> OpenVLAModel:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if method.weights == "fp32" else torch.bfloat16)
    try:
        model = OpenVLAModel(config).requires_grad_(False).train()
    finally:
        torch.set_default_dtype(before)
    if method.weights == "nf4":
        quantize_decoder(model, torch.device("cpu"), torch.bfloat16)
    return method.prepare(model, seed=0)


def _with_gradients(model: OpenVLAModel) -> Iterator[nn.Parameter]:
    """Trained parameters but those that no forward pass reads."""
    model.drop_unused()
    return (p for p in model.parameters() if p.requires_grad)


def kept_bytes(config: OpenVLAConfig, method: Method, precision: str, batch: int) -> float:
    """Bytes that autograd holds after a forward pass, parameters aside."""
    with FakeTensorMode():
        model = _built(config, replace(method, recompute=False))
        own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
        channels = 3 * len(config.towers)
        pixels = torch.zeros(batch, channels, config.image_size, config.image_size)
        ids = torch.zeros(batch, N_TEXT_TOKENS, dtype=torch.int64)
        labels = torch.zeros(batch * N_LEARNED, dtype=torch.int64)
        storages: dict[int, torch.UntypedStorage] = {}
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        with _saved(storages), autocast:
            hidden = model.hidden(pixels.to(model.dtype), ids)
            learned = hidden[:, -N_LEARNED - 1 : -1].reshape(-1, config.decoder.width)
            logits = model.language_model.lm_head(learned).float()
            loss = functional.cross_entropy(logits, labels)
        del loss
        return float(sum(s.nbytes() for key, s in storages.items() if key not in own))


@contextmanager
def _saved(storages: dict[int, torch.UntypedStorage]) -> Iterator[None]:
    """Collect the storage of everything that autograd saves."""

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield
