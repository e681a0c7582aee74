"""What all tests share: how often Python looks for garbage, and what Keras calls layers."""

import gc

import pytest
from keras.src.utils import naming


def pytest_collection_finish():
    """Looks for garbage seldom.

    TensorFlow's and Keras' modules are a million objects that stay, and building a flow makes
    a hundred thousand more: the collector, at its usual pace, took a sixth of the tests' time.
    """
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True)
def names_from_the_start():
    """Lets Keras number layers from the start in every test.

    TensorFlow makes and keeps a kernel for every name of a variable: half of the time that a new
    variable takes. Of a name that was there before it has one.
    """
    naming.reset_uids()
