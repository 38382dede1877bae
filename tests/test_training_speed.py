"""What makes a training learn or run faster: Muon beside AdamW, compiled blocks."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import nn
from training_toys import STATES, Line, line, optimization, settings

from vla_bench.data.order import Order
from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.lora import LoraSize, add_lora
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.scratch import ModelSpec, TextSpec, VisionSpec, config_of
from vla_bench.policies.openvla.stages import groups_of
from vla_bench.policies.training import checkpoint
from vla_bench.policies.training.learner import Group
from vla_bench.policies.training.loop import begin, steps
from vla_bench.policies.training.optimizers import optimizers
from vla_bench.policies.training.processes import Processes
from vla_bench.policies.training.run import train

torch.set_num_threads(1)
MUON = optimization(optimizer="muon", max_grad_norm=None)


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint.checkpoints(folder)[-1] / "state.safetensors")


def test_inner_matrices_are_trained_by_muon_and_the_rest_by_adamw(tmp_path: Path) -> None:
    chosen = settings(tmp_path, n_steps=4, optimization=MUON)
    learner, expected = line(is_inner=True), line(is_inner=True)
    state = begin(learner, chosen, Processes("cpu"))
    for _ in steps(learner, state, chosen):
        pass
    weight, bias = (expected.module.get_parameter(name) for name in ("weight", "bias"))
    muon = torch.optim.Muon([weight], 1e-2, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW([bias], 1e-2, betas=(0.9, 0.999), weight_decay=0.0)
    both: tuple[torch.optim.Optimizer, ...] = (muon, adamw)
    order = Order(len(expected.samples), 4, seed=3)
    for step, factor in enumerate([0.0, 0.5, 1.0, 0.5]):
        examples = [expected.prepare(expected.samples[int(i)]) for i in order.batch(step)]
        expected.module.zero_grad()
        torch.autograd.backward(expected.loss(expected.collate(examples, []))[0])
        for optimizer in both:
            optimizer.param_groups[0]["lr"] = 1e-2 * factor
            optimizer.step()
    for name, value in expected.module.state_dict().items():
        torch.testing.assert_close(learner.module.state_dict()[name], value, rtol=0, atol=1e-7)


def test_both_optimizers_go_on_where_they_stopped(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("whole", "stopped")]
    whole, chosen = (settings(folder, n_steps=5, optimization=MUON) for folder in folders)
    train(line(is_inner=True), whole, Console(quiet=True))
    stopped = line(is_inner=True)
    state = begin(stopped, chosen, Processes("cpu"))
    for _ in islice(steps(stopped, state, chosen), 3):
        pass
    checkpoint.save(folders[1], stopped, state)
    train(line(is_inner=True), chosen, Console(quiet=True))
    one, other = map(state_of, folders)
    moments = {name for name in one if name.startswith("optimizer.")}
    assert {"optimizer.weight.momentum_buffer", "optimizer.bias.exp_avg_sq"} <= moments
    assert {n: v.tolist() for n, v in one.items()} == {n: v.tolist() for n, v in other.items()}


def test_an_openvla_has_embeddings_and_logits_trained_by_adamw() -> None:
    spec = ModelSpec(
        VisionSpec("siglip", 28, 14, width=16, depth=2, n_heads=2, mlp_width=32),
        TextSpec(width=16, n_layers=1, n_heads=2, mlp_width=32, words="take"),
    )
    inner, ends, _ = groups_of(OpenVLAModel.on_meta(config_of(spec)))
    assert [group.is_inner for group in (inner, ends)] == [True, False]
    tower = "vision_backbone.featurizer"
    assert {f"{tower}.blocks.0.attn.qkv.weight", "projector.fc1.weight"} <= inner.parameters
    decoder = "language_model"
    assert {f"{decoder}.lm_head.weight", f"{decoder}.model.embed_tokens.weight"} <= ends.parameters
    assert {f"{tower}.pos_embed", f"{tower}.patch_embed.proj.weight"} <= ends.parameters


def test_updates_of_the_output_are_not_inner_either() -> None:
    spec = ModelSpec(
        VisionSpec("siglip", 28, 14, width=16, depth=2, n_heads=2, mlp_width=32),
        TextSpec(width=16, n_layers=1, n_heads=2, mlp_width=32, words="take"),
    )
    model = OpenVLAModel(config_of(spec)).requires_grad_(False)
    add_lora(model, LoraSize.published(4), seed=0, dtype=torch.float32)
    inner = groups_of(model)[0].parameters
    assert "language_model.model.layers.0.mlp.up_proj.a.weight" in inner
    assert not [name for name in inner if "lm_head" in name]


def test_muon_is_refused_where_it_cannot_work() -> None:
    with pytest.raises(ConfigError, match="Line say of none that it is one: type opt"):
        optimizers(line(), MUON, is_split=False)
    with pytest.raises(ConfigError, match="no process has whole: type sharded=false"):
        optimizers(line(is_inner=True), MUON, is_split=True)
    with pytest.raises(ConfigError, match="Did you mean 'muon'"):
        optimization(optimizer="mouon")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.nn.functional.gelu(self.map(x))


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(len(STATES), 8)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.last = nn.Linear(8, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        y: torch.Tensor = self.last(x)
        return y


def deep() -> Line:
    learner = line()
    learner.module = Deep()
    learner.groups = [Group("all", frozenset(learner.module.state_dict()), decays=False)]
    return learner


@pytest.mark.filterwarnings("ignore")  # torch.compile's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")
def test_compiled_blocks_learn_the_same(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("eager", "compiled")]
    for folder in folders:
        chosen = settings(folder, n_steps=4, compile=folder.name == "compiled")
        train(deep(), chosen, Console(quiet=True))
    eager, compiled = (
        load_file(checkpoint.checkpoints(f)[-1] / "state.safetensors") for f in folders
    )
    assert eager.keys() == compiled.keys()
    for name, value in eager.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-6)


def test_a_network_without_blocks_is_not_compiled(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Linear has none: type compile=false"):
        train(line(), settings(tmp_path, compile=True), Console(quiet=True))
