"""The transformer denoiser: action tokens attend to the diffusion step and the observations.

Parameter names, masks and results are those of real-stanford/diffusion_policy's published
checkpoints (model/diffusion/transformer_for_diffusion.py), in its time-and-observation-conditioned
form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vla_bench.policies.diffusion.spec import TransformerSpec
from vla_bench.policies.diffusion.unet import StepEmbedding

_INIT_STD = 0.02


class TransformerDenoiser(nn.Module):
    """Noisy action sequence, diffusion step and observation tokens -> predicted noise."""

    def __init__(
        self, spec: TransformerSpec, action_dim: int, condition_dim: int, lengths: tuple[int, int]
    ) -> None:
        """`lengths`: action rows T, observation steps To."""
        super().__init__()
        n_actions, n_obs = lengths
        width = spec.width
        self.input_emb = nn.Linear(action_dim, width)
        self.pos_emb = nn.Parameter(torch.empty(1, n_actions, width))
        self.drop = nn.Dropout(spec.embedding_dropout)
        self.time_emb = StepEmbedding(width)
        self.cond_obs_emb = nn.Linear(condition_dim, width)
        self.cond_pos_emb = nn.Parameter(torch.empty(1, 1 + n_obs, width))
        self.encoder = _condition_encoder(spec)
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(
                width,
                spec.n_heads,
                4 * width,
                spec.attention_dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            ),
            spec.n_layers,
        )
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, action_dim)
        self._dummy_variable = nn.Parameter(torch.empty(0))  # in every published state dict
        # Persistent, as published: a state dict brings its own masks.
        self.register_buffer("mask", _additive(_causal(n_actions, n_actions, offset=0)))
        self.register_buffer("memory_mask", _additive(_causal(n_actions, 1 + n_obs, offset=1)))
        self.apply(_initialize)
        for positions in (self.pos_emb, self.cond_pos_emb):
            nn.init.normal_(positions, std=_INIT_STD)

    def forward(self, actions: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """Actions (B, T, A), steps (B,) or scalar, condition (B, To, C) -> (B, T, A)."""
        step = self.time_emb(steps.expand(len(actions)))[:, None, :]
        tokens = torch.cat((step, self.cond_obs_emb(condition)), dim=1)
        memory = self.encoder(self.drop(tokens + self.cond_pos_emb[:, : tokens.shape[1]]))
        queries = self.input_emb(actions)
        queries = self.drop(queries + self.pos_emb[:, : queries.shape[1]])
        x = self.decoder(queries, memory, tgt_mask=self.mask, memory_mask=self.memory_mask)
        out: Tensor = self.head(self.ln_f(x))
        return out


def _condition_encoder(spec: TransformerSpec) -> nn.Module:
    width = spec.width
    if spec.n_condition_layers == 0:
        return nn.Sequential(nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width))
    layer = nn.TransformerEncoderLayer(
        width,
        spec.n_heads,
        4 * width,
        spec.attention_dropout,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
    return nn.TransformerEncoder(layer, spec.n_condition_layers, enable_nested_tensor=False)


def _causal(n_rows: int, n_columns: int, offset: int) -> Tensor:
    """Whether row t may look at column s: t >= s - offset."""
    return torch.arange(n_rows)[:, None] >= torch.arange(n_columns)[None, :] - offset


def _additive(visible: Tensor) -> Tensor:
    return torch.zeros(visible.shape).masked_fill(~visible, float("-inf"))


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=_INIT_STD)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.MultiheadAttention):
        nn.init.normal_(module.in_proj_weight, std=_INIT_STD)
        nn.init.zeros_(module.in_proj_bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
