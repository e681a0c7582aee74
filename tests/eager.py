"""Functions that run without being traced."""

import contextlib
import warnings

import tensorflow as tf


@contextlib.contextmanager
def eagerly():
    """Runs functions as they stand: for a few calls no graph is worth its while."""
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            # Of data sets, whose functions are traced all the same.
            warnings.filterwarnings("ignore", "Even though the `tf.config")
            yield
    finally:
        tf.config.run_functions_eagerly(False)
