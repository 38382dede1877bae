"""`OpenVLA` as scripts use it: tokens and actions of the published code, alone and in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from openvla_toys import (
    copy_golden,
    golden_cases,
    golden_image,
    random_images,
    write_toy,
)

from vla_bench.errors import ConfigError, MissingDependencyError, PolicyError
from vla_bench.policies.openvla import OpenVLA, kernels
from vla_bench.policies.openvla.pretrained import Options

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ("tiny_openvla", "tiny_openvla_v01")


@pytest.fixture(scope="module")
def published(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], OpenVLA]:
    base = tmp_path_factory.mktemp("golden")
    return {
        name: OpenVLA.from_pretrained(
            copy_golden(shared, name, base / name), device="cpu", dtype=torch.float32
        )
        for name in NAMES
    }.__getitem__


@pytest.fixture(scope="module")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.mark.parametrize("name", NAMES)
def test_tokens_and_actions_are_the_published_ones_for_every_data_set(
    name: str, published: Callable[[str], OpenVLA], shared: Path
) -> None:
    model = published(name)
    for case in golden_cases(shared, name):
        image = golden_image(shared, case["image"])
        for key, expected in case["actions"].items():
            prediction = model.predict([image], [case["instruction"]], key)
            ids = case["action_token_ids_8"] if len(expected) == 8 else case["action_token_ids"]
            assert prediction.token_ids == [ids]
            assert prediction.actions.dtype == np.float64
            assert np.abs(prediction.actions[0] - expected).max() < 1e-7
            assert prediction.n_substituted.tolist() == [0]


@pytest.mark.parametrize("name", NAMES)
def test_a_mixed_batch_of_unequal_prompts_gives_what_each_request_alone_gives(
    name: str, published: Callable[[str], OpenVLA], shared: Path
) -> None:
    model, cases = published(name), golden_cases(shared, name)
    assert len({len(case["input_ids"]) for case in cases}) > 1
    images = [golden_image(shared, case["image"]) for case in cases]
    instructions = [case["instruction"] for case in cases]
    prediction = model.predict(images, instructions, "bridge_orig")
    assert prediction.token_ids == [case["action_token_ids"] for case in cases]
    logits = model.logits(images, instructions)
    arrays = np.load(shared / "golden" / "openvla" / f"{name}_fp32.npz")
    for case, row in zip(cases, logits):
        assert np.abs(row - arrays[f"{case['case']}/prefill_last_logits"]).max() < 1e-4


def test_any_batch_of_our_own_checkpoint_equals_its_requests_alone(toy_folder: Path) -> None:
    model = OpenVLA.from_pretrained(toy_folder)
    images = random_images(6)
    instructions = ["go", "pick up the red cup", "put the spoon on the towel now"] * 2
    together = model.predict(images, instructions)
    backwards = model.predict(images[::-1], instructions[::-1])
    alone = [model.predict([i], [t]).token_ids[0] for i, t in zip(images, instructions)]
    assert together.token_ids == alone == backwards.token_ids[::-1]
    assert len({tuple(ids) for ids in alone}) == 6  # neither image nor text is ignored


def test_black_and_white_images_lead_to_different_actions(toy_folder: Path) -> None:
    model = OpenVLA.from_pretrained(toy_folder)
    black = np.zeros((64, 64, 3), np.uint8)
    prediction = model.predict([black, 255 - black], ["pick up the cup"] * 2)
    assert not np.array_equal(*prediction.actions)


def _with_early_end(model: OpenVLA) -> OpenVLA:
    """The golden quirk: id 2 wins where 31826 would, at the fourth token of case 0."""
    head = model.engine.model.language_model.lm_head
    weight = head.weight.detach().clone()
    weight[2] = 1.25 * weight[31826]
    head.weight = torch.nn.Parameter(weight, requires_grad=False)
    return model


def test_an_early_end_of_sequence_is_refused_by_name(shared: Path) -> None:
    model = _with_early_end(OpenVLA.from_pretrained(shared / "golden/openvla/tiny_openvla"))
    case = golden_cases(shared, "tiny_openvla")[0]
    image = golden_image(shared, case["image"])
    expected = r"stand for no action; the first is 2, number 4 of 7 for 'pick up the red cup'"
    with pytest.raises(PolicyError, match=expected):
        model.predict([image], [case["instruction"]], "bridge_orig")


def test_a_substituted_token_is_the_likeliest_action_and_counted(shared: Path) -> None:
    options = Options(invalid_tokens="substitute")
    folder = shared / "golden/openvla/tiny_openvla"
    model = _with_early_end(OpenVLA.from_pretrained(folder, options=options))
    cases = golden_cases(shared, "tiny_openvla")[:2]
    images = [golden_image(shared, case["image"]) for case in cases]
    prediction = model.predict(images, [c["instruction"] for c in cases], "bridge_orig")
    assert prediction.token_ids == [case["action_token_ids"] for case in cases]
    assert prediction.n_substituted.tolist() == [3, 0]


def test_a_missing_or_unknown_statistics_key_lists_the_keys(
    published: Callable[[str], OpenVLA],
) -> None:
    model, images = published("tiny_openvla"), random_images(1)
    listed = "policy.statistics_key=bridge_orig|fractal20220817_data|synthetic8_nomask"
    with pytest.raises(ConfigError) as none:
        model.predict(images, ["go"])
    assert str(none.value).endswith(listed)
    with pytest.raises(ConfigError, match="Did you mean 'bridge_orig'"):
        model.predict(images, ["go"], "bridge_original")
    with pytest.raises(ConfigError, match="has no action statistics"):
        replace(model, statistics={}).predict(images, ["go"], "bridge_orig")


@pytest.mark.parametrize(
    ("images", "instructions", "message"),
    [
        ([np.zeros((8, 8, 3))], ["go"], r"uint8 RGB array, got shape \(8, 8, 3\) of float64"),
        ([np.zeros((8, 8, 4), np.uint8)], ["go"], r"got shape \(8, 8, 4\) of uint8"),
        ([np.zeros((8, 8), np.uint8)], ["go"], r"got shape \(8, 8\) of uint8"),
        (["camera.png"], ["go"], "uint8 RGB array, got a str"),
        (random_images(1), [""], "Expected an instruction, got ''"),
        (random_images(1), [" \n"], "Expected an instruction"),
        (random_images(2), ["go"], "at least one, got 2 and 1"),
        ([], [], "at least one, got 0 and 0"),
        (random_images(1), ["go " * 2000], "leave room for 1785"),
    ],
)
def test_a_bad_request_is_refused_with_what_came(
    images: list[np.ndarray], instructions: list[str], message: str, toy_folder: Path
) -> None:
    with pytest.raises(PolicyError, match=message):
        OpenVLA.from_pretrained(toy_folder).predict(images, instructions)


@pytest.mark.slow  # imports torch's compiler
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own
def test_an_absent_compiler_is_named_before_a_checkpoint_is_looked_for() -> None:
    from torch._inductor.utils import fresh_cache

    torch._dynamo.reset()
    patch = torch._inductor.config.patch({"cpp.cxx": (None, "no-such-g++")})
    with patch, fresh_cache(), pytest.raises(MissingDependencyError) as caught:
        OpenVLA.from_pretrained("/no/such/folder", options=Options(compile=True))
    text = str(caught.value)
    assert text.startswith("policy.compile=true needs a C++ compiler (g++), but torch.compile")
    assert "No working C++ compiler found" in text
    assert text.endswith("or type policy.compile=false.")


def test_a_compiler_that_fails_is_told_as_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nSet TORCHDYNAMO_VERBOSE=1")

    monkeypatch.setattr(kernels, "compile_function", lambda *_, **__: refuse)
    with pytest.raises(MissingDependencyError) as caught:
        OpenVLA.from_pretrained("/no/such/folder", options=Options(compile=True))
    assert str(caught.value) == (
        "policy.compile=true needs a C++ compiler (g++), but torch.compile ended in: Failed to "
        "find C compiler. Install it, or type policy.compile=false."
    )


@pytest.mark.slow  # compiles: minutes on a cold cache and a busy machine
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own
def test_compiled_kernels_pick_the_same_tokens(toy_folder: Path) -> None:
    images, instructions = random_images(3), ["go", "pick up the red cup", "put it there"]
    for precision in ("fp32", "int4"):
        plain, compiled = (
            OpenVLA.from_pretrained(toy_folder, dtype=precision, options=Options(compile=flag))
            for flag in (False, True)
        )
        for count in (1, 3):
            expected = plain.predict(images[:count], instructions[:count]).token_ids
            assert compiled.predict(images[:count], instructions[:count]).token_ids == expected
