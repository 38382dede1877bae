"""Llama-2 as OpenVLA uses it: causal self-attention, rotary positions, a key-value cache.

Parameters carry the names of transformers' LlamaForCausalLM. Rows of a batch are padded at the
*right* and token i of a row stands at position i. Causality alone then hides the padding: prefill
needs no mask, and each generated token overwrites one padding slot of its row.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from vla_bench.policies.openvla.cache import Cache, Placement
from vla_bench.policies.openvla.config import DecoderConfig
from vla_bench.policies.openvla.kernels import EAGER, Kernels, quick_attention
from vla_bench.policies.openvla.stream import Places, Stream


class RmsNorm(nn.Module):
    """Holds the weight; `Kernels` computes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))


class Attention(nn.Module):
    """Self-attention over one pass, and over what the cache holds for a single token."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.q_proj = nn.Linear(config.width, config.width, bias=False)
        self.k_proj = nn.Linear(config.width, config.width, bias=False)
        self.v_proj = nn.Linear(config.width, config.width, bias=False)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)
        self.qkv_proj: nn.Module | None = None

    def fuse(self) -> None:
        """One product instead of three; the state dict no longer has a checkpoint's names."""
        self.qkv_proj = stack_linears(self.q_proj, self.k_proj, self.v_proj)
        del self.q_proj, self.k_proj, self.v_proj

    def forward(
        self, h: Tensor, at: Placement, cache: tuple[Tensor, Tensor] | None, kernels: Kernels
    ) -> Tensor:
        """Heads side by side (b, n_tokens, width), before the output projection."""
        batch, n_tokens, width = h.shape
        if self.qkv_proj is not None:
            qkv = self.qkv_proj(h)
        else:
            qkv = torch.cat((self.q_proj(h), self.k_proj(h), self.v_proj(h)), dim=-1)
        qkv = qkv.view(batch, n_tokens, 3, self.n_heads, width // self.n_heads)
        qkv = qkv.permute(2, 0, 3, 1, 4)
        q, k = kernels.rotate(qkv[:2], at.cos, at.sin)
        heads = _attend(q, k, qkv[2], at, cache)
        return heads.transpose(1, 2).reshape(batch, n_tokens, width)


def _attend(
    q: Tensor, k: Tensor, v: Tensor, at: Placement, cache: tuple[Tensor, Tensor] | None
) -> Tensor:
    if cache is None:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    keys, values = cache
    if at.slots is None:
        keys[:, :, : k.shape[2]] = k
        values[:, :, : v.shape[2]] = v
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    rows, columns = at.slots
    keys[rows, :, columns] = k[:, :, 0]
    values[rows, :, columns] = v[:, :, 0]
    return functional.scaled_dot_product_attention(q, keys, values, attn_mask=at.mask)


class Mlp(nn.Module):
    """SwiGLU."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.mlp_width, bias=False)
        self.up_proj = nn.Linear(config.width, config.mlp_width, bias=False)
        self.down_proj = nn.Linear(config.mlp_width, config.width, bias=False)
        self.gate_up_proj: nn.Module | None = None

    def fuse(self) -> None:
        """As `Attention.fuse`."""
        self.gate_up_proj = stack_linears(self.gate_proj, self.up_proj)
        del self.gate_proj, self.up_proj

    def forward(self, h: Tensor, kernels: Kernels) -> Tensor:
        if self.gate_up_proj is not None:
            gate_up = self.gate_up_proj(h)
        else:
            gate_up = torch.cat((self.gate_proj(h), self.up_proj(h)), dim=-1)
        y: Tensor = self.down_proj(kernels.swiglu(gate_up))
        return y


class Layer(nn.Module):
    """One decoder layer."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.eps = config.rms_eps
        self.self_attn = Attention(config)
        self.mlp = Mlp(config)
        self.input_layernorm = RmsNorm(config.width)
        self.post_attention_layernorm = RmsNorm(config.width)

    def fuse(self) -> None:
        """Join projections that read the same input; for inference only."""
        self.self_attn.fuse()
        self.mlp.fuse()

    def attend(
        self, stream: Stream, at: Placement, cache: tuple[Tensor, Tensor] | None, kernels: Kernels
    ) -> Stream:
        """The half that mixes positions; the update it leaves is not yet projected."""
        x, h = stream.add_norm(self.input_layernorm.weight, self.eps, kernels)
        return Stream(x, self.self_attn(h, at, cache, kernels))

    def finish(self, stream: Stream, kernels: Kernels) -> Stream:
        """The half that treats every position by itself."""
        assert stream.update is not None
        projected = Stream(stream.x, self.self_attn.o_proj(stream.update))
        x, h = projected.add_norm(self.post_attention_layernorm.weight, self.eps, kernels)
        return Stream(x, self.mlp(h, kernels))

    def forward(
        self, x: Tensor, at: Placement, kernels: Kernels, wanted: Places | None = None
    ) -> Tensor:
        """Both halves, summed, (b, s, width), or at the `wanted` places alone (..., width).

        What shards, compiles or recomputes a layer hooks into this.
        """
        attended = self.attend(Stream(x), at, None, kernels)
        done = self.finish(attended if wanted is None else attended.at(wanted), kernels)
        assert done.update is not None
        return done.x + done.update


class Decoder(nn.Module):
    """Embeddings in, normalized hidden states out.

    Attributes:
        recompute: In training, keep only each layer's input and compute the rest again for the
            gradient: upstream's activation checkpointing.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.kernels = EAGER
        self.recompute = False
        self.embed_tokens = nn.Embedding(config.n_tokens, config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layers))
        self.norm = RmsNorm(config.width)

    def forward(
        self, x: Tensor, at: Placement, cache: Cache | None = None, wanted: Places | None = None
    ) -> Tensor:
        """Embeddings (b, s, width) -> hidden states (b, s, width).

        At the `wanted` places alone they are (..., width); the last layer then computes no others.
        """
        if cache is None:
            return self._trained(x, at, wanted)
        stream = Stream(x)
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            stream = layer.attend(stream, at, cache.layer(index), self.kernels)
            if wanted is not None and index == len(self.layers) - 1:
                stream = stream.at(wanted)
            stream = layer.finish(stream, self.kernels)
        return stream.add_norm(self.norm.weight, self.config.rms_eps, self.kernels)[1]

    def _trained(self, x: Tensor, at: Placement, wanted: Places | None) -> Tensor:
        """Without a cache, layer by layer, as in training."""
        device = x.device
        for index, layer in enumerate(self.layers):
            places = wanted if index == len(self.layers) - 1 else None
            if self.recompute and self.training:
                x = checkpoint(
                    layer,
                    x,
                    at,
                    self.kernels,
                    places,
                    use_reentrant=False,
                    context_fn=lambda: (nullcontext(), quick_attention(device)),
                )
            else:
                x = layer(x, at, self.kernels, places)
        return self.kernels.rms_norm(x, self.norm.weight, self.config.rms_eps)

    def place_prompt(self, n_tokens: int) -> Placement:
        """Every row starts at position 0."""
        weight = self.norm.weight
        positions = torch.arange(n_tokens, device=weight.device)
        return Placement(*self._angles(positions, weight.dtype))

    def place_token(self, positions: Tensor, capacity: int) -> Placement:
        """One token per row at its own position (b,)."""
        dtype = self.norm.weight.dtype
        cos, sin = self._angles(positions[:, None, None], dtype)
        columns = torch.arange(capacity, device=positions.device)
        hidden = columns > positions[:, None, None, None]
        mask = torch.zeros(hidden.shape, dtype=dtype, device=positions.device)
        slots = (torch.arange(len(positions), device=positions.device), positions)
        return Placement(cos, sin, slots, mask.masked_fill(hidden, float("-inf")))

    def _angles(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and sine (..., head_width / 2) in `dtype`; angles are computed in fp32."""
        d = self.config.head_width
        steps = torch.arange(0, d, 2, device=positions.device).float() / d
        frequencies = 1.0 / self.config.rope_theta**steps
        angles = positions[..., None].float() * frequencies
        return angles.cos().to(dtype), angles.sin().to(dtype)

    def new_cache(self, batch: int, capacity: int, n_prompt: int) -> Cache:
        """Room for `capacity` tokens; the first `n_prompt` columns are left to be written."""
        config, weight = self.config, self.norm.weight
        shape = (2, config.n_layers, batch, config.n_heads, capacity, config.head_width)
        store = torch.empty(shape, dtype=weight.dtype, device=weight.device)
        store[..., n_prompt:, :] = 0  # a masked column must still be finite
        return Cache(store[0], store[1])


def stack_linears(*linears: nn.Linear) -> nn.Linear:
    """One bias-free linear whose outputs are those of `linears`, one after the other."""
    weight = torch.cat([linear.weight.detach() for linear in linears])
    stacked = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    stacked.weight = nn.Parameter(weight, requires_grad=False)
    return stacked
