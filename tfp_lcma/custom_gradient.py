"""Functions with a gradient of their own, whose traces can be freed."""

from collections.abc import Callable, Sequence

import tensorflow as tf

# The tape's own hook: `tf.custom_gradient` stands on it too, but registers every trace for ever.
from tensorflow.python.eager import forwardprop_util, record
from tensorflow.python.ops import control_flow_util

_OP_TYPE = "TfpLcmaCustomGradient"
_KEPT_ON_GRAPH = "_tfp_lcma_gradients"
_NO_GRADIENT = "has no gradient here: it was traced elsewhere, as in a SavedModel that was loaded."

Gradient = Callable[..., Sequence[tf.Tensor | None]]


def with_gradient(
    function: Callable[..., Sequence[tf.Tensor]], gradient: Gradient, *inputs: tf.Tensor
) -> list[tf.Tensor]:
    """Evaluates a function and gives it a gradient.

    `tf.custom_gradient` registers the gradient of every trace under a name of its own and never
    forgets it, nor the graph that it closes over. Here one name is registered, and the gradient
    itself is kept by the graph in which the function was evaluated, so both are freed together.

    Args:
        function: From the inputs to a sequence of tensors. What it computes is
            recorded by no tape; variables must be read before and given as inputs.
        gradient: From the upstream gradients, one an output, to a sequence of one
            gradient an input, None where there is none.
        *inputs: Tensors.

    Returns:
        The outputs.
    """
    given = [tf.convert_to_tensor(tensor) for tensor in inputs]
    with record.stop_recording():
        outputs = [tf.convert_to_tensor(tensor) for tensor in function(*given)]
        if tf.executing_eagerly():
            outputs = [tf.identity(tensor) for tensor in outputs]
            originals = given
            pulled = gradient
        else:
            # The gradient of a graph goes by its operations: this one stands for the function.
            originals = [*outputs, *given]
            graph = tf.compat.v1.get_default_graph()
            with graph.gradient_override_map({"IdentityN": _OP_TYPE}):
                everything = tf.identity_n(originals)

            def pulled(*upstream):
                return [*([None] * len(outputs)), *gradient(*upstream[: len(outputs)])]

            kept = getattr(graph, _KEPT_ON_GRAPH, None)
            if kept is None:
                kept = {}
                setattr(graph, _KEPT_ON_GRAPH, kept)
            kept[everything[0].op.name] = pulled
    if tf.executing_eagerly():
        record.record_operation(_OP_TYPE, outputs, originals, pulled)
        return outputs
    record.record_operation(_OP_TYPE, everything, originals, pulled)
    return everything[: len(outputs)]


def gradient_is_compiled() -> bool:
    """Whether XLA will compile the function that is traced now, and a tape records it."""
    graph = tf.compat.v1.get_default_graph()
    return record.could_possibly_record() and control_flow_util.GraphOrParentsInXlaContext(graph)


def in_forward_mode(tensors: Sequence[tf.Tensor]) -> bool:
    """Whether a `tf.autodiff.ForwardAccumulator` follows one of these tensors."""
    return bool(forwardprop_util.pack_tangents(list(tensors)).indices)


def without_second_gradient(tensors: Sequence[tf.Tensor | None], why: str) -> list:
    """Returns tensors whose gradient raises a ValueError that says `why`; None stays None."""

    def refuse(*upstream):
        raise ValueError(why)

    present = [tensor for tensor in tensors if tensor is not None]
    guarded = iter(with_gradient(lambda *same: same, refuse, *present) if present else ())
    return [None if tensor is None else next(guarded) for tensor in tensors]


@tf.RegisterGradient(_OP_TYPE)
def _gradient_of(op, *upstream):
    if op is None:
        # What TensorFlow traces while it writes a SavedModel, apart from any graph.
        absent = tf.debugging.Assert(tf.constant(False), [_NO_GRADIENT])
        with tf.control_dependencies([absent]):
            return [tf.identity(gradient) for gradient in upstream]
    kept = getattr(op.graph, _KEPT_ON_GRAPH, {})
    if op.name not in kept:
        raise LookupError(f"{op.name} {_NO_GRADIENT}")
    return kept[op.name](*upstream)
