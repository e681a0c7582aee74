"""Values that stand in for variables while a part of a model runs."""

import contextlib
from collections.abc import Iterable, Iterator

import keras
import tensorflow as tf


@contextlib.contextmanager
def standing_in(
    values: Iterable[tuple[keras.Variable, tf.Tensor]] = (),
) -> Iterator[keras.StatelessScope]:
    """Within this context Keras variables have the given values.

    An assignment changes the value in this context alone. What an outer context
    lends to other variables stays in force, which Keras' own scopes would hide.

    Yields:
        The scope; `scope.get_current_value(variable)` is a variable's value as
        assignments left it.
    """
    with keras.StatelessScope(state_mapping=values, collect_losses=True) as scope:
        if scope.original_scope is not None:
            scope.state_mapping = {**scope.original_scope.state_mapping, **scope.state_mapping}
        yield scope
