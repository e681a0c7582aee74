"""Checks of the values in every batch: those in a graph are part of it."""

import functools
import re
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from tfp_lcma.density.rows import are_conditions, are_intensities
from tfp_lcma.validation import condition_kind, intensity_range

# What `_refusal` says, wherever in the text of TensorFlow's errors.
_REFUSAL = re.compile(
    r"(images|condition|sample_weight)( must [^\n]*?(?: of a batch[^\n.]*|got dtype \w+)\.)"
)

# What TensorFlow says of a batch of images of another size.
_OTHER_SHAPE = re.compile(r"Shape of tensor \S+ \[([\d,]+)\] is not compatible with expected shape")

# What is refused in Python, where batches are made.
_IN_PYTHON = re.compile(r"^ *ValueError: (\S[^\n]* must [^\n]*)$", re.MULTILINE)

# The range of no numbers.
_NOTHING = (np.inf, -np.inf)


def checked_images(images: tf.Tensor, bins: int) -> tf.Tensor:
    """Returns images, if all of their numbers are intensities.

    Raises:
        ValueError: If one is not, in eager mode.
        tf.errors.InvalidArgumentError: The same in a graph, when it runs. What XLA
            compiles cannot raise.
    """
    if images.dtype == tf.uint8 and bins == 256:
        return images
    return _checked(images, are_intensities(images, bins), f"images must {intensity_range(bins)}")


def checked_condition(condition: tf.Tensor, conditions: int | tuple[int, ...]) -> tf.Tensor:
    """Returns what images are conditioned on, if it can be; raises as `checked_images`."""
    must = f"condition must {condition_kind(conditions)}"
    if isinstance(conditions, int) and not condition.dtype.is_integer:
        raise ValueError(f"{must}; got dtype {condition.dtype.name}.")
    return _checked(condition, are_conditions(condition, conditions), must)


def checked_weight(weight: tf.Tensor) -> tf.Tensor:
    """Returns weights of images, if they are finite; raises as `checked_images`."""
    if not weight.dtype.is_floating:
        return weight
    return _checked(weight, tf.math.is_finite(weight), "sample_weight must be finite")


def checked_rows(values: tf.Tensor, images: tf.Tensor, argument: str) -> tf.Tensor:
    """Returns what stands beside images, if there is a row for each; raises as `checked_images`.

    What XLA compiles raises TensorFlow's own error.
    """
    count, images_count = tf.shape(values)[0], tf.shape(images)[0]
    if compiled_by_xla():
        return tf.reshape(values, tf.concat([[images_count], tf.shape(values)[1:]], axis=0))
    must = f"{argument} must hold a row for each of {{}} images of a batch; got {{}}."
    return _unless(
        count == images_count, values, lambda: tf.strings.format(must, (images_count, count))
    )


class SeenRange:
    """The range of the images of a pass, by which scaled ones are known when it is over.

    With several replicas the first one's images count.
    """

    def __init__(self):
        """Starts with nothing seen; under a strategy, within its scope."""
        # No part of a model's weights, so that files and exports hold nothing of it.
        self._range = tf.Variable(
            _NOTHING,
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def clear(self) -> None:
        """Forgets what was seen."""
        self._range.assign(_NOTHING)

    def note(self, images: tf.Tensor) -> None:
        """Widens the range by a batch's."""
        low, high = (tf.cast(f(images), tf.float32) for f in (tf.reduce_min, tf.reduce_max))
        lowest, highest = tf.unstack(self._range)
        self._range.assign([tf.minimum(lowest, low), tf.maximum(highest, high)])

    @property
    def values(self) -> tuple[float, float]:
        """The lowest and the highest number; the lowest is infinite if there was none."""
        low, high = self._range.numpy()
        return float(low), float(high)


def compiled_by_xla() -> bool:
    """Whether XLA will compile the function that is traced now."""
    graph = tf.compat.v1.get_default_graph()
    return not tf.executing_eagerly() and control_flow_util.GraphOrParentsInXlaContext(graph)


def naming(function: Callable, names: Callable[[], Mapping[str, str]]) -> Callable:
    """Returns a function that calls what it refuses as its caller does, in a ValueError.

    Args:
        function: Runs a model, eagerly or not.
        names: Returns what "images", "condition" and "sample_weight" are called.
    """

    @functools.wraps(function)
    def named(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            sentence = _refused(str(error), names())
            if sentence is None:
                raise
        # Outside, so that pages about nodes and functions of TensorFlow are not shown before it.
        raise ValueError(sentence)

    return named


def _refused(text, names):
    """Returns the sentence about what was refused of an error's text; None: nothing was."""
    if in_python := _IN_PYTHON.search(text):
        return in_python.group(1)
    if refusal := _REFUSAL.search(text):
        argument, sentence = refusal.groups()
        return names[argument] + sentence
    if other := _OTHER_SHAPE.search(text):
        return (
            f"{names['images']} must have one shape in all batches; got a batch [{other.group(1)}]."
        )
    return None


def _checked(values, valid, must):
    if compiled_by_xla():
        return values
    return _unless(tf.reduce_all(valid), values, lambda: _refusal(values, valid, must))


def _unless(sound, values, sentence):
    """Returns values if a boolean is true; else raises the sentence, which a function composes."""
    if tf.executing_eagerly():
        if not sound:
            raise ValueError(sentence().numpy().decode())
        return values

    def refuse():
        # Composed only if it is needed; strings, and assertions that assert, are the CPU's.
        with tf.device("CPU:0"):
            refused = tf.debugging.Assert(False, [sentence()])
        with tf.control_dependencies([refused]):
            return tf.constant(False)

    with tf.control_dependencies([tf.cond(sound, lambda: sound, refuse)]):
        return tf.identity(values)


def _refusal(values, valid, must):
    """Returns the sentence about the first value that is not valid, a string tensor."""
    # Not by `~valid`: TensorFlow's optimiser makes `x >= 256` of `not (x < 256)`, false of NaN.
    first = tf.argmin(tf.cast(tf.reshape(valid, (-1,)), tf.int32))
    row, *place = tf.unstack(tf.unravel_index(first, tf.shape(values, tf.int64)))
    got = f"{must}; got {{}} in row {{}} of a batch"
    value = tf.reshape(values, (-1,))[first]
    if not place:
        return tf.strings.format(got + ".", (value, row))
    return tf.strings.format(got + ", at {}.", (value, row, tf.stack(place)))
