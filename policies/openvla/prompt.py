"""Instructions -> token ids, identical to those of the published processors.

The tokenizer is read from tokenizer.json by the `tokenizers` package: no remote code, and no
dependence on how a release of transformers interprets a tokenizer's class.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vla_bench.errors import PolicyError, unknown_name
from vla_bench.policies.openvla.config import CheckpointError, read_json

SPACE = "\u2581"
"""SentencePiece's space, id 29871 of Llama-2. In training it stood between the prompt and the
action, so the prompt of a rollout must end with it; leaving it out changes the action."""

# openvla/openvla@c8f03f4, prismatic/models/backbones/llm/prompting (both prompt builders).
_QUESTION = "What action should the robot take to {}?"
_V0 = "In: " + _QUESTION + "\nOut:"
_V01 = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions. USER: "
    + _QUESTION
    + " ASSISTANT:"
)
TEMPLATES = {"v0": _V0, "v01": _V01}
STYLES = ("template", "bare")


def prompt_text(instruction: str, family: str, style: str) -> str:
    """What the tokenizer is given.

    `style` is ``template`` (as in training, in lower case) or ``bare``: the instruction alone, as
    DelinQu/SimplerEnv-OpenVLA@ccfe380 feeds it; the SIMPLER numbers made there used it. Raises
    PolicyError for an empty instruction.
    """
    if style not in STYLES:
        raise unknown_name("prompt style", style, STYLES)
    if not isinstance(instruction, str) or not instruction.strip():
        raise PolicyError(f"Expected an instruction, got {instruction!r}.")
    if style == "bare":
        return instruction
    return TEMPLATES[family].format(instruction.lower())


@dataclass(frozen=True)
class Prompter:
    """Turns instructions into ids.

    Attributes:
        tokenizer: A `tokenizers.Tokenizer`.
        family: ``v0`` or ``v01``.
        style: ``template`` or ``bare``.
    """

    tokenizer: Any
    family: str
    style: str

    @classmethod
    def read(cls, folder: Path, family: str, style: str) -> Prompter:
        """With the tokenizer.json in `folder`. Raises CheckpointError when it is absent."""
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        if not path.exists():
            raise CheckpointError(
                f"{path} is absent: copy the tokenizer.json of the base checkpoint there."
            )
        tokenizer = Tokenizer.from_str(json.dumps(read_json(path)))
        return cls(tokenizer, family, style)

    def ids(self, instruction: str) -> list[int]:
        """BOS, the prompt, and the space before the action."""
        text = prompt_text(instruction, self.family, self.style)
        ids: list[int] = self.tokenizer.encode(text).ids
        space = self.tokenizer.token_to_id(SPACE)
        return ids if ids[-1] == space else [*ids, space]

    def batch(self, instructions: Sequence[str]) -> list[list[int]]:
        return [self.ids(instruction) for instruction in instructions]
