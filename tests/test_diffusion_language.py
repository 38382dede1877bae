"""Instructions as vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer, DistilBertConfig, DistilBertModel

from vla_bench.errors import ConfigError
from vla_bench.policies.diffusion.language import HashedWords, text_encoder
from vla_bench.policies.diffusion.spec import LanguageSpec

torch.set_num_threads(1)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "put", "carrot", "on", "plate", "the"]


@pytest.fixture(scope="module")
def distilbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random DistilBERT in the hub's layout."""
    folder = tmp_path_factory.mktemp("distilbert")
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    torch.manual_seed(0)
    config = DistilBertConfig(vocab_size=len(WORDS), dim=16, n_layers=2, n_heads=2, hidden_dim=32)
    DistilBertModel(config).save_pretrained(folder)
    return folder


def test_pooling_is_what_the_spec_says(distilbert: Path) -> None:
    model = DistilBertModel.from_pretrained(distilbert)
    ids = torch.tensor([[2, 5, 6, 7, 8, 3]])  # [CLS] put carrot on plate [SEP]
    with torch.no_grad():
        hidden = model(input_ids=ids).last_hidden_state[0]
    expected = {"sum": hidden.sum(0), "mean": hidden.mean(0), "first": hidden[0]}
    for pooling, vector in expected.items():
        encoder = text_encoder(LanguageSpec(str(distilbert), pooling, 16))
        torch.testing.assert_close(encoder("put carrot on plate"), vector)
        assert torch.equal(encoder("put carrot on plate"), encoder("put carrot on plate"))


@pytest.mark.parametrize(
    ("pooling", "dim", "message"),
    [("sum", 768, "gives 16 features, the config says 768"), ("max", 16, "Unknown pooling 'max'")],
)
def test_a_spec_that_the_encoder_does_not_meet_is_refused(
    pooling: str, dim: int, message: str, distilbert: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        text_encoder(LanguageSpec(str(distilbert), pooling, dim))


def test_an_absent_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a folder nor a model"):
        text_encoder(LanguageSpec(str(tmp_path / "nothing"), "sum", 16))


def test_the_hashed_encoder_has_no_pooling() -> None:
    with pytest.raises(ConfigError, match="has pooling 'none', got 'sum'"):
        text_encoder(LanguageSpec("hashed", "sum", 16))


def test_the_hashed_encoder_tells_the_order_of_words() -> None:
    encode = text_encoder(LanguageSpec("hashed", "none", 64))
    there, back = encode("put carrot on plate"), encode("put plate on carrot")
    assert (there - back).norm() > 1
    assert torch.equal(there, encode("Put  carrot on plate"))


def test_the_hashed_vectors_are_the_same_on_every_machine() -> None:
    # Signs are bits of SHAKE-256 of "go", "<s> go" and "go </s>", highest bit first.
    assert (HashedWords(6)("go") * 3**0.5).round().tolist() == [3, 3, -1, 1, -1, -1]


@given(st.text(min_size=1), st.integers(1, 200))
def test_every_instruction_has_a_finite_hashed_vector(instruction: str, dim: int) -> None:
    vector = HashedWords(dim)(instruction)
    assert vector.shape == (dim,)
    assert torch.isfinite(vector).all()
