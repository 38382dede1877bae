"""How fast OpenVLA acts, beside a plain generate() loop and the hardware's bound.

    python benchmarks/openvla.py --device cuda           # the full model, random weights
    python benchmarks/openvla.py --device cpu            # a mid-size one, so that a slip shows
    python benchmarks/openvla.py --device cuda --write   # keep the figures

Milliseconds are medians of whole actions, from images in host memory to token ids in host memory;
on a CPU process time of one thread, so that a busy machine gives the same figures.
The loop that it is compared with is transformers' `LlamaForCausalLM.generate` behind the same
towers, with nothing fused or captured.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from record import finish
from torch import Tensor

from vla_bench.policies.openvla.build import build_model, weight_bytes
from vla_bench.policies.openvla.checkpoint import Weights, load_weights
from vla_bench.policies.openvla.config import (
    DINOV2,
    SIGLIP,
    DecoderConfig,
    OpenVLAConfig,
    parse_config,
)
from vla_bench.policies.openvla.engine import Engine
from vla_bench.policies.openvla.generate import Decoding
from vla_bench.policies.openvla.image import normalize_images
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.native import published_config

N_PROMPT_TOKENS = 24  # of published instructions: 18 to 36
DECODING = Decoding(7, 31744, 31999, substitute=False)
PEAKS = {"H200": (4.8e12, 790e12)}  # bytes/s (data sheet) and dense bf16 FLOP/s that GEMMs reach


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", required=True, choices=("cpu", "cuda"))
    parser.add_argument("--precisions", nargs="+")
    parser.add_argument("--batches", nargs="+", type=int)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="keep the figures")
    arguments = parser.parse_args()
    on_gpu = arguments.device == "cuda"
    if not on_gpu:
        torch.set_num_threads(1)
    device = torch.device(arguments.device)
    config = full_size() if on_gpu else mid_size()
    precisions = arguments.precisions or (["bf16", "int8", "nf4", "int4"] if on_gpu else ["fp32"])
    batches = arguments.batches or ([1, 2, 4, 8, 16, 32, 64] if on_gpu else [1, 4])
    figures: dict[str, float] = {}
    loop_ids, loop_ms = measure_loop(config, device, precisions[0], arguments.repeats)
    free(device)
    figures["generate() loop, batch 1, ms"] = loop_ms
    for precision in precisions:
        model = build_model(config, random_weights(config, device), device, precision)
        engine = Engine(model, compiled=on_gpu)
        for batch in batches:
            label = f"{precision}, batch {batch}"
            ids, milliseconds = measure(engine, batch, arguments.repeats)
            figures[f"{label}, ms"] = milliseconds
            figures[f"{label}, actions/s"] = 1000 * batch / milliseconds
            bound = bound_ms(config, precision, batch, device)
            if not math.isnan(bound):
                figures[f"{label}, bound ms"] = bound
            if on_gpu:
                figures[f"{label}, peak GB"] = torch.cuda.max_memory_allocated() / 1e9
            if precision == precisions[0] and batch == 1:
                figures["generate() loop / ours"] = loop_ms / milliseconds
                figures["ids equal to the loop's, of 7"] = float((ids[0] == loop_ids).sum())
        del engine, model
        free(device)
    finish(f"openvla_{arguments.device}", figures)


def full_size() -> OpenVLAConfig:
    return parse_config(published_config({"vla": {"base_vlm": "prism-dinosiglip-224px+7b"}}))


def mid_size() -> OpenVLAConfig:
    """70 M parameters: large enough that arithmetic dominates, small enough for a laptop."""
    towers = (
        replace(DINOV2, width=256, depth=6, n_heads=4, mlp_width=1024),
        replace(SIGLIP, width=256, depth=6, n_heads=4, mlp_width=1024),
    )
    decoder = DecoderConfig(512, 1408, 8, 8, 32064, 1e-6, 10000.0, 2048)
    return replace(full_size(), towers=towers, decoder=decoder)


def random_weights(config: OpenVLAConfig, device: torch.device) -> Weights:
    """The same for every call on one device; made there, since 7.5 B normal draws take a while."""
    shapes = {n: tuple(t.shape) for n, t in OpenVLAModel.on_meta(config).state_dict().items()}
    seeds = {name: index for index, name in enumerate(shapes)}

    def read(name: str) -> Tensor:
        generator = torch.Generator(device).manual_seed(seeds[name])
        noise = torch.empty(shapes[name], dtype=torch.bfloat16, device=device)
        noise.normal_(std=0.02, generator=generator)
        return noise + 1.0 if noise.ndim == 1 and "bias" not in name else noise

    return Weights(shapes, read)


def request(batch: int) -> tuple[np.ndarray[Any, Any], list[list[int]]]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, 224, 224, 3), dtype=np.uint8)
    return images, [[1, *rng.integers(3, 31000, N_PROMPT_TOKENS - 1)] for _ in range(batch)]


def measure(engine: Engine, batch: int, repeats: int) -> tuple[np.ndarray[Any, Any], float]:
    """Token ids (b, 7), and milliseconds per call."""
    images, prompts = request(batch)
    device = engine.model.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    ids = engine.generate(images, prompts, DECODING)[0]
    return ids, timed(lambda: engine.generate(images, prompts, DECODING), repeats, device)


def measure_loop(
    config: OpenVLAConfig, device: torch.device, precision: str, repeats: int
) -> tuple[np.ndarray[Any, Any], float]:
    """Token ids (7,) and milliseconds of one action by transformers' generate()."""
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

    return act(), timed(act, repeats, device)


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


def timed(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Median milliseconds; every call ends with its result in host memory."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    durations = []
    for _ in range(repeats):
        started = clock()
        call()
        durations.append(clock() - started)
    return 1000 * statistics.median(durations)


def bound_ms(config: OpenVLAConfig, precision: str, batch: int, device: torch.device) -> float:
    """What the device's peaks allow, NaN where they are not listed.

    Prefill is bound by arithmetic (2 FLOP per weight and token, attention besides), each of six
    more tokens by reading decoder, head and cache.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    peaks = [peak for part, peak in PEAKS.items() if part in name]
    if not peaks:
        return float("nan")
    bytes_per_second, flop_per_second = peaks[0]
    model = OpenVLAModel.on_meta(config)
    model.drop_unused()
    n_tokens = config.n_patches + N_PROMPT_TOKENS
    text, decoder = config.decoder, model.language_model
    n_vision = count(model.vision_backbone) + count(model.projector)
    n_text = count(decoder.model.layers)
    attention = 2 * n_tokens**2 * text.width * text.n_layers
    prefill = 2 * (n_vision * config.n_patches + n_text * n_tokens) + attention
    cache = 2 * 2 * text.width * text.n_layers * n_tokens
    weights = weight_bytes(model, precision) - 2 * (n_vision + count(decoder.model.embed_tokens))
    step = (weights + batch * cache) / bytes_per_second
    return 1000 * (batch * prefill / flop_per_second + (DECODING.n_tokens - 1) * step)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
