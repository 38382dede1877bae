"""Why diffusion: two equally good goals. A mean of both is neither; a sample is one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from toys import LINE

from vla_bench.policies.diffusion.checkpoint import save_checkpoint
from vla_bench.policies.diffusion.interface import Interface
from vla_bench.policies.diffusion.model import DiffusionModel
from vla_bench.policies.diffusion.policy import DiffusionPolicy
from vla_bench.policies.diffusion.process import Sampler
from vla_bench.policies.diffusion.spec import (
    DiffusionSpec,
    Horizons,
    ModelSpec,
    ObservationSpec,
    UnetSpec,
)
from vla_bench.policies.training.ema import Ema
from vla_bench.policies.training.schedule import cosine_with_warmup
from vla_bench.protocols import FloatArray, Observation, Request

torch.set_num_threads(1)
GOALS = np.array([[1.0, 1.0], [1.0, -1.0]])
N_STEPS = 8
SPEC = ModelSpec(
    ObservationSpec({"point": [2]}, None, None, []),
    2,
    Horizons(1, N_STEPS, N_STEPS, 0),
    UnetSpec([64], 3, 8, 64, predicts_scale=True),
    DiffusionSpec(100, "squaredcos_cap_v2", "epsilon", 1, masks_padding=False),
)


class Position:
    """The toy's columns are absolute x and y."""

    action_spec = LINE
    column_names: Sequence[str] = ("x", "y")

    def convert(self, rows: FloatArray, request: Request) -> FloatArray:  # noqa: ARG002
        return rows

    def rows(
        self,
        actions: FloatArray,
        states: FloatArray,  # noqa: ARG002
        state_names: Sequence[str],  # noqa: ARG002
    ) -> FloatArray:
        return actions


def starts(n: int, seed: int) -> FloatArray:
    """(n, 2): x is 0, y a little off the line between the goals."""
    return np.stack((np.zeros(n), np.random.default_rng(seed).uniform(-0.2, 0.2, n)), axis=1)


def demonstrations(n: int) -> dict[str, Tensor]:
    """Straight walks to a goal that no observation tells."""
    begin, goal = starts(n, seed=0), GOALS[np.random.default_rng(1).integers(2, size=n)]
    progress = np.linspace(0, 1, N_STEPS + 1)[None, 1:, None]
    actions = begin[:, None] + progress * (goal - begin)[:, None]
    return {
        "point": torch.from_numpy(begin[:, None]).float(),
        "action": torch.from_numpy(actions).float(),
    }


def successes(ends: FloatArray) -> int:
    distances = np.linalg.norm(ends[:, None] - GOALS[None], axis=-1)
    return int((distances.min(axis=1) < 0.15).sum())


def trained(data: dict[str, Tensor], n_steps: int) -> nn.Module:
    torch.manual_seed(0)
    model = DiffusionModel(SPEC)
    for key, values in data.items():
        model.normalizer.fit(key, values, "limits")
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3, betas=(0.95, 0.999))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: cosine_with_warmup(step, 20, n_steps)
    )
    ema = Ema(model)
    for _ in range(n_steps):
        chosen = torch.randint(len(data["action"]), (64,))
        batch = {key: values[chosen] for key, values in data.items()}
        loss = model.loss({**batch, **model.draws([torch.default_generator] * len(chosen))})
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        ema.update(model)
    return ema.module


def test_diffusion_reaches_one_of_two_goals_from_start_to_table(tmp_path: Path) -> None:
    model = trained(demonstrations(2000), n_steps=400)
    assert isinstance(model, DiffusionModel)
    save_checkpoint(tmp_path, model)
    interface = Interface({}, {"point": ["point"]}, Position())
    sampler = Sampler("ddpm", 100)
    policy = DiffusionPolicy("reach", str(tmp_path), SPEC, interface, sampler, "cpu")
    requests = [
        Request(f"reach-{i}", (Observation({}, "reach a goal", {"point": point}),), seed=i)
        for i, point in enumerate(starts(60, seed=2))
    ]
    ends = np.array([chunk[-1] for chunk in policy.act(requests)])
    assert successes(ends) >= 58
    assert 15 <= (ends[:, 1] > 0).sum() <= 45  # both goals, not one


def test_cloning_by_mean_squared_error_reaches_neither() -> None:
    data = demonstrations(2000)
    torch.manual_seed(0)
    n_numbers = data["action"][0].numel()
    net = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, n_numbers))
    optimizer = torch.optim.AdamW(net.parameters(), 5e-3)
    for _ in range(400):
        error = net(data["point"][:, 0]) - data["action"].flatten(start_dim=1)
        optimizer.zero_grad()
        error.square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        rows = net(torch.from_numpy(starts(60, seed=2)).float())
    assert successes(rows.numpy()[:, -2:].astype(float)) == 0
