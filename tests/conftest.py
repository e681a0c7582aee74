"""What all tests share: how often Python looks for garbage, and what Keras calls layers."""

import gc

import pytest


def pytest_collection_finish():
    """Looks for garbage seldom, and not among what TensorFlow and Keras import, which stays.

    Building a flow makes many objects: at its usual pace the collector took a seventh of the time
    of tests that build flows, and `keras.utils.clear_session` a third of a second of every run.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True)
def names_from_the_start():
    """Lets Keras number layers from the start in every test.

    TensorFlow makes and keeps a kernel for every name of a variable: half of the time that a new
    variable takes. Of a name that was there before it has one.
    """
    from keras.src.utils import naming  # not imported by the process that hands out the tests

    naming.reset_uids()
