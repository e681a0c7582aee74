"""Fixed points of contractions, row by row."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfp_lcma.custom_gradient import with_gradient


def fixed_point(
    contraction: Callable[[tf.Tensor], tf.Tensor],
    start: tf.Tensor,
    tolerance: float,
    max_iterations: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Iterates x <- contraction(x) until every row has come to rest.

    A row rests as soon as a step moves no entry by more than `tolerance * max(1, its largest
    entry)`, and is then left alone: its answer does not depend on the rows beside it. At a
    Lipschitz constant c the answer is within c / (1 - c) such steps of the fixed point.

    Args:
        contraction: Maps `[batch, height, width, channels]` to the same shape,
            every row by itself.
        start: Where to begin.
        tolerance: Relative size of a step that counts as none.
        max_iterations: The most steps.

    Returns:
        The last iterate, and a boolean `[batch]`, whether the row came to rest.
    """

    def step(x, resting):
        moved = contraction(x)
        size = tf.maximum(tf.ones((), x.dtype), _largest(moved))
        # Comparisons with NaN are false: a row that is no longer finite rests too.
        moves = _largest(moved - x) > tolerance * size
        x = tf.where(tf.reshape(resting, (-1, 1, 1, 1)), x, moved)
        return x, resting | ~moves

    none_yet = tf.zeros(tf.shape(start)[:1], tf.bool)
    none_yet.set_shape(start.shape[:1])
    x, resting = tf.while_loop(
        lambda x, resting: ~tf.reduce_all(resting),
        step,
        (start, none_yet),
        maximum_iterations=max_iterations,
    )
    return x, resting & tf.math.is_finite(_largest(x))


def with_implicit_gradient(
    x: tf.Tensor, pull: Callable[[tf.Tensor], tf.Tensor], tolerance: float, max_iterations: int
) -> tf.Tensor:
    """Turns the gradient of one step of x = z - g(x) into that of its fixed point.

    Backward it solves `w = u - J^T w`, the same kind of iteration; a row whose
    gradient is not found gets NaN.

    Args:
        x: `z - g(root)`, differentiable in z and the weights of g, at the root.
        pull: `w -> w^T J` at the root, without a gradient.
        tolerance: As for `fixed_point`.
        max_iterations: As for `fixed_point`.
    """

    def gradient(upstream):
        # Relative to the largest entry, however small gradients are.
        size = tf.reshape(_largest(upstream), (-1, 1, 1, 1))
        unit = tf.math.divide_no_nan(upstream, size)
        w, found = fixed_point(lambda w: unit - pull(w), unit, tolerance, max_iterations)
        return [size * mark_lost(w, found)]

    return with_gradient(lambda x: [x], gradient, x)[0]


def mark_lost(x: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    """Returns `x` with NaN in the rows that were not found."""
    return tf.where(tf.reshape(found, (-1, 1, 1, 1)), x, tf.constant(np.nan, x.dtype))


def _largest(x: tf.Tensor) -> tf.Tensor:
    """The largest absolute entry of every row, `[batch]`."""
    return tf.reduce_max(tf.abs(x), axis=(1, 2, 3))
