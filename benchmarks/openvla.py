"""How fast OpenVLA acts, beside a plain generate() loop and the hardware's bound.

    python benchmarks/openvla.py --device cuda           # the full model, random weights
    python benchmarks/openvla.py --device cpu            # a mid-size one, so that a slip shows
    python benchmarks/openvla.py --device cuda --write   # keep the figures

Milliseconds are medians of whole actions, from images in host memory to token ids in host memory;
on a CPU process time of one thread, so that a busy machine gives the same figures; the ratio to the
loop is there of both in turns.
The loop that it is compared with is transformers' `LlamaForCausalLM.generate` behind the same
towers, with nothing fused or captured.
"ids equal to eager's" is the share of greedy token ids, from 0 to 1, that are those of our own
model with nothing compiled or captured, in the same precision and batch: 1, but where the order of
a sum decides between two tokens. On a CPU nothing is compiled unless `--compile` asks for it. On a
GPU batches up to 8 (`engine.GRAPH_MAX_BATCH`) run as one CUDA graph each; in larger ones kernels
are compiled, too, but there are no graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from openvla_bench import begin, free, parser, peaks, random_weights, timed, timed_in_turns
from openvla_bound import N_ACTION_TOKENS, N_PROMPT_TOKENS, bound_ms
from record import finish

from vla_bench.policies.openvla.build import build_model
from vla_bench.policies.openvla.checkpoint import load_weights
from vla_bench.policies.openvla.config import OpenVLAConfig
from vla_bench.policies.openvla.engine import Engine
from vla_bench.policies.openvla.generate import Decoding
from vla_bench.policies.openvla.image import normalize_images
from vla_bench.policies.openvla.model import OpenVLAModel

DECODING = Decoding(N_ACTION_TOKENS, 31744, 31999, substitute=False)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--precisions", nargs="+")
    options.add_argument("--batches", nargs="+", type=int)
    options.add_argument("--compile", action="store_true", help="kernels on a CPU, too")
    arguments = options.parse_args()
    device, config = begin(arguments.device)
    on_gpu, repeats = device.type == "cuda", arguments.repeats or 10
    precisions = arguments.precisions or (["bf16", "int8", "nf4", "int4"] if on_gpu else ["fp32"])
    batches = arguments.batches or ([1, 2, 4, 8, 16, 32, 64] if on_gpu else [1, 4])
    figures: dict[str, float] = {}
    loop = transformers_loop(config, device, precisions[0])
    loop_ids, loop_ms = loop(), 1000 * timed(loop, repeats, device)
    if on_gpu:  # a second model beside each of ours would be in its peak
        del loop
        free(device)
    figures["generate() loop, batch 1, ms"] = loop_ms
    for precision in precisions:
        model = build_model(config, random_weights(config, device), device, precision)
        eager = Engine(model, compiled=False)
        eager_ids = [eager.generate(*request(batch), DECODING)[0] for batch in batches]
        engine = Engine(model, compiled=on_gpu or arguments.compile)
        for batch, expected in zip(batches, eager_ids):
            ids, found = measure(engine, precision, batch, repeats)
            found["ids equal to eager's"] = float((ids == expected).mean())
            figures |= {
                f"{precision}, batch {batch}, {what}": value for what, value in found.items()
            }
            if precision == precisions[0] and batch == 1:
                both = [loop_ms, found["ms"]]
                if not on_gpu:
                    ours = partial(engine.generate, *request(1), DECODING)
                    both = timed_in_turns([loop, ours], repeats, device)
                figures["generate() loop / ours"] = both[0] / both[1]
                figures["ids equal to the loop's, of 7"] = float((ids[0] == loop_ids).sum())
        del eager, engine, model
        free(device)
    finish(f"openvla_{arguments.device}", figures, arguments.write)


def request(batch: int) -> tuple[np.ndarray[Any, Any], list[list[int]]]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, 224, 224, 3), dtype=np.uint8)
    return images, [[1, *rng.integers(3, 31000, N_PROMPT_TOKENS - 1)] for _ in range(batch)]


def measure(
    engine: Engine, precision: str, batch: int, repeats: int
) -> tuple[np.ndarray[Any, Any], dict[str, float]]:
    """Token ids (b, 7), and what one call takes."""
    act = partial(engine.generate, *request(batch), DECODING)
    device = engine.model.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    ids = act()[0]
    milliseconds = 1000 * timed(act, repeats, device)
    figures = {"ms": milliseconds, "actions/s": 1000 * batch / milliseconds}
    known = peaks(device, precision)
    if known is not None:
        figures["bound ms"] = bound_ms(engine.model.config, precision, batch, known)
    if device.type == "cuda":
        figures["peak GB"] = torch.cuda.max_memory_allocated() / 1e9
    return ids, figures


def transformers_loop(
    config: OpenVLAConfig, device: torch.device, precision: str
) -> Callable[[], np.ndarray[Any, Any]]:
    """One action by transformers' generate(): token ids (7,)."""
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    model = OpenVLAModel.on_meta(config)
    load_weights(model, random_weights(config, device), lambda _, tensor: tensor.to(dtype))
    llama: Any = transformers_decoder(model, device)
    images, prompts = request(1)

    @torch.inference_mode()
    def act() -> np.ndarray[Any, Any]:
        pixels = normalize_images(torch.from_numpy(images).to(device), config).to(dtype)
        embedded = model.embed(pixels, torch.tensor(prompts, device=device))
        picks = llama.generate(
            inputs_embeds=embedded,
            attention_mask=torch.ones(embedded.shape[:2], device=device, dtype=torch.long),
            max_new_tokens=DECODING.n_tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=config.pad_token_id,
        )
        ids: np.ndarray[Any, Any] = picks[0].cpu().numpy()
        return ids

    return act


def transformers_decoder(model: OpenVLAModel, device: torch.device) -> Any:
    """A LlamaForCausalLM that shares `model`'s weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    text = model.config.decoder
    config = LlamaConfig(
        vocab_size=text.n_tokens,
        hidden_size=text.width,
        intermediate_size=text.mlp_width,
        num_hidden_layers=text.n_layers,
        num_attention_heads=text.n_heads,
        rms_norm_eps=text.rms_eps,
    )
    with torch.device("meta"):
        llama = LlamaForCausalLM(config)
    llama.load_state_dict(model.language_model.state_dict(), assign=True)
    llama.model.rotary_emb = type(llama.model.rotary_emb)(config).to(device)
    return llama


if __name__ == "__main__":
    main()
