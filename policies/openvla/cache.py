"""Keys and values of tokens already seen, and where the tokens of a pass stand among them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Cache:
    """Keys and values of every layer, each (n_layers, b, n_heads, capacity, head_width)."""

    keys: Tensor
    values: Tensor

    @property
    def capacity(self) -> int:
        return self.keys.shape[3]

    def layer(self, index: int) -> tuple[Tensor, Tensor]:
        return self.keys[index], self.values[index]


@dataclass(frozen=True)
class Placement:
    """Where the tokens of one pass stand; made by `Decoder.place_prompt` or `place_token`.

    Attributes:
        cos, sin: Rotary angles, broadcasting against (b, n_heads, n_tokens, head_width / 2).
        slots: Row and column (b,) of the cache where a row's single token goes; None for a pass
            over whole prompts.
        mask: (b, 1, 1, capacity), 0 where a column is visible, else -inf; None without `slots`.
    """

    cos: Tensor
    sin: Tensor
    slots: tuple[Tensor, Tensor] | None = None
    mask: Tensor | None = None
