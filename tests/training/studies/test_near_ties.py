"""Images of which rounding decides which channels are factored out are found."""

import pytest
import tensorflow as tf
from click.testing import CliRunner

import tfp_lcma as lcma
from tests.eager import eagerly
from tests.seeds import seed_initializers
from tests.toys import pictures
from tfp_lcma.factorizations import EntropyInformed
from tfp_lcma.factorizations.entropy_shuffles import InvariantShuffle
from tfp_lcma.training.studies.near_ties import main, near_ties

SHAPE = (8, 8, 1)


@pytest.fixture(autouse=True)
def eager():
    """For so few calls no graph is worth its while."""
    with eagerly():
        yield


@pytest.fixture(scope="module")
def model():
    seed_initializers(0)
    split = EntropyInformed("invariant")
    flow = lcma.models.eiw_flow(SHAPE, levels=2, steps=1, width=4, factorization=split)
    flow_model = lcma.FlowModel(
        flow, preprocessing=lcma.bijectors.LogitPreprocessing(SHAPE, bins=17)
    )
    flow_model.initialize(pictures(32, SHAPE, bins=17))
    return flow_model


def test_routes_that_do_not_depend_on_rounding_are_counted_as_none(model):
    decoded, worst, alone = near_ties(model, pictures(20, SHAPE, bins=17), 5)
    assert decoded == alone == 0
    assert worst < 1e-4


def test_an_order_that_decoding_finds_otherwise_is_counted(model, monkeypatch):
    order_back = InvariantShuffle._order_back

    def rounded_otherwise(shuffle, z):
        order = order_back(shuffle, z)
        odd = tf.range(tf.shape(z)[0])[:, None] % 2 == 1
        return tf.where(odd, tf.reverse(order, axis=[1]), order)

    monkeypatch.setattr(InvariantShuffle, "_order_back", rounded_otherwise)
    decoded, worst, _ = near_ties(model, pictures(20, SHAPE, bins=17), 0)
    assert decoded == 10
    assert worst > 1e-3


def test_an_order_that_depends_on_the_batch_is_counted(model, monkeypatch):
    order = InvariantShuffle._order

    def by_batch(shuffle, x, training):
        found = order(shuffle, x, training)
        return tf.cond(tf.shape(x)[0] == 1, lambda: tf.reverse(found, axis=[1]), lambda: found)

    monkeypatch.setattr(InvariantShuffle, "_order", by_batch)
    assert near_ties(model, pictures(20, SHAPE, bins=17), 7)[2] == 7


def test_command_says_what_it_found_and_names_a_missing_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    arguments = [
        "--data",
        "digits",
        "--model",
        "eiw_flow",
        "--keras-file",
        str(tmp_path / "model.keras"),
    ]
    result = CliRunner().invoke(main, [*arguments, "--count", "30", "--one-by-one", "3"])
    assert result.exit_code == 0, result.output
    assert "30 images" in result.output
    assert "of 3, other channels are factored out alone in a batch: 0" in result.output
    result = CliRunner().invoke(
        main, ["--data", "digits", "--model", "eiw_flow", "--keras-file", "nowhere.keras"]
    )
    assert result.exit_code == 2
    assert "nowhere.keras" in result.output
