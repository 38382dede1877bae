"""How fast OpenVLA trains with LoRA, how much memory it takes, and what the planner had said.

    python benchmarks/openvla_training.py --device cuda           # the full model, random weights
    python benchmarks/openvla_training.py --device cpu            # a small one: shows that it runs
    python benchmarks/openvla_training.py --device cuda --write   # keep the figures

A step is what the training loop does: collated batch to the device, forward pass in bf16, backward
pass, AdamW. FLOP are those of the step's products, counted by torch; 8.3 TFLOP per sample is the
least for LoRA of openvla-7b: forward, and the gradient of every activation.
"""

from __future__ import annotations

import numpy as np
import torch
from openvla_bench import begin, free, parser, peaks, random_weights, timed
from record import finish
from torch.utils.flop_counter import FlopCounterMode

from vla_bench.policies.openvla.config import OpenVLAConfig
from vla_bench.policies.openvla.labels import IGNORED, Batch
from vla_bench.policies.openvla.loss import forced_pass
from vla_bench.policies.openvla.memory import N_LEARNED, N_TEXT_TOKENS, needs
from vla_bench.policies.openvla.methods import Lora, Method
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.stages import parameter_groups, trainable

LORA = Lora(rank=32, alpha=None, dropout=0.0, weights="bf16")
METHODS = {
    "lora": Method(None, LORA, "bf16", image_aug=False, drop_noops=False, recompute=False),
    "lora, recompute": Method(None, LORA, "bf16", False, False, recompute=True),
    "qlora": Method(None, LORA, "nf4", False, False, recompute=False),
    "qlora, recompute": Method(None, LORA, "nf4", False, False, recompute=True),
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--methods", nargs="+", choices=METHODS, default=["lora", "qlora"])
    options.add_argument("--batch", type=int)
    arguments = options.parse_args()
    device, config = begin(arguments.device)
    on_gpu = device.type == "cuda"
    batch_size = arguments.batch or (16 if on_gpu else 1)
    repeats = arguments.repeats or (10 if on_gpu else 2)
    figures: dict[str, float] = {}
    for name in arguments.methods:
        figures |= measure(name, config, device, batch_size, repeats)
        free(device)
    finish(f"openvla_training_{arguments.device}", figures, arguments.write)


def measure(
    name: str, config: OpenVLAConfig, device: torch.device, batch_size: int, repeats: int
) -> dict[str, float]:
    """Figures of one method; seconds are medians of whole steps, on a CPU of process time."""
    method, label = METHODS[name], f"{name}, batch {batch_size}"
    planned = needs(config, method, "bf16", averages=False)
    weights = random_weights(config, device)
    model = trainable(config, weights, device, torch.bfloat16, method.weights == "nf4")
    method.prepare(model, seed=0)
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.01), lr=5e-4)
    batch = random_batch(config, batch_size)
    with FlopCounterMode(display=False) as counter:
        step(model, optimizer, batch.to(device))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = timed(lambda: step(model, optimizer, batch.to(device)), repeats, device)
    flop = counter.get_total_flops()
    figures = {
        f"{label}, samples/s": batch_size / seconds,
        f"{label}, TFLOP per sample": flop / batch_size / 1e12,
        f"{label}, TFLOP/s": flop / seconds / 1e12,
        f"{label}, planned GB": planned.total(batch_size) / 1e9,
    }
    if device.type == "cuda":
        figures[f"{label}, peak GB"] = torch.cuda.max_memory_allocated() / 1e9
    known = peaks(device)
    if known is not None:
        peak = known[1]
        figures[f"{label}, % of {peak / 1e12:.0f} TFLOP/s"] = 100 * flop / seconds / peak
    return figures


def step(model: OpenVLAModel, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    """One, as the loop takes it; the loss in host memory ends it."""
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(batch.images.device.type, torch.bfloat16):
        loss = forced_pass(model, batch).loss
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.item()


def random_batch(config: OpenVLAConfig, n: int) -> Batch:
    """Sequences of the length that the planner assumes."""
    rng = np.random.default_rng(0)
    side = config.image_size
    images = torch.from_numpy(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8))
    ids = torch.from_numpy(rng.integers(3, config.n_text_tokens, (n, N_TEXT_TOKENS)))
    labels = torch.full_like(ids, IGNORED)
    labels[:, -N_LEARNED:] = ids[:, -N_LEARNED:]
    return Batch(images, ids, labels, ("random",) * n)


if __name__ == "__main__":
    main()
