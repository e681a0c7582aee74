"""Matrix products that keep all digits of float32 on a GPU."""

import tensorflow as tf


def matmul(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Returns `a @ b`; of float32 factors it never is a product of TF32, which has three digits.

    A matrix of a flow undoes another one, and has the log-det of the one that is applied.
    TensorFlow sets the precision of all products at once, and networks do well in TF32: where
    it is on, this product is taken in float64. Beside a network's convolutions that is little.

    Args:
        a: `[..., m, k]`.
        b: `[..., k, n]`, of the same type.
    """
    if a.dtype != tf.float32 or not _is_rounded():
        return tf.matmul(a, b)
    return tf.cast(tf.matmul(tf.cast(a, tf.float64), tf.cast(b, tf.float64)), tf.float32)


def _is_rounded():
    tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
    return tf32 and bool(tf.config.list_physical_devices("GPU"))
