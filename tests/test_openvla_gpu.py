"""What only a GPU can show: CUDA graphs and compiled kernels pick the tokens of the eager path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from openvla_toys import copy_golden, golden_cases, golden_image, random_images, write_toy

from vla_bench.policies.openvla import OpenVLA, engine
from vla_bench.policies.openvla.pretrained import Options
from vla_bench.policies.openvla.vit import PatchEmbed

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch.compile's own
    pytest.mark.timeout(900),
]

PRECISIONS = ("fp32", "bf16", "int8", "nf4", "int4")
# Of the toy checkpoint: in every precision each best token leads by 2 % or more (measured on a
# CPU), several roundings of bf16, so that the order of a sum does not decide.
CLEAR = (
    (6, "go"),
    (26, "pick up the red cup"),
    (45, "put it there"),
    (6, "put the spoon on the towel now"),
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


def load(folder: Path, precision: str, compiled: bool) -> OpenVLA:
    options = Options(compile=compiled)
    return OpenVLA.from_pretrained(folder, device="cuda", dtype=precision, options=options)


def clear_requests() -> tuple[list[NDArray[np.uint8]], list[str]]:
    images = random_images(1 + max(index for index, _ in CLEAR))
    return [images[index] for index, _ in CLEAR], [text for _, text in CLEAR]


def ids(model: OpenVLA, images: Sequence[NDArray[np.uint8]], texts: Sequence[str]) -> object:
    return model.predict(images, texts).token_ids


@pytest.mark.parametrize("compiled", [False, True])
def test_fp32_picks_the_published_tokens(compiled: bool, shared: Path, tmp_path: Path) -> None:
    model = load(copy_golden(shared, "tiny_openvla", tmp_path / "copy"), "fp32", compiled)
    cases = golden_cases(shared, "tiny_openvla")
    for batch in (cases[:1], cases[1:2], cases[:4], cases[-4:]):
        images = [golden_image(shared, case["image"]) for case in batch]
        texts = [case["instruction"] for case in batch]
        prediction = model.predict(images, texts, "bridge_orig")
        assert prediction.token_ids == [case["action_token_ids"] for case in batch]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_graphs_of_compiled_kernels_pick_the_eager_tokens(precision: str, toy: Path) -> None:
    eager, compiled = (load(toy, precision, flag) for flag in (False, True))
    images, texts = clear_requests()
    assert ids(compiled, images, texts) == ids(eager, images, texts)
    for image, text in zip(images, texts):  # the second and later ones of a shape are replays
        assert ids(compiled, [image], [text]) == ids(eager, [image], [text])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_graph_picks_what_its_kernels_pick_without_it(
    precision: str, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, texts = load(toy, precision, compiled=True), clear_requests()[1]
    draws = [random_images(12)[first : first + 4] for first in (0, 4, 8)]
    with monkeypatch.context() as patched:
        patched.setattr(engine, "GRAPH_MAX_BATCH", 0)
        launched = [ids(model, images, texts) for images in draws]
        alone = [ids(model, images[:1], texts[:1]) for images in draws]
    assert [ids(model, images, texts) for images in draws] == launched
    assert [ids(model, images[:1], texts[:1]) for images in draws] == alone
    assert len({str(picks) for picks in launched}) == 3  # each replay reads its own images


def test_graphs_of_one_engine_do_not_disturb_each_other(toy: Path) -> None:
    model, (images, texts) = load(toy, "bf16", compiled=True), clear_requests()
    first = ids(model, images, texts), ids(model, images[:1], texts[:1])
    again = ids(model, images, texts), ids(model, images[:1], texts[:1])
    assert again == first


def test_patches_are_embedded_in_whole_fp32() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 3, 224, 224, generator=generator)
    embed = PatchEmbed(256, 14)
    with torch.inference_mode():
        exact = embed.double()(pixels.double())
        error = (embed.float().cuda()(pixels.cuda()).cpu() - exact).abs().max()
    assert error < 2e-5  # with TF32 about 1e-3
