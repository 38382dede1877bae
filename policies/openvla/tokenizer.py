"""A tokenizer of our own that works as Llama-2's: for models that are trained from nothing.

Its vocabulary holds bytes, single characters, chosen words and 256 action tokens at its end. What
is no chosen word is spelt out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vla_bench.policies.openvla.action_tokens import N_BINS
from vla_bench.policies.openvla.prompt import SPACE, TEMPLATES

VOCABULARY_ROUND = 64
"""Vocabularies are filled to a multiple of this."""

_SPECIAL = ("<unk>", "<s>", "</s>")


def new_tokenizer(words: Iterable[str]) -> Any:
    """A `tokenizers.Tokenizer`: byte fallback, BOS, `_` for a space; each of `words` one token."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors

    pieces = [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), SPACE]
    pieces += [chr(code) for code in range(33, 127)]
    merges: list[tuple[str, str]] = []
    for word in sorted({*_template_words(), *(SPACE + word for word in words)}):
        for end in range(1, len(word)):
            piece = word[: end + 1]
            if piece not in pieces:
                pieces.append(piece)
                merges.append((word[:end], word[end]))
    pieces += [f"<action_{index}>" for index in range(_padding(len(pieces)))]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    model = models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(list(_SPECIAL))
    return tokenizer


def _template_words() -> set[str]:
    text = TEMPLATES["v0"].replace("\n", " ").replace("{}", "").replace("?", " ")
    return {f"{SPACE}{word.strip(':')}" for word in text.split()}


def _padding(n_pieces: int) -> int:
    """Action tokens are the last 256; more of them fill the vocabulary to a round number."""
    return N_BINS + -(n_pieces + N_BINS) % VOCABULARY_ROUND
