"""Images have their channels last, whatever Keras is set to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.registry import SHAPE, coupling
from tests.test_registry import PARTS, named
from tfp_lcma import factorizations
from tfp_lcma.bijectors import ChannelHalf
from tfp_lcma.testing.inputs import data


@pytest.fixture
def channels_first():
    """Keras as another project may have left it in ~/.keras/keras.json."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


# Every layer that computes: couplings by each network, exit priors, routers.
FLOWS = {
    "router": lambda: factorizations.EntropyInformed("invariant").bijector(0, SHAPE),
    **{
        f"{table} {name}": lambda table=table, name=name: (
            named(table, name)().bijector(0, SHAPE, (4, 4, 3), None, "float32")
            if table == "EXIT_PRIORS"
            else coupling(ChannelHalf(SHAPE), "float32", network=named(table, name)(8))
        )
        for table, name in PARTS
        if table != "COUPLINGS"
    },
}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_is_the_same_as_where_keras_has_channels_last(name, channels_first):
    flow = FLOWS[name]()
    keras.config.set_image_data_format("channels_last")
    expected = FLOWS[name]()
    for one, other in zip(flow.layers, expected.layers, strict=True):
        one.set_weights(other.get_weights())
    x, kept = data(flow, 3), tf.random.stateless_normal((3, 4, 4, 3), (1, 2))
    context = lcma.bijectors.Context(kept=kept, starting=True)
    keras.config.set_image_data_format("channels_first")
    got = flow.inverse_and_log_det(x, context=context)
    keras.config.set_image_data_format("channels_last")
    for one, other in zip(got, expected.inverse_and_log_det(x, context=context), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_users_network_of_the_other_format_is_refused_by_name(channels_first):
    network = keras.Sequential([keras.layers.Conv2D(2, 1)])
    with pytest.raises(ValueError, match="Conv2D of data_format='channels_first'"):
        coupling(ChannelHalf(SHAPE), "float32", network=network)
