"""A flow with a split starts from one without: what it takes, what stays fresh, what is refused."""

import keras
import numpy as np
import pytest

from tests.toys import pictures, tiny_flow, tiny_model
from tfp_lcma.bijectors import BatchNorm
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.factorizations import Channel, Checkerboard
from tfp_lcma.models import glow, real_nvp
from tfp_lcma.multi_scale import warm_start

SHAPE = (8, 8, 2)


def of_glow(factorization):
    return glow(SHAPE, levels=2, steps=1, width=3, factorization=factorization)


def of_real_nvp(factorization):
    settings = {"levels": 2, "width": 3, "blocks": 1, "normalization": "batch"}
    return real_nvp(SHAPE, factorization=factorization, **settings)


def values(flow):
    return {name: variable.numpy() for name, variable in named_variables(flow).items()}


def moved(flow):
    """A flow with other weights than a fresh one, wherever it has any."""
    for variable in named_variables(flow).values():
        variable.assign(keras.ops.ones_like(variable) * 0.5)
    return flow


@pytest.mark.parametrize("make", [of_glow, of_real_nvp])
def test_the_first_level_is_taken_whole_and_below_hidden_layers_alone(make):
    flow, pretrained = make(Channel()), moved(make(None))
    before, given = values(flow), values(pretrained)
    taken = warm_start(flow, pretrained)
    after = values(flow)
    assert taken[0] == "level 0"
    whole = [name for name in after if name.startswith("flows.0.")]
    layers = tuple(f"flows.1.{line.removeprefix('level 1: ')}." for line in taken[1:])
    below = [name for name in after if name.startswith(layers)]
    hidden = {"inner", "outer", "skip"} if make is of_real_nvp else {"conv_inner"}
    assert {layer.split(".")[-2] for layer in layers} == hidden
    for name in after:
        expected = given if name in [*whole, *below] else before
        np.testing.assert_array_equal(after[name], expected[name], name)


def test_without_a_split_every_level_is_taken_whole():
    flow, pretrained = tiny_flow(), moved(tiny_flow())
    assert warm_start(flow, pretrained) == ["level 0", "level 1"]
    given = values(pretrained)
    for name, value in values(flow).items():
        np.testing.assert_array_equal(value, given[name], name)


def test_fit_starts_the_actnorms_below_and_keeps_those_that_were_taken():
    images = pictures(64)
    pretrained = tiny_model()
    pretrained.initialize(images)
    model = tiny_model(
        factorization=Checkerboard(), run_eagerly=True, optimizer=keras.optimizers.SGD(0.0)
    )
    warm_start(model.flow, pretrained.flow)
    assert model.flow.start_due == {1}
    before = values(model.flow)
    # Brighter images, from which all actnorms would start otherwise.
    model.fit(255 - images // 2, epochs=1, verbose=0)
    for name, value in values(model.flow).items():
        if "act_norm" in name:
            assert np.array_equal(value, before[name]) == name.startswith("flows.0."), name
    assert not model.flow.start_due


@pytest.mark.parametrize(
    ("pretrained", "message"),
    [
        (lambda: tiny_flow((4, 4, 2)), r"like the flow's; .*: \(1,\) in the flow, \(2,\) in pre"),
        (lambda: tiny_flow(norm=BatchNorm), r"like the flow's; .* in the flow, None in pretrained"),
        (lambda: tiny_flow().flows[0], "pretrained must be a MultiScale; got FlowChain"),
    ],
    ids=["another shape", "other parts", "no levels"],
)
def test_a_flow_whose_first_level_differs_is_refused_and_nothing_is_taken(pretrained, message):
    flow = tiny_flow(factorization=Channel())
    before = values(flow)
    with pytest.raises(ValueError, match=message):
        warm_start(flow, pretrained())
    for name, value in values(flow).items():
        np.testing.assert_array_equal(value, before[name])
