"""The GPU that the tests of this folder run on."""

import contextlib

import pytest
import tensorflow as tf

_TF32 = tf.config.experimental.tensor_float_32_execution_enabled
_USE_TF32 = tf.config.experimental.enable_tensor_float_32_execution


def skip_without_gpu() -> None:
    """Skips the module that calls it where TensorFlow sees no GPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        pytest.skip("TensorFlow sees no GPU", allow_module_level=True)
    for gpu in gpus:
        # Several processes of tests share it.
        tf.config.experimental.set_memory_growth(gpu, True)


@contextlib.contextmanager
def tf32(used: bool):
    """Within this context float32 products are, or are not, taken in TF32."""
    before = _TF32()
    _USE_TF32(used)
    try:
        yield
    finally:
        _USE_TF32(before)
