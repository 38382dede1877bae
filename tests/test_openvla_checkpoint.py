"""Checkpoints on disk: every layout that loads, and what each damaged one is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import errors
from openvla_toys import copy_golden, write_toy
from safetensors.torch import load_file, save_file
from torch import Tensor

from vla_bench.errors import ConfigError, PolicyError, VlaBenchError
from vla_bench.policies.openvla import OpenVLA
from vla_bench.policies.openvla.adapter import read_adapter
from vla_bench.policies.openvla.build import build_model, check_memory, weight_bytes
from vla_bench.policies.openvla.checkpoint import open_weights, read_config
from vla_bench.policies.openvla.config import CheckpointError, parse_config
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.native import published_config, published_name
from vla_bench.policies.openvla.pretrained import Options
from vla_bench.policies.openvla.source import identifying_files, locate
from vla_bench.policies.openvla.stages import load_trainable
from vla_bench.policies.weights import fingerprint

CPU = torch.device("cpu")
RELEASED = {"vla": {"base_vlm": "prism-dinosiglip-224px+7b"}}
NATIVE_RULES = (
    ("vision_backbone.fused_featurizer.", "vision_backbone.siglip_featurizer."),
    ("vision_backbone.featurizer.", "vision_backbone.dino_featurizer."),
    ("language_model.", "llm_backbone.llm."),
    ("projector.fc1.", "projector.projector.0."),
    ("projector.fc2.", "projector.projector.2."),
    ("projector.fc3.", "projector.projector.4."),
    (".scale_factor", ".gamma"),
)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "toy")


def complaint(folder: Path, **options: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        OpenVLA.from_pretrained(folder, options=Options(**options))
    return str(caught.value)


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_missing_shard_is_named(shared: Path, tmp_path: Path) -> None:
    folder = copy_golden(shared, "tiny_openvla", tmp_path / "copy")
    (folder / "model-00002-of-00003.safetensors").unlink()
    text = complaint(folder)
    assert "names 3 shards, 1 of them are absent: model-00002-of-00003.safetensors" in text


def test_a_truncated_file_is_named(toy: Path) -> None:
    path = toy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert complaint(toy).startswith(f"{path} is damaged")


def test_a_wrong_shape_says_which_tensor_and_what_was_expected(toy: Path) -> None:
    rewrite(toy, lambda tensors: tensors.update({"projector.fc2.bias": torch.zeros(7)}))
    assert "projector.fc2.bias: expected [128], found [7]" in complaint(toy)


def test_missing_and_foreign_tensors_are_both_named(toy: Path) -> None:
    def swap(tensors: dict[str, Tensor]) -> None:
        tensors["projector.fc9.bias"] = tensors.pop("projector.fc2.bias")

    rewrite(toy, swap)
    text = complaint(toy)
    assert "(2 tensors differ)" in text
    assert "projector.fc2.bias: expected [128], found nothing" in text
    assert "projector.fc9.bias: expected nothing, found [128]" in text


def test_rotary_tables_of_old_files_are_ignored(toy: Path) -> None:
    name = "language_model.model.layers.0.self_attn.rotary_emb.inv_freq"
    rewrite(toy, lambda tensors: tensors.update({name: torch.zeros(16)}))
    assert OpenVLA.from_pretrained(toy)


def test_another_architecture_is_refused(toy: Path) -> None:
    change_config(toy, model_type="llava")
    assert "expected model_type 'openvla', got 'llava'" in complaint(toy)
    change_config(toy, model_type="openvla", text_config={"num_key_value_heads": 8})
    assert "num_key_value_heads=8" in complaint(toy)
    change_config(toy, text_config={})
    assert "config.json lacks the key 'vocab_size'" in complaint(toy)
    (toy / "config.json").unlink()
    assert "config.json is absent" in complaint(toy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timm_model_ids": ["vit_large_patch14_clip"]}, "Unknown vision tower"),
        ({"image_resize_strategy": "resize-naiv"}, "Did you mean 'resize-naive'"),
        ({"llm_backbone_id": "mistral-v0.1-7b-pure"}, "Unknown llm_backbone_id"),
    ],
)
def test_an_unknown_part_lists_the_known_ones(
    changes: dict[str, Any], message: str, toy: Path
) -> None:
    change_config(toy, **changes)
    with pytest.raises(ConfigError, match=message):
        OpenVLA.from_pretrained(toy)


def test_a_folder_without_weights_or_tokenizer_says_what_is_expected(toy: Path) -> None:
    (toy / "tokenizer.json").unlink()
    assert "copy the tokenizer.json" in complaint(toy)
    (toy / "model.safetensors").unlink()
    assert "expected model.safetensors" in complaint(toy)


def to_native(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        for published, native in NATIVE_RULES:
            name = name.replace(published, native)
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensor
    return parts


def make_native(toy: Path, *steps: str) -> list[Path]:
    """Turn `toy` into a run of `steps`, whose projectors end in a bias of 0, 1, ..."""
    tensors = load_file(toy / "model.safetensors")
    (toy / "model.safetensors").unlink()
    (toy / "checkpoints").mkdir()
    paths = [toy / "checkpoints" / step for step in steps]
    for index, path in enumerate(paths):
        bias = torch.full_like(tensors["projector.fc3.bias"], index)
        changed = {} if len(steps) == 1 else {"projector.fc3.bias": bias}
        torch.save({"model": to_native({**tensors, **changed})}, path)
    return paths


def test_a_native_prismatic_file_holds_the_same_model(toy: Path) -> None:
    expected = load_file(toy / "model.safetensors")
    (path,) = make_native(toy, "step-000001.pt")
    weights = open_weights(toy)
    assert weights.shapes == {name: tuple(t.shape) for name, t in expected.items()}
    assert all(torch.equal(weights.read(name), expected[name]) for name in expected)
    assert OpenVLA.from_pretrained(toy)
    torch.save({"model": {"projector": {}}}, path)
    assert "lacks vision_backbone, llm_backbone" in complaint(toy)


def test_of_several_native_steps_one_is_named(toy: Path) -> None:
    first, last = make_native(toy, "step-1-loss=0.9.pt", "step-2-loss=0.2.pt")
    assert complaint(toy) == (
        f"{toy} has 2 steps of a native run: checkpoints/step-1-loss=0.9.pt, "
        f"checkpoints/step-2-loss=0.2.pt. Name one, for example \"policy.checkpoint='{last}'\" "
        "(both quotes: shell and Hydra)"
    )
    for index, path in enumerate((first, last)):
        model = OpenVLA.from_pretrained(path).engine.model
        assert model.projector.fc3 is not None
        assert (model.projector.fc3.bias == index).all()
        assert list(OpenVLA.from_pretrained(path).statistics) == ["toy"]
        trained = load_trainable(path, CPU, torch.float32)
        assert trained.projector.fc3 is not None
        assert (trained.projector.fc3.bias == index).all()
    assert fingerprint(identifying_files(first)) != fingerprint(identifying_files(last))
    first.unlink()
    assert OpenVLA.from_pretrained(toy)
    with pytest.raises(CheckpointError, match=r"step-1-loss=0.9.pt is absent: expected a .pt of"):
        OpenVLA.from_pretrained(first)


def test_native_names_of_a_single_tower_and_native_configs_are_understood() -> None:
    name = "vision_backbone.featurizer.blocks.0.ls1.gamma"
    assert published_name(name) == "vision_backbone.featurizer.blocks.0.ls1.scale_factor"
    assert parse_config(published_config(RELEASED)).prompt == "v0"
    v01 = parse_config(published_config({"vla": {"base_vlm": "siglip-224px+7b"}}))
    assert (v01.prompt, v01.resize, len(v01.towers)) == ("v01", "letterbox", 1)
    with pytest.raises(ConfigError, match="Did you mean 'siglip-224px\\+7b'"):
        published_config({"vla": {"base_vlm": "siglip-224px"}})


def test_an_adapter_is_merged_as_w_plus_scaled_b_a(toy: Path, tmp_path: Path) -> None:
    name = "language_model.lm_head"
    base = open_weights(toy).read(f"{name}.weight").float()
    a, b = torch.randn(2, base.shape[1]), torch.randn(base.shape[0], 2)
    write_adapter(tmp_path, {f"{name}.lora_A": a, f"{name}.lora_B": b}, r=2, lora_alpha=1)
    merged = read_adapter(tmp_path).merge(open_weights(toy)).read(f"{name}.weight")
    assert torch.allclose(merged, base + 0.5 * b @ a)


def test_a_rank_stabilized_adapter_is_scaled_by_the_root_of_its_rank(tmp_path: Path) -> None:
    pair = {"m.lora_A": torch.zeros(16, 5), "m.lora_B": torch.zeros(3, 16)}
    write_adapter(tmp_path, pair, r=16, lora_alpha=8, use_rslora=True)
    assert read_adapter(tmp_path).scale == 2.0
    write_adapter(tmp_path, pair, r=16, lora_alpha=8)
    assert read_adapter(tmp_path).scale == 0.5


def test_a_base_weight_saved_with_the_adapter_replaces_the_checkpoints(
    toy: Path, tmp_path: Path
) -> None:
    name = "language_model.lm_head"
    whole = torch.ones(open_weights(toy).shapes[f"{name}.weight"])
    write_adapter(tmp_path, {f"{name}.base_layer": whole}, r=2, lora_alpha=1)
    weights = read_adapter(tmp_path).merge(open_weights(toy))
    assert torch.equal(weights.read(f"{name}.weight"), whole)


def write_adapter(folder: Path, tensors: dict[str, Tensor], **config: Any) -> None:
    config = {"peft_type": "LORA", **config}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    named = {f"base_model.model.{name}.weight": tensor for name, tensor in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")


def test_an_adapter_of_another_model_or_kind_is_refused(toy: Path, tmp_path: Path) -> None:
    pair = {"projector.fc2.lora_A": torch.zeros(2, 5), "projector.fc2.lora_B": torch.zeros(128, 2)}
    write_adapter(tmp_path, pair, r=2, lora_alpha=2)
    text = complaint(toy, adapter=str(tmp_path))
    assert "changes projector.fc2.weight of shape [128, 5]; the base model has (128, 768)" in text
    assert "the one that it was trained on: base_model_name_or_path in its adapter_conf" in text
    write_adapter(tmp_path, pair, r=2, lora_alpha=2, use_dora=True)
    assert "cannot merge an adapter with use_dora" in complaint(toy, adapter=str(tmp_path))
    write_adapter(tmp_path, pair, peft_type="IA3")
    assert "expected a LORA adapter, got peft_type 'IA3'" in complaint(toy, adapter=str(tmp_path))
    assert "give it as policy.adapter" in complaint(tmp_path)


def test_a_folder_that_is_no_whole_adapter_is_refused(toy: Path, tmp_path: Path) -> None:
    text = complaint(toy, adapter=str(toy))
    assert f"{toy} is no adapter: expected adapter_config.json and adapter_model" in text
    assert "found no adapter_config.json and no adapter_model.safetensors" in text
    assert "A whole checkpoint is given as policy.checkpoint" in text
    module, a, b = "projector.fc2", torch.zeros(2, 768), torch.zeros(128, 2)
    file = tmp_path / "adapter_model.safetensors"
    for tensors, config, said in (
        ({}, {"r": 2, "lora_alpha": 2}, f"{file}: expected a lora_A (rank, inputs) and a lora_B"),
        ({f"{module}.lora_A": a}, {"r": 2, "lora_alpha": 2}, f"not so of {module}.weight"),
        ({f"{module}.lora_B": b}, {"r": 2, "lora_alpha": 2}, f"not so of {module}.weight"),
        (
            {f"{module}.lora_A": a, f"{module}.lora_B": torch.zeros(128, 3)},
            {"r": 2, "lora_alpha": 2},
            f"not so of {module}.weight. Copy or download it again.",
        ),
        ({f"{module}.lora_A": a}, {"r": 2}, "got r=2 and lora_alpha=None. Copy the file"),
        ({f"{module}.lora_A": a}, {"r": 0, "lora_alpha": 2}, "got r=0 and lora_alpha=2."),
    ):
        write_adapter(tmp_path, tensors, **config)
        assert said in complaint(toy, adapter=str(tmp_path))
    file.write_bytes(b"torn")
    assert f"{file} is damaged (" in complaint(toy, adapter=str(tmp_path))
    file.unlink()
    assert "found no adapter_model.safetensors." in complaint(toy, adapter=str(tmp_path))


def test_an_adapter_whose_base_moved_says_what_to_type(tmp_path: Path) -> None:
    write_adapter(tmp_path, {}, r=2, lora_alpha=2, base_model_name_or_path="/gone/base")
    text = complaint(tmp_path)
    assert f"{tmp_path} is an adapter of /gone/base: Checkpoint '/gone/base' is neither" in text
    assert f"Type policy.adapter={tmp_path} and, as policy.checkpoint, where that is now." in text


def test_too_little_gpu_memory_says_what_is_needed_and_what_would_fit() -> None:
    model = OpenVLAModel.on_meta(parse_config(published_config(RELEASED)))
    assert weight_bytes(model, "bf16") == 2 * 7_541_237_184
    assert weight_bytes(model, "nf4") == weight_bytes(model, "int4") < 6.5e9
    check_memory(model, "bf16", 24e9)
    with pytest.raises(ConfigError) as some:
        check_memory(model, "bf16", 10e9)
    assert str(some.value) == (
        "Not enough GPU memory: precision bf16 needs 16.1 GB, 10.0 GB are free; "
        "policy.precision=int8|nf4|int4 would fit."
    )
    with pytest.raises(ConfigError, match="no precision fits"):
        check_memory(model, "int4", weight_bytes(model, "int4") + 1.5e9)


def test_a_gpu_is_asked_for_its_free_memory_before_a_tensor_is_read(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (500_000_000, 8_000_000_000))
    (toy / "model.safetensors").rename(toy / "unread.safetensors")
    save_file({}, toy / "model.safetensors")
    with pytest.raises(ConfigError, match=r"precision bf16 needs 1.0 GB, 0.5 GB are free; no pre"):
        OpenVLA.from_pretrained(toy, device="cuda", dtype=torch.bfloat16)
    with pytest.raises(ConfigError, match=r"device=cuda:1, but torch sees 1 GPU"):
        OpenVLA.from_pretrained(toy, device="cuda:1", dtype=torch.bfloat16)


def test_memory_that_runs_out_while_loading_says_what_to_type(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 344.00 MiB.")

    monkeypatch.setattr("vla_bench.policies.openvla.build.quantize", full)
    for precision, advice in (
        ("int8", "or type a policy.precision of fewer bits or policy.device=cpu."),
        ("nf4", "or type policy.device=cpu."),
    ):
        with pytest.raises(ConfigError) as caught:
            OpenVLA.from_pretrained(toy, dtype=precision)
        assert str(caught.value) == (
            f"Not enough GPU memory to load precision {precision} on cpu: Tried to allocate 344.00 "
            f"MiB. Free some, {advice}"
        )


@pytest.mark.parametrize(
    ("precision", "advice"),
    [("bf16", "n_lanes or policy.precision=int4."), ("int4", "n_lanes.")],
)
def test_memory_that_runs_out_while_acting_says_what_to_type(
    precision: str, advice: str, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 344.00 MiB.")

    model = OpenVLA.from_pretrained(toy, dtype=precision)
    monkeypatch.setattr(OpenVLAModel, "prefill", full)
    images, instructions = [np.zeros((8, 8, 3), np.uint8)] * 2, ["go", "go on"]
    for ask in (model.predict, model.logits):
        with pytest.raises(PolicyError) as caught:
            ask(images, instructions)
        assert str(caught.value) == (
            "GPU memory ran out with a batch of 2: Tried to allocate 344.00 MiB. Type a smaller "
            f"{advice}"
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_asking_for_a_gpu_that_is_not_there_says_what_to_type(toy: Path) -> None:
    with pytest.raises(ConfigError, match=r"torch sees no GPU. Type policy.device=cpu"):
        OpenVLA.from_pretrained(toy, device="cuda")


def test_one_text_is_no_list_of_instructions(toy: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(PolicyError, match="a list of instructions, got the text 'a'"):
        OpenVLA.from_pretrained(toy).predict([image], "a")


def test_an_unknown_precision_lists_the_known_ones(toy: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'int8'"):
        OpenVLA.from_pretrained(toy, dtype="int-8")


def test_a_checkpoint_is_a_folder_or_bundled_or_a_hub_id(tmp_path: Path) -> None:
    assert locate(tmp_path) == tmp_path
    for name in ("openvla_mini_google_robot", "openvla_mini_widowx"):
        assert (locate(f"bundled:{name}") / "tokenizer.json").exists()
    with pytest.raises(ConfigError, match="Did you mean 'openvla_mini_google_robot'"):
        locate("bundled:openvla_mini_google")
    with pytest.raises(CheckpointError, match="neither an existing folder nor a hub id"):
        locate("/no/such/folder")


HUB_ERRORS = [
    (errors.GatedRepoError, "type: hf auth login"),
    (errors.RepositoryNotFoundError, "has no openvla/none, or it is private"),
    (errors.LocalEntryNotFoundError, "could not be downloaded"),
]


@pytest.mark.parametrize(("kind", "message"), HUB_ERRORS)
def test_a_refusing_hub_is_explained(
    kind: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(repository: str, **_: Any) -> str:
        raise kind.__new__(kind, repository)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(CheckpointError, match=message):
        locate("openvla/none")


def test_a_hub_id_may_name_a_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def answer(repository: str, revision: str | None, allow_patterns: list[str]) -> str:
        assert (repository, revision) == ("openvla/openvla-7b", "31f090d")
        assert not any("pt" in pattern for pattern in allow_patterns)
        (tmp_path / "model.safetensors").touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", answer)
    assert locate("openvla/openvla-7b@31f090d") == tmp_path


class NativeHub:
    """A repository of a native run, as the hub would hand it out."""

    def __init__(self, folder: Path, steps: Sequence[str]) -> None:
        self._folder = folder
        self._names = ["config.json", "config.yaml", "dataset_statistics.json", *steps]

    def download(self, _: str, revision: str | None, allow_patterns: list[str]) -> str:
        for name in self._names:
            if revision is None and any(fnmatch(name, pattern) for pattern in allow_patterns):
                (self._folder / name).parent.mkdir(exist_ok=True)
                (self._folder / name).touch()
        return str(self._folder)

    def list(self, _: str, revision: str | None) -> list[str]:
        assert revision is None
        return self._names


def test_a_native_run_comes_from_the_hub_with_its_one_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = ["checkpoints/step-1.pt", "checkpoints/step-2.pt"]
    for n_steps in (1, 2):
        hub = NativeHub(tmp_path / str(n_steps), steps[:n_steps])
        (tmp_path / str(n_steps)).mkdir()
        monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.download)
        monkeypatch.setattr(huggingface_hub, "list_repo_files", hub.list)
        if n_steps == 1:
            folder = locate("openvla/openvla-7b-prismatic")
            found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
            assert found == {"config.json", "dataset_statistics.json", "checkpoints/step-1.pt"}
    with pytest.raises(CheckpointError) as caught:
        locate("openvla/openvla-7b-prismatic")
    assert str(caught.value) == (
        "openvla/openvla-7b-prismatic has 2 steps of a native run: checkpoints/step-1.pt, "
        "checkpoints/step-2.pt. Type: hf download openvla/openvla-7b-prismatic config.json "
        "dataset_statistics.json 'checkpoints/step-2.pt' --local-dir RUN, then "
        "\"policy.checkpoint='RUN/checkpoints/step-2.pt'\""
    )


_LOAD = """
import sys, threading, time, torch
from pathlib import Path
from vla_bench.policies.openvla.build import build_model
from vla_bench.policies.openvla.checkpoint import open_weights, read_config

