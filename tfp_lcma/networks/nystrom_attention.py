"""Self-attention through a few landmarks: its cost grows with positions, not their square."""

import math

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

# Each cubes what the inverse is wrong by.
ITERATIONS = 6


@register
class NystromAttention(keras.layers.Layer):
    """One head of attention over positions, each seen through landmarks.

    ```none
    q, k, v = dense(x), of every position;  q', k' = means of q, k over runs of positions
    A = softmax(q k'^T / sqrt(w)),  B = softmax(q' k'^T / sqrt(w)),  C = softmax(q' k^T / sqrt(w))
    result  = dense(A B^+ C v + v)
    ```

    `w` is the head's width. The pseudo-inverse `B^+` is iterated, as published, each image's by
    itself, and in float64, which no device shortens; all else is in float32 at least.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.NystromAttention(filters=6, width=8)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 4, 4, 6)
    ```

    References:
        Xiong et al.: Nystromformer, sections 3.2 and 3.3 (without the convolution beside v).
    """

    def __init__(self, filters: int, width: int, landmarks: int = 4, **kwargs):
        """Creates the layer.

        Args:
            filters: Number of output channels.
            width: Number of channels of the head.
            landmarks: Number of landmarks; of fewer positions each is one.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        self.filters, self.width = filters, check_count(width, "width")
        self.landmarks = check_count(landmarks, "landmarks")
        self.dense_in = keras.layers.Dense(3 * width, dtype=self.dtype_policy)
        self.dense_out = keras.layers.Dense(filters, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.dense_in.build(input_shape)
        self.dense_out.build((*input_shape[:-1], self.width))
        self.built = True

    def call(self, inputs):
        height, width = inputs.shape[1:3]
        tokens = tf.reshape(self.dense_in(inputs), (-1, height * width, 3 * self.width))
        exact = tf.cast(tokens, tf.as_dtype(self.variable_dtype))
        q, k, v = tf.split(exact, 3, axis=-1)
        means = tf.constant(_means(height * width, self.landmarks), exact.dtype)
        few_q, few_k = means @ q, means @ k

        def attention(queries, keys):
            scores = tf.matmul(queries, keys, transpose_b=True)
            return tf.nn.softmax(scores / math.sqrt(self.width))

        inverse = _pseudo_inverse(tf.cast(attention(few_q, few_k), tf.float64))
        seen = inverse @ tf.cast(attention(few_q, k) @ v, tf.float64)
        out = attention(q, few_k) @ tf.cast(seen, exact.dtype) + v
        out = tf.cast(out, tokens.dtype)
        return self.dense_out(tf.reshape(out, (-1, height, width, self.width)))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "width": self.width,
            "landmarks": self.landmarks,
        }


def _means(positions, landmarks):
    """Returns the matrix that takes positions to the means of runs of them."""
    runs = np.array_split(np.eye(positions), min(landmarks, positions))
    return np.stack([run.mean(axis=0) for run in runs])


def _pseudo_inverse(matrix):
    """Returns the pseudo-inverses of `[batch, n, n]`, iterated."""
    identity = tf.eye(matrix.shape[-1], dtype=matrix.dtype)
    # Rows of a softmax sum to one.
    columns = tf.reduce_max(tf.reduce_sum(matrix, axis=-2), axis=-1)
    inverse = tf.transpose(matrix, (0, 2, 1)) / columns[:, None, None]
    for _ in range(ITERATIONS):
        product = matrix @ inverse
        inner = 15 * identity - product @ (7 * identity - product)
        inverse = inverse @ (13 * identity - product @ inner) / 4
    return inverse
