"""Action values <-> token ids: 256 uniform bins over [-1, 1], held by the vocabulary's last ids.

The most negative value has the highest id. Equal to the published ActionTokenizer on every value
(openvla/openvla@c8f03f4, prismatic/vla/action_tokenizer.py), including that both ids of the top end
decode to the same centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_BINS = 256
EDGES = np.linspace(-1.0, 1.0, N_BINS)
CENTRES = (EDGES[:-1] + EDGES[1:]) / 2.0


@dataclass(frozen=True)
class ActionTokens:
    """`n_text_tokens` is the size of the tokenizer's own vocabulary, 32000 for Llama-2."""

    n_text_tokens: int

    @property
    def first_id(self) -> int:
        """31744: only the value 1 itself and above."""
        return self.n_text_tokens - N_BINS

    @property
    def last_id(self) -> int:
        """31999: the lowest bin."""
        return self.n_text_tokens - 1

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Ids of normalized values, which are clipped to [-1, 1]."""
        bins = np.digitize(np.clip(np.asarray(values), -1.0, 1.0), EDGES)
        return np.asarray(self.n_text_tokens - bins, dtype=np.int64)

    def decode(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Bin centres, at most 1/255 from the encoded values.

        Ids that stand for no action decode to an end of the range, as the published code does;
        `is_action` tells them.
        """
        bins = np.clip(self.n_text_tokens - 1 - np.asarray(ids), 0, N_BINS - 2)
        return np.asarray(CENTRES[bins])

    def is_action(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Whether each id stands for an action value."""
        array = np.asarray(ids)
        return (array >= self.first_id) & (array <= self.last_id)
