import numpy as np
import pytest

import tfp_lcma as lcma
from tests.eager import eagerly
from tfp_lcma.training.studies.inversion_drift import inversion_drift


@pytest.fixture(autouse=True)
def eager():
    """For so few calls no graph is worth its while."""
    with eagerly():
        yield


def model(**arguments):
    flow = lcma.models.glow((8, 8, 1), levels=2, steps=2, width=4, **arguments)
    built = lcma.FlowModel(flow)
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1)).astype("uint8")
    built.initialize(images, 0 if flow.conditions else None)
    random = np.random.default_rng(1)
    for variable in built.trainable_variables:
        variable.assign_add(0.02 * random.normal(size=variable.shape))
    return built


def test_drift_is_of_the_size_of_rounding_and_leaves_the_model_as_it_was():
    images = np.random.default_rng(2).integers(0, 256, (4, 8, 8, 1)).astype("uint8")
    single = model()
    before = single.get_weights()
    found = inversion_drift(single, images)
    assert len(found) == 2
    for level in found:
        assert 0 < level.input < 1e-4
        assert 0 < level.gradient < 1e-3
    assert single.flow.memory == "keep"
    for old, new in zip(before, single.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_double_precision_drifts_by_its_own_rounding():
    images = np.random.default_rng(2).integers(0, 256, (4, 8, 8, 1)).astype("uint8")
    for level in inversion_drift(model(dtype="float64"), images):
        assert level.input < 1e-12
        assert level.gradient < 1e-10


def test_conditional_model_is_refused():
    images = np.zeros((4, 8, 8, 1), np.uint8)
    with pytest.raises(ValueError, match="unconditional"):
        inversion_drift(model(conditions=3), images)
