"""A tiny OpenVLA in the published layout, written from scratch: for tests, documents, training.

Same code, 2 M parameters, random weights, and a tokenizer of our own whose vocabulary holds bytes,
the words of the prompt templates and 256 action tokens. It shows that things run and fit together;
its actions mean nothing until it is trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.prompt import SPACE, TEMPLATES

_SPECIAL = ("<unk>", "<s>", "</s>")
_N_ACTION_TOKENS = 256
_VOCABULARY_ROUND = 64
_WORDS = "pick up put place move near into on the a red green yellow cup plate spoon carrot towel"
_TOWERS = {
    "featurizer": {
        "embed_dim": 96,
        "depth": 4,
        "num_heads": 4,
        "mlp_hidden": 384,
        "prefix_tokens": 5,
        "layer_scale": True,
    },
    "fused_featurizer": {
        "embed_dim": 96,
        "depth": 4,
        "num_heads": 4,
        "mlp_hidden": 384,
        "prefix_tokens": 0,
        "layer_scale": False,
    },
}
_TEXT = {
    "hidden_size": 128,
    "intermediate_size": 344,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "model_type": "llama",
}


def write_tiny_checkpoint(
    folder: Path, seed: int, statistics: Mapping[str, Mapping[str, Any]]
) -> None:
    """Fill `folder` with a fused tiny model, v0 prompt.

    `statistics` is what dataset_statistics.json holds: data set -> {"action": {"q01", "q99", …}}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer()
    n_text_tokens = tokenizer.get_vocab_size()
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "config.json", _config(n_text_tokens))
    _write_json(folder / "tiny_vision.json", _TOWERS)
    _write_json(folder / "dataset_statistics.json", dict(statistics))
    _write_json(folder / "preparation.json", {"resize": "none", "center_crop": False})
    save_file(_random_weights(folder, seed), folder / "model.safetensors")


def tiny_tokenizer() -> Any:
    """A `tokenizers.Tokenizer` that works as Llama-2's: byte fallback, BOS, `_` for a space."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors

    pieces = [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), SPACE]
    pieces += [chr(code) for code in range(33, 127)]
    merges: list[tuple[str, str]] = []
    for word in sorted(_template_words()):
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
    text = f"{TEMPLATES['v0']} {_WORDS}".replace("\n", " ").replace("{}", "").replace("?", " ")
    return {f"{SPACE}{word.strip(':')}" for word in text.split()}


def _padding(n_pieces: int) -> int:
    """Action tokens are the last 256; more of them fill the vocabulary to a round number."""
    return _N_ACTION_TOKENS + -(n_pieces + _N_ACTION_TOKENS) % _VOCABULARY_ROUND


def _config(n_text_tokens: int) -> dict[str, Any]:
    return {
        "model_type": "openvla",
        "timm_model_ids": [
            "vit_large_patch14_reg4_dinov2.lvd142m",
            "vit_so400m_patch14_siglip_224",
        ],
        "image_resize_strategy": "resize-naive",
        "llm_backbone_id": "llama2-7b-pure",
        "pad_token_id": n_text_tokens,
        "pad_to_multiple_of": _VOCABULARY_ROUND,
        "text_config": {**_TEXT, "vocab_size": n_text_tokens + _VOCABULARY_ROUND},
    }


def _random_weights(folder: Path, seed: int) -> dict[str, Tensor]:
    """In bf16. The head favours action tokens, as a trained one does."""
    config = read_config(folder)
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in OpenVLAModel.on_meta(config).state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        weights[name] = _scaled(name, noise).to(torch.bfloat16)
    actions = slice(config.n_text_tokens - _N_ACTION_TOKENS, config.n_text_tokens)
    weights["language_model.lm_head.weight"][actions] *= 4.0
    return weights


def _scaled(name: str, noise: Tensor) -> Tensor:
    """Scales found by trial: picked tokens differ between images, instructions and positions."""
    if name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "scale_factor")):
        return 1.0 + 0.1 * noise
    if noise.ndim == 1 or "embed_tokens" in name or name.endswith(("pos_embed", "_token")):
        return 0.3 * noise
    gain = 2.5 if "self_attn" in name or "projector" in name else 1.5
    weights: Tensor = gain * noise / noise[0].numel() ** 0.5
    return weights


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
