"""Images, prompts, action tokens and statistics against what the published code records."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from openvla_toys import copy_golden, golden_cases, golden_image

from vla_bench.errors import ConfigError, PolicyError
from vla_bench.policies.openvla.action_tokens import CENTRES, EDGES, ActionTokens
from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.config import CheckpointError, OpenVLAConfig
from vla_bench.policies.openvla.image import normalize_images, to_input_size
from vla_bench.policies.openvla.prompt import Prompter, prompt_text
from vla_bench.policies.openvla.resize import (
    Preparation,
    read_preparation,
    recorded_box,
    shrink_area,
)
from vla_bench.policies.openvla.statistics import (
    ActionStatistics,
    choose_statistics,
    read_statistics,
)
from vla_bench.policies.openvla.tokenizer import new_tokenizer

LLAMA2 = ActionTokens(32000)
FAMILIES = {"openvla": "v0", "v01": "v01"}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden" / "openvla"


@pytest.fixture(scope="module")
def fused(golden: Path) -> OpenVLAConfig:
    return read_config(golden / "tiny_openvla")


@pytest.mark.parametrize("strategy", ["resize-naive", "resize-crop", "letterbox"])
def test_pixels_are_bit_equal_to_the_published_processor(
    strategy: str, golden: Path, fused: OpenVLAConfig, shared: Path
) -> None:
    recorded = json.loads((golden / "image_processor.json").read_text())[strategy]["cases"]
    arrays = np.load(golden / "image_processor.npz")
    config = replace(fused, resize=strategy)
    for name, facts in recorded.items():
        sized = to_input_size(golden_image(shared, name), config)
        assert np.array_equal(sized.transpose(2, 0, 1), arrays[f"{strategy}/{name}/u8_chw"]), name
        pixels = normalize_images(torch.from_numpy(sized.copy())[None], config)[0].numpy()
        assert list(pixels.shape) == facts["shape"]
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == facts["sha256_f32"], name


def test_training_images_are_prepared_as_tensorflow_did(golden: Path, shared: Path) -> None:
    arrays = np.load(golden / "tf_pipeline.npz")
    for name in ("img1_640x480.png", "img2_480x640.png"):
        image = golden_image(shared, name)
        off = (
            Preparation("lanczos3", False).apply(image, 224).astype(int)
            - arrays[f"lanczos3/{name}"]
        )
        assert np.abs(off).max() <= 1
        cropped = Preparation("none", True).apply(arrays[f"lanczos3/{name}"], 224)
        assert np.array_equal(cropped, arrays[f"center_crop/{name}"])


def test_the_area_average_of_a_halved_image_is_the_mean_of_four_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (448, 448, 3), dtype=np.uint8)
    means = image.reshape(224, 2, 224, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrink_area(image, 224) - means).max() <= 0.5
    with pytest.raises(PolicyError, match="got 64 x 300"):
        shrink_area(np.zeros((300, 64, 3), np.uint8), 224)


@pytest.mark.parametrize("kind", ["lanczos3", "area"])
def test_resizing_keeps_flat_images_flat_and_224_images_as_they_are(kind: str) -> None:
    prepare = partial(Preparation(kind, False).apply, side=224)
    flat = np.full((480, 640, 3), 77, np.uint8)
    assert np.array_equal(prepare(flat), flat[:224, :224])
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    assert np.array_equal(prepare(image), image)


def test_preparation_is_stated_or_recorded_but_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"says center_crop\. State"):
        read_preparation([tmp_path], "lanczos3", None)
    (tmp_path / "preparation.json").write_text('{"resize": "area", "center_crop": true}')
    assert read_preparation([tmp_path], None, None) == Preparation("area", True)
    assert read_preparation([tmp_path], "area", True) == Preparation("area", True)
    with pytest.raises(
        ConfigError, match=r"resize area, the config says none\. Type policy\.resize"
    ):
        read_preparation([tmp_path], "none", True)
    (tmp_path / "preparation.json").unlink()
    assert read_preparation([tmp_path], "none", False) == Preparation("none", False)
    with pytest.raises(ConfigError, match="Did you mean 'lanczos3'"):
        read_preparation([tmp_path], "lanczos", False)


def test_a_part_of_the_image_is_cut_out_before_it_is_resized(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    part = [0.25, 0.5, 1.0, 0.75]
    (tmp_path / "preparation.json").write_text(
        json.dumps({"resize": "lanczos3", "center_crop": False, "box": part})
    )
    found = read_preparation([tmp_path], None, None)
    assert found.box == recorded_box([tmp_path]) == (0.25, 0.5, 1.0, 0.75)
    expected = Preparation("lanczos3", False).apply(image[12:, 32:48], 24)
    assert np.array_equal(found.apply(image, 24), expected)
    with pytest.raises(ConfigError, match=r"box \[0.25, .*Type policy\.box=null"):
        read_preparation([tmp_path], None, None, [0, 0, 1, 1])
    (tmp_path / "preparation.json").unlink()
    assert recorded_box([tmp_path]) == (0, 0, 1, 1)
    assert read_preparation([tmp_path], "none", False, part).box == (0.25, 0.5, 1.0, 0.75)
    wrongs: list[Any] = [[0.5, 0, 0.5, 1], [0, 0, 1], [], 0.5, [0, "a", 1, 1]]
    for wrong in wrongs:
        with pytest.raises(ConfigError, match=r"is \[top, left, bottom, right\]"):
            read_preparation([tmp_path], "none", False, wrong)


def test_prompts_are_those_of_the_published_builders(golden: Path) -> None:
    recorded = json.loads((golden / "llama2_prompt_ids.json").read_text())
    cases = [case for case in recorded if case["format"] in FAMILIES and case["instruction"]]
    assert len(cases) == 28
    for case in cases:
        text = prompt_text(case["instruction"], FAMILIES[case["format"]], "template")
        assert text == case["prompt"]


def test_a_bare_prompt_is_the_instruction_alone() -> None:
    assert prompt_text("Pick up the Cup", "v0", "bare") == "Pick up the Cup"
    with pytest.raises(ConfigError, match="Did you mean 'bare'"):
        prompt_text("go", "v0", "bar")


def test_ids_of_the_golden_prompts_are_llama2s_and_end_with_the_space(
    golden: Path, shared: Path
) -> None:
    prompter = Prompter.read(golden / "tiny_openvla", "v0", "template")
    for case in golden_cases(shared, "tiny_openvla"):
        assert prompter.ids(case["instruction"]) == case["input_ids"]
        assert case["input_ids"][-1] == 29871
    assert Prompter(prompter.tokenizer, "v0", "bare").ids("to the ")[-2:] != [29871, 29871]


def test_ids_of_the_golden_v01_prompts_are_llama2s_and_end_with_the_space(
    shared: Path, tmp_path: Path
) -> None:
    folder = copy_golden(shared, "tiny_openvla_v01", tmp_path / "copy")
    prompter = Prompter.read(folder, "v01", "template")
    for case in golden_cases(shared, "tiny_openvla_v01"):
        assert prompter.ids(case["instruction"]) == case["input_ids"]
        assert case["input_ids"][-2:] == [29901, 29871]  # the colon of ASSISTANT:, the space
    v0 = Prompter.read(folder, "v0", "template")
    for case in golden_cases(shared, "tiny_openvla"):
        assert v0.ids(case["instruction"]) == case["input_ids"]


@pytest.mark.skipif(
    "VLA_BENCH_LLAMA2_TOKENIZER" not in os.environ,
    reason="needs Llama-2's vocabulary: set VLA_BENCH_LLAMA2_TOKENIZER to its tokenizer.json",
)
def test_ids_of_every_recorded_prompt_are_llama2s(golden: Path) -> None:
    folder = Path(os.environ["VLA_BENCH_LLAMA2_TOKENIZER"]).parent
    for case in json.loads((golden / "llama2_prompt_ids.json").read_text()):
        if case["format"] in FAMILIES and case["instruction"]:
            prompter = Prompter.read(folder, FAMILIES[case["format"]], "template")
            assert prompter.ids(case["instruction"]) == [*case["ids"], 29871]


def test_our_own_tokenizer_covers_any_text_and_keeps_its_last_256_ids_for_actions() -> None:
    tokenizer = new_tokenizer(["lift", "zebra"])
    text = "In: What action should the robot take to lift the Zebra é 杯?\nOut:"
    encoded = tokenizer.encode(text)
    assert tokenizer.decode(encoded.ids).strip() == text
    assert encoded.ids[0] == 1
    assert max(encoded.ids) < tokenizer.get_vocab_size() - 256
    assert tokenizer.get_vocab_size() % 64 == 0
    assert len(tokenizer.encode("lift zebra").ids) == 3


def test_action_ids_are_the_published_ones_on_every_recorded_value(golden: Path) -> None:
    arrays = np.load(golden / "action_tokenizer.npz")
    assert np.array_equal(EDGES, arrays["bins"])
    assert np.array_equal(CENTRES, arrays["bin_centers"])
    for suffix in ("", "_f32"):
        ids = LLAMA2.encode(arrays[f"values{suffix}"])
        assert np.array_equal(ids, arrays[f"token_ids{suffix}"])
    assert np.array_equal(LLAMA2.decode(arrays["decode_ids"]), arrays["decode_values"])
    assert np.array_equal(LLAMA2.decode(arrays["decode_odd_ids"]), arrays["decode_odd_values"])


@given(st.floats(-1.0, 1.0))
def test_an_encoded_value_comes_back_within_half_a_bin(value: float) -> None:
    token = LLAMA2.encode(value)
    assert abs(LLAMA2.decode(token) - value) <= 1 / 255 + 1e-12
    assert LLAMA2.is_action(token)


def test_only_the_last_256_text_ids_stand_for_actions() -> None:
    ids = np.array([2, 31743, 31744, 31999, 32000, 32063])
    assert LLAMA2.is_action(ids).tolist() == [False, False, True, True, False, False]


def block(**changes: Any) -> dict[str, Any]:
    return {"q01": [-1.0, 0.0], "q99": [3.0, 0.5], "mask": [True, False], **changes}


def test_unmasked_dimensions_pass_and_a_missing_mask_scales_all() -> None:
    values = np.array([0.0, 0.75])
    masked = ActionStatistics.from_block("toy", block())
    assert masked.unnormalize(values).tolist() == [1.0, 0.75]
    unmasked = block()
    del unmasked["mask"]
    assert ActionStatistics.from_block("toy", unmasked).unnormalize(values).tolist() == [
        1.0,
        0.4375,
    ]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ({"mean": [0.0]}, "expected q01 and q99 under 'action', got mean."),
        ({}, "expected q01 and q99 under 'action', got nothing."),
        (block(q01=[0.0]), "one length, the number of action columns, got shapes (1,), (2,), (2,)"),
        (block(mask=[True]), "got shapes (2,), (2,), (1,)."),
        ({"q01": 0.0, "q99": 1.0}, "got shapes (), (), ()."),
        (block(q01=["x", "y"]), "expected lists of numbers, could not convert string to float"),
    ],
)
def test_statistics_without_quantiles_or_of_unequal_lengths_are_refused(
    action: dict[str, Any], text: str, tmp_path: Path
) -> None:
    (tmp_path / "dataset_statistics.json").write_text(json.dumps({"toy": {"action": action}}))
    with pytest.raises(CheckpointError) as caught:
        read_statistics([tmp_path])
    assert str(caught.value).startswith("Statistics of 'toy': ")
    assert text in str(caught.value)
    assert "Copy the dataset_statistics.json that training wrote into" in str(caught.value)


@pytest.mark.parametrize("found", [["toy"], {"toy": [1]}, {"toy": {"proprio": {}}}, "toy"])
def test_statistics_in_another_form_are_refused_with_the_form(found: Any, tmp_path: Path) -> None:
    path = tmp_path / "dataset_statistics.json"
    path.write_text(json.dumps(found))
    with pytest.raises(CheckpointError) as caught:
        read_statistics([tmp_path])
    assert str(caught.value) == (
        f"{path}: expected {{DATA_SET: {{'action': {{'q01': [...], 'q99': [...]}}}}}}, got {found}."
        " Copy the dataset_statistics.json that training wrote into the checkpoint's folder."
    )


def test_the_side_file_of_a_fine_tuned_checkpoint_is_merged_and_wins(tmp_path: Path) -> None:
    both = {"norm_stats": {"old": {"action": block()}, "mine": {"action": block()}}}
    (tmp_path / "config.json").write_text(json.dumps(both))
    side = {"mine": {"action": block(q99=[9.0, 9.0])}}
    (tmp_path / "dataset_statistics.json").write_text(json.dumps(side))
    statistics = read_statistics([tmp_path])
    assert set(statistics) == {"old", "mine"}
    assert statistics["mine"].q99.tolist() == [9.0, 9.0]
    only = {"mine": statistics["mine"]}
    assert choose_statistics(only, None) is only["mine"]
