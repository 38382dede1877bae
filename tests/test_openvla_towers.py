"""Vision towers trained from logs: they find what the words ask for, and a decoder begins there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from openvla_training_golden import CPU
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor
from training_toys import STATES, optimization, settings

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.image_ops import Box
from vla_bench.data.trajectory import DataError, Images, Indices, Schema, Vectors
from vla_bench.data.view import WHOLE
from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.demonstrations import Selection
from vla_bench.policies.openvla.methods import Towers
from vla_bench.policies.openvla.planning import plan
from vla_bench.policies.openvla.resize import recorded_box
from vla_bench.policies.openvla.scratch import ModelSpec, TextSpec, VisionSpec, write_new
from vla_bench.policies.openvla.start import Start
from vla_bench.policies.openvla.towers import Pointing, TowerLearner
from vla_bench.policies.training.run import train
from vla_bench.policies.training.settings import Machine

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 32
SPEC = ModelSpec(
    VisionSpec("siglip", SIDE, 8, width=32, depth=3, n_heads=2, mlp_width=64),
    TextSpec(width=32, n_layers=2, n_heads=2, mlp_width=64, words="take red blue"),
)
METHOD = Towers(now=["tcp_pose"], next=["tcp_pose"])
COLORS = {"take red": (255, 0, 0), "take blue": (0, 0, 255)}
QUIET = Console(quiet=True)


@dataclass
class Reach:
    """A white tool, a red spot at the left, a blue one at the right; it closes where it is told."""

    id: str
    instructions: list[str]
    states: Vectors
    actions: Vectors
    spots: dict[str, tuple[int, ...]]

    def images(self, camera: str, frames: Indices) -> Images:
        assert camera == "front"
        return np.stack([self._image(int(frame)) for frame in frames])

    def _image(self, frame: int) -> Images:
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        tool = tuple(np.round(self.states[frame, :2] * SIDE).astype(int))
        for (x, y), color in [*zip(self.spots.values(), COLORS.values()), (tool, (255, 255, 255))]:
            image[max(y - 2, 0) : y + 2, max(x - 2, 0) : x + 2] = color
        return image


class Reaches:
    """Pairs of episodes that begin alike and differ in what they are told."""

    name = "reaches"
    schema = Schema({"front": (SIDE, SIDE)}, STATES, DELTA_TCP_POSE.names, DELTA_TCP_POSE, 5.0)
    lengths = np.full(400, 3)

    def __getitem__(self, index: int) -> Reach:
        rng = np.random.default_rng(index // 2)
        places = rng.integers([(2, 2), (22, 2), (2, 2)], [(10, 30), (30, 30), (30, 30)])
        red, blue, tool = (tuple(int(v) for v in place) for place in places)
        spots = {"take red": red, "take blue": blue}
        told = list(spots)[index % 2]
        way = np.linspace(tool, spots[told], 3) / SIDE
        states = np.zeros((3, len(STATES)), np.float32)
        states[:, :2] = way
        actions = np.zeros((3, DELTA_TCP_POSE.dim), np.float32)
        actions[:2, 6] = 1.0
        return Reach(f"reach-{index}", [told] * 3, states, actions, spots)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_new(folder, SPEC, seed=0)
    return folder


def learner(base: Path, method: Towers = METHOD, box: Box = WHOLE) -> TowerLearner:
    start = Start("base", base, method.load(base, CPU))
    return TowerLearner(start, method, Reaches(), Selection("front", box))


def test_towers_learn_where_the_tool_is_and_what_the_words_ask_for(
    base: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    made = learner(base)
    fast = optimization(learning_rate=2e-3, n_warmup_steps=50, ema=None, max_grad_norm=1.0)
    wanted = settings(tmp_path, n_steps=600, batch_size=32, n_workers=1, optimization=fast)
    train(made, replace(wanted, checkpoint_every=600), QUIET)
    examples = [made.prepare(made.samples[i]) for i in range(0, 1200, 3)]
    with torch.no_grad():
        _, told = made.loss(made.collate(examples, []))
        _, mistaken = made.loss(made.collate([_swapped(examples, i) for i in range(400)], []))
    assert told["now"] < 0.2
    assert told["next"] < 0.6
    assert mistaken["next"] > 2.0


def _swapped(examples: Sequence[Mapping[str, Tensor]], index: int) -> Mapping[str, Tensor]:
    """An example with the words of its twin, which begins alike."""
    return {**examples[index], "ids": examples[index ^ 1]["ids"]}


def test_a_decoder_begins_with_trained_towers_and_the_old_rest(base: Path, tmp_path: Path) -> None:
    left = (0.0, 0.0, 1.0, 0.5)
    folder = train(learner(base, box=left), settings(tmp_path, n_steps=2), QUIET)
    assert recorded_box([folder]) == left
    before, after = (load_file(path / "model.safetensors") for path in (base, folder))
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in moved} == {"vision_backbone"}
    assert "vision_backbone.featurizer.blocks.0.attn.qkv.weight" in moved


def test_what_is_saved_is_the_average_that_is_given(base: Path, tmp_path: Path) -> None:
    made = learner(base)
    average = cast(Pointing, deepcopy(made.module))
    name = "vision_backbone.featurizer.patch_embed.proj.bias"
    average.openvla.get_parameter(name).data += 1.0
    made.save(average, tmp_path)
    before, after = (load_file(path / "model.safetensors")[name] for path in (base, tmp_path))
    torch.testing.assert_close(after, before + 1.0)


def test_what_towers_cannot_do_is_said(base: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"method\.now asks for 'joints', the state's columns are"):
        learner(base, replace(METHOD, now=["joints"]))
    with pytest.raises(ConfigError, match=r"leave out env=.*method=from_scratch"):
        learner(base).policy({"name": "mini"}, tmp_path)
    method = {"_target_": "vla_bench.policies.openvla.methods.Towers", "now": [], "next": []}
    with pytest.raises(ConfigError, match="not method=towers"):
        plan(replace(settings(tmp_path), method=method), Machine(1, 80.0))