def private_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

def watch():
    while not done.is_set():
        seen.append(private_bytes())
        time.sleep(0.002)

folder, precision, device = Path(sys.argv[1]), sys.argv[2], torch.device(sys.argv[3])
config, weights = read_config(folder), open_weights(folder)
torch.zeros(9, 9).to(device) @ torch.zeros(9, 9).to(device)  # starts torch's own pools
done, seen = threading.Event(), [before := private_bytes()]
watcher = threading.Thread(target=watch)
watcher.start()
model = build_model(config, weights, device, precision)
done.set()
watcher.join()
print((max(seen) - before) / sum(p.numel() * p.element_size() for p in model.parameters()))
"""


@pytest.fixture(scope="module")
def two_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bf16 checkpoint of 0.2 GB, most of it in twelve decoder layers, in two files."""
    folder = write_toy(tmp_path_factory.mktemp("shards") / "toy")
    text = json.loads((folder / "config.json").read_text())["text_config"]
    sizes = {"hidden_size": 1024, "intermediate_size": 1376, "num_hidden_layers": 12}
    change_config(folder, text_config={**text, **sizes})
    shapes = OpenVLAModel.on_meta(read_config(folder)).state_dict()
    zeros = {name: torch.zeros(t.shape, dtype=torch.bfloat16) for name, t in shapes.items()}
    names = [list(zeros)[::2], list(zeros)[1::2]]
    files = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for file, part in zip(files, names):
        save_file({name: zeros[name] for name in part}, folder / file)
    owners = {name: file for file, part in zip(files, names) for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": owners}))
    (folder / "model.safetensors").unlink()
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
@pytest.mark.parametrize(
    ("precision", "device", "most"),
    [("fp32", "cpu", 1.3), ("bf16", "meta", 0.4)],
)
def test_loading_shards_never_holds_two_copies(
    precision: str, device: str, most: float, two_shards: Path
) -> None:
    """The most private memory while loading, over the model's size. Uploading to the device
    "meta" keeps nothing: what is left is what a host holds beside a GPU, about one layer.
    """
    command = [sys.executable, "-c", _LOAD, str(two_shards), precision, device]
    returned = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # freed memory leaves at once
    done = subprocess.run(command, env=returned, capture_output=True, text=True, check=True)
    assert float(done.stdout) < most


def test_a_loaded_model_is_frozen_and_in_the_precision_that_was_asked(toy: Path) -> None:
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        model = build_model(read_config(toy), open_weights(toy), CPU, precision)
        assert {p.dtype for p in model.parameters()} == {dtype}
        assert not any(p.requires_grad for p in model.parameters())
        assert not model.training


def test_weights_that_no_forward_pass_reads_are_not_kept(toy: Path) -> None:
    model = build_model(read_config(toy), open_weights(toy), CPU, "fp32")
    assert not [name for name in model.state_dict() if "attn_pool" in name or "blocks.3" in name]


def test_every_error_here_is_written_for_the_user() -> None:
    assert issubclass(CheckpointError, VlaBenchError)
