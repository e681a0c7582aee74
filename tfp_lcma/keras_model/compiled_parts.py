"""A replica's own part of a step, compiled by XLA."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tfp_lcma.networks.scope import standing_in


def compiled_part(function: Callable, variables: Sequence[keras.Variable], *arguments):
    """Calls a function that XLA compiles for this replica's device.

    Keras would compile the step of all replicas as one, and XLA refuses variables of another
    device. Replicas cannot wait for each other in what is compiled: the variables that the function
    changes are assigned afterwards.

    Args:
        function: From tensors to a nest of tensors.
        variables: All that it may change.
        *arguments: Tensors, or nests of them.

    Raises:
        ValueError: If the replicas wait for each other in it.
    """

    def part(*arguments):
        with standing_in() as scope:
            found = function(*arguments)
        values = [scope.get_current_value(variable) for variable in variables]
        return found, values

    try:
        compiled = tf.function(part, jit_compile=True, autograph=False)
        found, values = compiled(*arguments)
    except RuntimeError as error:
        if "merge_call" not in str(error):
            raise
        raise ValueError(
            "jit_compile must be False on several replicas for a flow with statistics of the "
            "batch, such as batch normalisation or a learned shuffle of channels: compiled "
            "replicas cannot wait for each other; got jit_compile=True."
        ) from None
    for variable, value in zip(variables, values, strict=True):
        if value is not None:
            variable.assign(value)
    return found
