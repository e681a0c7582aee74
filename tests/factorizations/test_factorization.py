"""What every factorization has: identity, print, configuration, a place in a flow."""

import json

import keras
import numpy as np
import pytest

from tests.registry import TopRow, multi_scale, random_scores
from tfp_lcma.factorizations import (
    Channel,
    Checkerboard,
    Factorization,
    LikelihoodContribution,
    StaticFactorization,
)
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.inputs import data

SHAPE = (4, 4, 1)
KINDS = {
    "Checkerboard": Checkerboard,
    "Channel": Channel,
    "LCMA": lambda: LikelihoodContribution(random_scores(3, SHAPE)),
    "LCMA (low)": lambda: LikelihoodContribution(random_scores(3, SHAPE), keep="low"),
    "LCMA (raster)": lambda: LikelihoodContribution(random_scores(3, SHAPE), order="raster"),
    "LCMA (other scores)": lambda: LikelihoodContribution(random_scores(3, SHAPE, seed=1)),
    "a user's": TopRow,
    "a user's (flipped)": lambda: TopRow(flipped=True),
}


@pytest.mark.parametrize("name", KINDS)
def test_factorization_equals_what_was_made_alike_and_nothing_else(name):
    this = KINDS[name]()
    assert [other for other in KINDS if KINDS[other]() == this] == [name]
    assert hash(this) == hash(KINDS[name]())
    assert this != "a string"
    assert {this: 1}[KINDS[name]()] == 1


@pytest.mark.parametrize("name", KINDS)
def test_factorization_comes_back_from_its_configuration(name):
    this = KINDS[name]()
    text = json.dumps(keras.saving.serialize_keras_object(this))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy == this
    for level, view_shape in enumerate([(2, 2, 4), (1, 1, 8)]):
        one, other = (f.bijector(level, view_shape).get_config() for f in (this, copy))
        assert np.array_equal(one["index"], other["index"])


def test_factorization_of_unscored_dimensions_equals_itself():
    scores = random_scores(3, SHAPE)
    scores[2, 0] = np.nan
    assert LikelihoodContribution(scores) == LikelihoodContribution(scores)


def test_factorization_prints_its_arguments_and_the_shape_of_arrays():
    assert repr(Checkerboard()) == "Checkerboard()"
    assert repr(TopRow(flipped=True)) == "TopRow(flipped=True)"
    assert repr(KINDS["LCMA (low)"]()) == (
        "LikelihoodContribution(statistics=<3x4x4x1>, keep='low', "
        "granularity='position', pooling='block', order='rank', centred=False, "
        "scores='cumulative')"
    )


@pytest.mark.parametrize("name", KINDS)
def test_factorization_survives_inside_a_flow(name):
    flow = multi_scale("float64", KINDS[name]())
    text = json.dumps(keras.saving.serialize_keras_object(flow))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert copy.factorization == flow.factorization
    assert np.array_equal(copy.exit_map, flow.exit_map)


@pytest.mark.parametrize("name", KINDS)
def test_factorization_has_no_log_det_and_its_own_round_trip(name):
    order = KINDS[name]().bijector(1, (1, 1, 8))
    x = data(order, 2)
    z, log_det = order.inverse_and_event_log_det(x)
    assert not np.any(log_det)
    close(order.forward(z), x, 0, "round trip")


def test_factorization_that_lacks_a_method_says_which():
    class Empty(Factorization):
        pass

    class EmptyStatic(StaticFactorization):
        pass

    with pytest.raises(NotImplementedError, match="Empty lacks bijector"):
        Empty().bijector(0, (2, 2, 4))
    with pytest.raises(NotImplementedError, match="EmptyStatic lacks order"):
        EmptyStatic().bijector(0, (2, 2, 4))


def test_order_that_is_no_permutation_is_refused():
    class Twice(StaticFactorization):
        def order(self, level, view_shape):
            return np.zeros(view_shape[-1], int)

    with pytest.raises(ValueError, match="index must hold every integer"):
        Twice().bijector(0, (2, 2, 4))
