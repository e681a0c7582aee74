"""What all tests share: nothing but how often Python looks for garbage."""

import gc


def pytest_collection_finish():
    """Looks for garbage seldom, and never among what was imported.

    TensorFlow's and Keras' modules are millions of objects that stay, and building a flow makes
    a hundred thousand more: the collector, at its usual pace, took a sixth of the tests' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
