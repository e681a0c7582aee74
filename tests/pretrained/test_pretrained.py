"""The models that come with the package: what is read is what was packed, and nothing else."""

import hashlib
import json

import numpy as np
import pytest

import tfp_lcma as lcma
from tests.toys import pictures, tiny_model
from tfp_lcma.pretrained import cards
from tfp_lcma.pretrained.weights import MODEL, read_model, write_model

NAMES = lcma.pretrained.names()
# What all models of the wheel may take together.
MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def model():
    model = tiny_model()
    model.initialize(pictures(8))
    return model


@pytest.fixture
def packed(tmp_path, model):
    """The folder of a small model in half precision, and the model."""
    write_card(tmp_path, sha256=write_model(tmp_path, model, "float16"))
    return tmp_path, model


def write_card(folder, **changes):
    path = folder / cards.CARD
    card = json.loads(path.read_text()) if path.exists() else {"format": cards.FORMAT}
    path.write_text(json.dumps(card | changes))


def test_all_models_together_are_small_and_their_files_are_those_of_their_cards():
    files = [path for path in cards.MODELS.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {cards.CARD, MODEL}
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for name in NAMES:
        card, content = lcma.pretrained.card(name), (cards.MODELS / name / MODEL).read_bytes()
        assert card["name"] == name
        assert card["sha256"] == hashlib.sha256(content).hexdigest()


def test_another_name_is_answered_with_those_there_are():
    for ask in (lcma.pretrained.load, lcma.pretrained.card):
        with pytest.raises(ValueError, match=r"name must be one of digits-lcma.*; got 'digits'"):
            ask("digits")


def test_what_is_read_is_the_model_that_was_written_to_half_precision(packed):
    folder, model = packed
    read = read_model(folder)
    weights = zip(read.get_weights(), model.get_weights(), strict=True)
    for found, written in weights:
        np.testing.assert_array_equal(found, written.astype("float16").astype(written.dtype))
    assert (read.bins, read.seed, read.name) == (model.bins, model.seed, model.name)


def test_the_same_model_is_written_as_the_same_bytes(packed, tmp_path):
    folder, model = packed
    checksum = hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()
    assert write_model(tmp_path / "again", model, "float16") == checksum
    assert write_model(tmp_path / "whole", model, "float32") != checksum


def test_files_of_another_format_are_refused_in_a_sentence(packed):
    folder, _ = packed
    with np.load(folder / MODEL) as arrays:
        np.savez(folder / MODEL, **dict(arrays) | {"format": 2})
    write_card(folder, sha256=hashlib.sha256((folder / MODEL).read_bytes()).hexdigest())
    expected = f"must be of format 1, which tfp_lcma {lcma.__version__} reads; it is of format 2"
    with pytest.raises(ValueError, match=f"model.npz {expected}"):
        read_model(folder)
    write_card(folder, format=2)
    with pytest.raises(ValueError, match=f"card.json {expected}"):
        read_model(folder)


def test_a_file_that_the_card_is_not_of_is_refused(packed):
    folder, _ = packed
    content = bytearray((folder / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / MODEL).write_bytes(content)
    with pytest.raises(ValueError, match=r"SHA-256 .* damaged or another"):
        read_model(folder)
    (folder / MODEL).unlink()
    with pytest.raises(ValueError, match=r"SHA-256 .* missing"):
        read_model(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_card_is_named(content, tmp_path):
    (tmp_path / cards.CARD).write_text(content)
    with pytest.raises(ValueError, match=r"card.json must be the card of a trained model"):
        cards.read_card(tmp_path)
