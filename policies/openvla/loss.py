"""What training minimizes and watches, computed from one teacher-forced pass.

Equal to openvla/openvla@c8f03f4, vla-scripts/train.py, but what follows the last attention is
computed only where a label is: 8 of some 290 positions, 0.3 TFLOP and gigabytes of a batch's memory
less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from vla_bench.policies.openvla.action_tokens import ActionTokens
from vla_bench.policies.openvla.image import normalize_images
from vla_bench.policies.openvla.kernels import quick_attention
from vla_bench.policies.openvla.labels import IGNORED, Batch
from vla_bench.policies.openvla.model import OpenVLAModel


@dataclass(frozen=True)
class Forced:
    """The likeliest token at each of n labels, given the true tokens before it.

    Attributes:
        loss: Scalar, with its graph: mean cross-entropy over the n labels.
        predicted, labels: (n,) ids, row after row of the batch.
        rows: (n,) which row each belongs to.
    """

    loss: Tensor
    predicted: Tensor
    labels: Tensor
    rows: Tensor


def forced_pass(model: OpenVLAModel, batch: Batch) -> Forced:
    """One forward pass; `batch` is on the model's device."""
    pixels = normalize_images(batch.images, model.config).to(model.dtype)
    rows, columns = (batch.labels != IGNORED).nonzero(as_tuple=True)
    before = columns + (model.config.n_patches - 1)  # the image stands behind the first token
    with quick_attention(model.device):
        hidden = model.hidden(pixels, batch.ids, (rows, before))
    logits = model.language_model.lm_head(hidden).float()
    labels = batch.labels[rows, columns]
    loss = functional.cross_entropy(logits, labels)
    return Forced(loss, logits.detach().argmax(dim=-1), labels, rows)


def metrics(forced: Forced, tokens: ActionTokens, data_sets: Sequence[str]) -> dict[str, float]:
    """`action_accuracy` and `l1_loss`, of all rows and (``name/data set``) of each data set.

    Accuracy counts equal tokens; l1 is the mean absolute difference of the decoded actions, both in
    [-1, 1]. The end of the sequence counts for neither. `data_sets` names every row's.
    """
    labels, predicted = forced.labels.cpu().numpy(), forced.predicted.cpu().numpy()
    is_action = tokens.is_action(labels)
    labels, predicted = labels[is_action], predicted[is_action]
    owners = [data_sets[row] for row in forced.rows.cpu().numpy()[is_action]]
    right = labels == predicted
    errors = abs(tokens.decode(labels) - tokens.decode(predicted))
    values = {"action_accuracy": float(right.mean()), "l1_loss": float(errors.mean())}
    for name in sorted(set(owners)):
        of_it = [owner == name for owner in owners]
        values[f"action_accuracy/{name}"] = float(right[of_it].mean())
        values[f"l1_loss/{name}"] = float(errors[of_it].mean())
    return values
