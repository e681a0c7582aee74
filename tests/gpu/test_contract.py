"""Every flow of the registry keeps the contract on a GPU too."""

import pytest
import tensorflow as tf

from tests.bijectors.test_contract import CASES, CLASSES
from tests.checks import CHECKS, REPEATED_CHECKS, check_finite, check_round_trips
from tests.gpu.gpu import skip_without_gpu, tf32
from tests.registry import FLOWS, LOOPED, UNROLLED, built, data, steps_of

skip_without_gpu()


@pytest.fixture(autouse=True)
def _full_precision():
    with tf32(False):
        yield


@pytest.mark.parametrize(("name", "check"), CASES)
def test_flow_keeps_the_contract(name, check):
    CHECKS[check](built(name, "float64"))


@pytest.mark.parametrize("check", [check_round_trips, check_finite])
@pytest.mark.parametrize("name", CLASSES)
def test_flow_keeps_the_contract_in_float32(name, check):
    check(built(name, "float32"))


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
