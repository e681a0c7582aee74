"""Every flow of the registry keeps the contract on a GPU too."""

import pytest
import tensorflow as tf

from tests.bijectors.test_contract import CLASSES, checks_of
from tests.checks import REPEATED_CHECKS
from tests.gpu.gpu import skip_without_gpu, tf32
from tests.registry import FLOWS, LOOPED, UNROLLED, built, steps_of
from tfp_lcma.testing import assert_flow_contract
from tfp_lcma.testing.inputs import data

skip_without_gpu()


@pytest.fixture(autouse=True)
def _full_precision():
    with tf32(False):
        yield


@pytest.mark.parametrize("name", FLOWS)
def test_flow_keeps_the_contract(name):
    assert_flow_contract(built(name, "float64"), properties=checks_of(name), perturb=False)


@pytest.mark.parametrize("name", CLASSES)
def test_flow_keeps_the_contract_in_float32(name):
    flow = built(name, "float32")
    assert_flow_contract(flow, properties=["round_trips", "finite"], perturb=False)


@pytest.mark.parametrize("check", REPEATED_CHECKS)
@pytest.mark.parametrize("name", [*LOOPED, *UNROLLED])
def test_repeated_steps_are_the_steps(name, check):
    flow = built(name, "float64")
    REPEATED_CHECKS[check](flow, steps_of(flow, (LOOPED | UNROLLED)[name]))


@pytest.mark.parametrize("name", FLOWS)
def test_flow_computes_on_the_gpu(name):
    flow = built(name, "float64")
    traced = tf.function(flow.inverse_and_log_det, autograph=False)
    for result in (*flow.inverse_and_log_det(data(flow, 2)), *traced(data(flow, 2))):
        assert "GPU" in result.device
