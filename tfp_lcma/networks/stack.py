"""Variables of many alike layers, stacked along a leading axis."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf


class Stack(keras.layers.Layer):
    """Holds one variable for every name, `[copies, ...]`, slice k of which is copy k's.

    A stacked variable inherits what its copies have: whether it is trained, type,
    aggregation, regulariser and constraint, the last two slice by slice.

    Attributes:
        names: What the variables are called.
        stacked: The stacked variables, in the order of the names.
        start_flags: Those that say whether a data-dependent start was made.
    """

    def __init__(
        self,
        copies: Mapping[str, Sequence[keras.Variable]],
        start_flags: Sequence[str] = (),
        **kwargs,
    ):
        """Stacks variables.

        Args:
            copies: For every name the copies' variables, alike in shape and type.
            start_flags: Names of flags of data-dependent starts.
            **kwargs: Of `keras.layers.Layer`.
        """
        super().__init__(**kwargs)
        named = {name: self._stacked(name, variables) for name, variables in copies.items()}
        self.names, self.stacked = list(named), list(named.values())
        self.start_flags = [named[name] for name in start_flags]
        self.built = True

    def _stacked(self, name, variables):
        first = variables[0]
        values = np.stack([variable.numpy() for variable in variables])
        return self.add_weight(
            values.shape,
            initializer=lambda shape, dtype=None: tf.constant(values, dtype),
            dtype=first.dtype,
            trainable=first.trainable,
            regularizer=first.regularizer and SliceWiseRegularizer(first.regularizer),
            constraint=first.constraint and SliceWiseConstraint(first.constraint),
            aggregation=first.aggregation,
            name=name,
        )


class SliceWiseRegularizer(keras.regularizers.Regularizer):
    """The sum of a regulariser over the slices of a stacked variable."""

    def __init__(self, regularizer: keras.regularizers.Regularizer):
        """Applies `regularizer` to every slice."""
        self.regularizer = regularizer

    def __call__(self, stacked):
        return tf.add_n(
            [self.regularizer(one) for one in tf.unstack(tf.convert_to_tensor(stacked))]
        )

    def get_config(self):
        return {"regularizer": keras.regularizers.serialize(self.regularizer)}


class SliceWiseConstraint(keras.constraints.Constraint):
    """A constraint on every slice of a stacked variable."""

    def __init__(self, constraint: keras.constraints.Constraint):
        """Applies `constraint` to every slice."""
        self.constraint = constraint

    def __call__(self, stacked):
        return tf.stack([self.constraint(one) for one in tf.unstack(tf.convert_to_tensor(stacked))])

    def get_config(self):
        return {"constraint": keras.constraints.serialize(self.constraint)}


def refuse_losses(
    scope: keras.StatelessScope, where: str, layers: Sequence[keras.layers.Layer]
) -> None:
    """Raises a ValueError if a layer added a loss, which such a scope would lose.

    Args:
        scope: The scope that a pass was in.
        where: What it was a pass through.
        layers: The layers that it went through.
    """
    if scope.losses:
        added = {id(loss) for loss in scope.losses}
        inner = (one for layer in layers for one in layer._flatten_layers())
        names = {f"{type(one).__name__} {one.name!r}" for one in inner if one._loss_ids & added}
        raise ValueError(
            f"{where} must hold no layer that calls add_loss(): the loss would be lost; got "
            f"{len(scope.losses)} such losses, of {', '.join(sorted(names))}. Add them between the "
            "levels instead."
        )
