"""The arguments that all models share: networks, transforms, memory, loops, conditions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.registry import Ours, OursGivenTwoNumbers, shift_and_scale
from tests.seeds import seed_initializers
from tests.toys import pictures
from tfp_lcma.bijectors import Coupling, Repeated
from tfp_lcma.bijectors.transforms import (
    Additive,
    Affine,
    MixtureLogistic,
    RationalQuadratic,
    Scalar,
    SigmoidAffine,
)
from tfp_lcma.models import eiw_flow, glow, jet, mar_scf, real_nvp, residual_flow
from tfp_lcma.networks import (
    Convolutional,
    ConvolutionalNetwork,
    DenseNetwork,
    Gated,
    GatedNetwork,
    Residual,
    ResidualNetwork,
    Transformer,
    TransformerNetwork,
)
from tfp_lcma.testing.compare import close
from tfp_lcma.testing.configuration import check_configuration
from tfp_lcma.testing.inputs import data, move_weights

SHAPE = (4, 4, 1)
# With affine couplings where it has a choice, one step a level.
COUPLED = {
    "real_nvp": (real_nvp, {"blocks": 1}),
    "glow": (glow, {"steps": 1}),
    "mar_scf": (mar_scf, {"steps": 1, "blocks": 1, "hidden": 2, "coupling": "affine"}),
    "eiw_flow": (eiw_flow, {"steps": 1, "blocks": 1}),
    "jet": (jet, {"patch": 2, "couplings": 2, "blocks": 1}),
}
MODELS = COUPLED | {"residual_flow": (residual_flow, {"steps": 1, "log_det": "exact"})}


def built(model, **arguments):
    seed_initializers(0)
    kind, own = MODELS[model]
    return kind(SHAPE, **{"levels": 2, "width": 4, "dtype": "float64"} | own | arguments)


def label(value):
    return value.__name__ if isinstance(value, type) else str(value)


def couplings(flow):
    return [part for part in flow.kinds if isinstance(part, Coupling)]


def check_round_trip(flow, tolerance=1e-8, **condition):
    move_weights(flow, 0.1, seed=1)
    x = data(flow, 2)
    z, log_det = flow.inverse_and_log_det(x, **condition)
    back, log_det_back = flow.forward_and_log_det(z, **condition)
    close(back, x, tolerance, "round trip")
    close(log_det_back, -log_det, tolerance, "log-det")


# --- networks ---


NETWORKS = {
    "residual": ResidualNetwork,
    "convolutional": ConvolutionalNetwork,
    "gated": GatedNetwork,
    "transformer": TransformerNetwork,
    "densenet": DenseNetwork,
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("model", COUPLED)
def test_a_network_may_be_named(model, name):
    flow = built(model, levels=1, network=name)
    assert {type(part.network) for part in couplings(flow)} == {NETWORKS[name]}
    assert couplings(flow)[0].network.width == 4


# Any network in any coupling is exact: the contract. Here every model takes one, by its argument.
@pytest.mark.parametrize(
    ("model", "specification", "kind"),
    [
        ("real_nvp", Convolutional(3), ConvolutionalNetwork),
        ("glow", Residual(3, 1), ResidualNetwork),
        ("mar_scf", Transformer(6, 1, heads=2), TransformerNetwork),
        ("eiw_flow", Gated(6, 1, heads=2), GatedNetwork),
        ("jet", Convolutional(3), ConvolutionalNetwork),
    ],
    ids=label,
)
def test_a_network_may_be_specified(model, specification, kind):
    flow = built(model, network=specification)
    for part in couplings(flow):
        assert type(part.network) is kind
        assert part.network.width == specification.width
    check_round_trip(flow)


@pytest.mark.parametrize("model", COUPLED)
def test_a_network_may_be_a_users_layer_class(model):
    flow = built(model, levels=1, network=Ours)
    assert {type(part.network) for part in couplings(flow)} == {Ours}
    check_round_trip(flow)
    check_configuration(flow)


@pytest.mark.parametrize("model", COUPLED)
def test_a_users_layer_class_may_be_conditioned(model):
    flow = built(model, levels=1, network=OursGivenTwoNumbers, conditions=(2,))
    condition = np.array([[0.0, 1.0], [2.0, 0.0]])
    check_round_trip(flow, condition=condition)
    x = data(flow, 2)
    one, other = (flow.inverse_and_log_det(x, c)[0] for c in (condition, condition[::-1]))
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("model", COUPLED)
def test_networks_that_are_none_are_refused(model):
    names = "densenet, residual, convolutional, gated, transformer"
    with pytest.raises(ValueError, match=f"network must be .* one of {names}; got 'dense'"):
        built(model, network="dense")
    with pytest.raises(ValueError, match="every coupling gets a layer of its own; got one layer"):
        built(model, network=keras.layers.Conv2D(8, 3, padding="same"))
    with pytest.raises(ValueError, match=r"network must be a specification, .*; got int"):
        built(model, network=3)


# --- transforms ---


TRANSFORMS = {
    "affine": Affine,
    "sigmoid_affine": SigmoidAffine,
    "additive": Additive,
    "rational_quadratic": RationalQuadratic,
    "mixture_logistic": MixtureLogistic,
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("model", COUPLED)
def test_a_transform_may_be_named(model, name):
    flow = built(model, levels=1, coupling=name)
    assert {type(part.transform) for part in couplings(flow)} == {TRANSFORMS[name]}


@pytest.mark.parametrize(
    ("model", "coupling"),
    [
        ("real_nvp", MixtureLogistic(2)),
        ("glow", RationalQuadratic(3, 2.0)),
        ("mar_scf", Additive()),
        ("eiw_flow", Scalar(shift_and_scale, 2)),
        ("jet", Affine()),
    ],
    ids=label,
)
def test_a_transform_may_be_given(model, coupling):
    flow = built(model, coupling=coupling)
    for part in couplings(flow):
        assert type(part.transform) is type(coupling)
        assert part.transform.get_config() == coupling.get_config()
    check_round_trip(flow)


@pytest.mark.parametrize("model", COUPLED)
def test_an_unknown_transform_is_refused(model):
    names = "affine, sigmoid_affine, additive, mixture_logistic, rational_quadratic"
    with pytest.raises(ValueError, match=f"a transform or one of {names}; got 'cubic'"):
        built(model, coupling="cubic")


# --- memory and loops ---


def gradients(flow):
    variables = flow.trainable_variables
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(lcma.FlowDistribution(flow).log_prob(data(flow, 3)))
    return tape.gradient(loss, variables, unconnected_gradients="zero")


@pytest.mark.parametrize("model", MODELS)
def test_names_of_factorizations_and_priors_are_refused(model):
    with pytest.raises(ValueError, match=r"factorization must be a Factorization.*got 'channel'"):
        built(model, factorization="channel")
    with pytest.raises(ValueError, match=r"exit_prior must be an ExitPrior.*got 'gaussian'"):
        built(model, exit_prior="gaussian")


@pytest.mark.parametrize("model", MODELS)
def test_memory_is_chosen_when_building_or_later_and_changes_no_gradient(model):
    flow = built(model)
    assert flow.memory == "keep"
    move_weights(flow, 0.1, seed=1)
    kept = gradients(flow)
    flow.memory = "invert"
    assert flow.memory == "invert"
    for got, expected in zip(gradients(flow), kept, strict=True):
        close(got, expected, 1e-8, "gradient")
    assert built(model, memory="invert").memory == "invert"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("memory", ["recompute", None, True])
def test_an_unknown_memory_is_refused_when_building_and_later(model, memory):
    message = f'memory must be "keep" or "invert"; got {memory!r}'
    with pytest.raises(ValueError, match=message):
        built(model, levels=1, memory=memory)
    if model == "glow":
        flow = built(model, memory="invert")
        with pytest.raises(ValueError, match=message):
            flow.memory = memory
        assert flow.memory == "invert"


def test_memory_is_saved_with_a_model_and_may_be_changed_after_loading(tmp_path):
    model = lcma.FlowModel(built("glow", memory="invert", dtype="float32"))
    model.initialize(pictures(16))
    model.save(tmp_path / "glow.keras")
    copy = keras.saving.load_model(tmp_path / "glow.keras")
    assert copy.flow.memory == "invert"
    images = pictures(4)
    before = copy.log_prob(images)
    inverted = gradients(copy.flow)
    copy.flow.memory = "keep"
    assert copy.flow.memory == "keep"
    for got, expected in zip(gradients(copy.flow), inverted, strict=True):
        close(got, expected, 1e-4, "gradient")
    np.testing.assert_allclose(copy.log_prob(images), before, rtol=1e-6)
    np.testing.assert_allclose(before, model.log_prob(images), rtol=1e-6)


@pytest.mark.parametrize("unroll", [True, False, None])
@pytest.mark.parametrize("model", MODELS)
def test_steps_are_unrolled_as_asked_for(model, unroll):
    runs = [
        part for part in built(model, levels=1, unroll=unroll).parts if isinstance(part, Repeated)
    ]
    assert runs
    assert {run.unroll for run in runs} == {unroll}


# --- conditions ---


# Of the residual flow, which has no couplings, in the tests of its own.
@pytest.mark.parametrize(
    ("model", "conditions"),
    [
        ("real_nvp", 3),
        ("real_nvp", (2,)),
        ("glow", (2,)),
        ("mar_scf", 3),
        ("eiw_flow", (2,)),
        ("jet", 3),
    ],
    ids=str,
)
def test_a_condition_moves_its_own_image_alone(model, conditions):
    flow = built(model, conditions=conditions)
    assert flow.conditions == conditions
    one, other = ([0, 1], [0, 2]) if conditions == 3 else (np.eye(2), np.eye(2)[[0, 0]])
    check_round_trip(flow, condition=np.array(one))
    x = data(flow, 2)
    first, second = (flow.inverse_and_log_det(x, np.array(c))[0] for c in (one, other))
    difference = np.abs(first - second).max(axis=(1, 2, 3))
    assert difference[0] < 1e-12
    assert difference[1] > 1e-4
    with pytest.raises(ValueError, match="condition must be given to a flow with conditions="):
        flow.inverse_and_log_det(x)
