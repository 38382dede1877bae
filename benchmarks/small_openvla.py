"""CPU time of one training step of `policy=openvla_mini`, and what each way to save some saves.

    python benchmarks/small_openvla.py [--write]

Forward and backward of 32 samples in bfloat16 on one thread, random weights and images: with the
last decoder layer computed at every position and eagerly (the baseline), at labels alone as
`forced_pass` does, and with compiled blocks beside (``compile=true``); and the step of either
optimizer. Milliseconds of process time, medians; the ways must agree on the loss. The last line is
JSON with every figure.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
import yaml
from record import REFERENCE, arguments, finish
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW, Muon

from vla_bench.construct import construct
from vla_bench.policies.openvla.image import normalize_images
from vla_bench.policies.openvla.kernels import quick_attention
from vla_bench.policies.openvla.labels import IGNORED, Batch
from vla_bench.policies.openvla.loss import forced_pass
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.scratch import config_of
from vla_bench.policies.openvla.stages import groups_of

BATCH, N_IDS, N_LEARNED = 32, 34, 8
N_RUNS = 7
CPU = torch.device("cpu")


def main() -> None:
    options = arguments(__doc__).parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, batch = _model(), _batch()
    figures = {"load_average": os.getloadavg()[0]}
    losses = {}
    ways: dict[str, Callable[[], Tensor]] = {
        "every_position": lambda: _every_position(model, batch),
        "labels_alone": lambda: forced_pass(model, batch).loss,
    }
    for name, loss in ways.items():
        losses[name] = _step(model, loss)
        figures[f"{name}_ms"] = _measure(partial(_step, model, loss))
    for part in (*model.vision_backbone.featurizer.blocks, *model.language_model.model.layers):
        part.compile()
    losses["compiled"] = _step(model, ways["labels_alone"])
    figures["compiled_ms"] = _measure(partial(_step, model, ways["labels_alone"]))
    for name in ("labels_alone", "compiled"):
        figures[f"{name}_ratio"] = figures["every_position_ms"] / figures[f"{name}_ms"]
        assert abs(losses[name] - losses["every_position"]) < 1e-2, losses
    inner = groups_of(model)[0].parameters
    matrices = [p for name, p in model.named_parameters() if name in inner]
    figures["adamw_ms"] = _measure(AdamW(matrices, 0.0).step)
    figures["muon_ms"] = _measure(Muon(matrices, 0.0).step)
    finish("small_openvla", figures, options.write)


def _model() -> OpenVLAModel:
    text = (REFERENCE.parent.parent / "conf/policy/openvla_mini.yaml").read_text()
    model = OpenVLAModel(config_of(construct(yaml.safe_load(text)["model"]))).train()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.02)
    return model


def _batch() -> Batch:
    """Every row ends in 7 action tokens and the end, which are learned."""
    images = torch.randint(0, 256, (BATCH, 112, 112, 3), dtype=torch.uint8)
    ids = torch.randint(5, 50, (BATCH, N_IDS))
    labels = torch.full_like(ids, IGNORED)
    labels[:, -N_LEARNED:] = ids[:, -N_LEARNED:]
    return Batch(images, ids, labels, ("random",) * BATCH)


def _every_position(model: OpenVLAModel, batch: Batch) -> Tensor:
    """The loss of `forced_pass`, picked out of a whole last layer."""
    pixels = normalize_images(batch.images, model.config)
    with quick_attention(CPU):
        hidden = model.hidden(pixels, batch.ids)
    rows, columns = (batch.labels != IGNORED).nonzero(as_tuple=True)
    wanted = hidden[rows, columns + (model.config.n_patches - 1)]
    logits = model.language_model.lm_head(wanted).float()
    return functional.cross_entropy(logits, batch.labels[rows, columns])


def _step(model: OpenVLAModel, loss: Callable[[], Tensor]) -> float:
    """Leave gradients of one forward and backward pass; the loss."""
    model.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss()
    torch.autograd.backward(value)
    return value.item()


def _measure(run: Callable[[], object]) -> float:
    """Milliseconds of process time, the median."""
    run()
    taken = []
    for _ in range(N_RUNS):
        before = time.process_time()
        run()
        taken.append(time.process_time() - before)
    return 1e3 * statistics.median(taken)


if __name__ == "__main__":
    main()
