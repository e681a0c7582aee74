"""Gradients of a batch that replicas share, applied as one process applies those of all of it."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from tfp_lcma.batch_statistics import batch_is_shared


def check_optimizer(optimizer: keras.optimizers.Optimizer, replicas: int) -> None:
    """Refuses what gradients cannot be accumulated with on several replicas.

    Raises:
        ValueError: If the optimizer, beside accumulating, averages weights or scales its loss.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if replicas == 1 or not inner.gradient_accumulation_steps:
        return
    for found, what in ((inner.use_ema, "use_ema=True"), (inner is not optimizer, "loss scaling")):
        if found:
            raise ValueError(
                "optimizer must not have gradient_accumulation_steps beside "
                f"{what} on several replicas; got gradient_accumulation_steps="
                f"{inner.gradient_accumulation_steps} on {replicas} replicas."
            )


def batches_seen(optimizer: keras.optimizers.Optimizer) -> keras.Variable:
    """Returns how many batches gradients were taken of, which one update may be the mean of."""
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor | None],
    variables: Sequence[keras.Variable],
    beside: tf.Tensor,
) -> tf.Tensor:
    """Applies a replica's share of gradients, after adding up those of all replicas.

    Keras adds them up at the end: it clips every replica's own, refuses types that differ, and
    accumulates within a condition, in which replicas cannot wait for each other.

    Args:
        optimizer: By which they are applied.
        gradients: Of this replica's share of the loss; None for a variable that has none.
        variables: In the order of the gradients.
        beside: Another number that every replica has one of: it costs nothing to add it up with
            the gradients, and a wait of its own to add it up alone.

    Returns:
        The sum of `beside` over all replicas.
    """
    if not batch_is_shared():
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return beside
    pairs = zip(gradients, variables, strict=True)
    found = [(gradient, v) for gradient, v in pairs if gradient is not None]
    trained = [variable for _, variable in found]

    def update(strategy, total):
        with _summed_already(optimizer) as accumulates:
            if accumulates:
                _accumulate(strategy, optimizer, total, trained, accumulates)
            else:
                strategy.extended.call_for_each_replica(optimizer.apply, (total, trained))

    *total, beside = _sum_over_replicas([*(gradient for gradient, _ in found), beside])
    tf.distribute.get_replica_context().merge_call(update, args=(total,))
    return beside


def _sum_over_replicas(tensors):
    replica, total = tf.distribute.get_replica_context(), list(tensors)
    for dtype in sorted({tensor.dtype for tensor in tensors}, key=str):
        places = [i for i, tensor in enumerate(tensors) if tensor.dtype == dtype]
        sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, [tensors[i] for i in places])
        for place, one in zip(places, sums, strict=True):
            total[place] = one
    return total


@contextlib.contextmanager
def _summed_already(optimizer) -> Iterator[int | None]:
    """Has Keras neither sum nor accumulate gradients; yields over how many steps they would be."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    steps = inner.gradient_accumulation_steps
    inner._all_reduce_sum_gradients = list
    inner.gradient_accumulation_steps = None
    try:
        yield steps
    finally:
        inner.gradient_accumulation_steps = steps
        del inner._all_reduce_sum_gradients


def _accumulate(strategy, optimizer, gradients, variables, steps):
    """Updates variables by the mean of the gradients of some steps, in the last of them."""
    gathered = [
        optimizer._accumulated_gradients[optimizer._get_variable_index(v)] for v in variables
    ]

    def gather():
        for one, gradient in zip(gathered, gradients, strict=True):
            one.value.assign_add(gradient)
        optimizer._iterations.assign_add(1)

    def apply(gradients):
        means = [(g + one.value) / steps for g, one in zip(gradients, gathered, strict=True)]
        optimizer.apply(means, variables)

    def update():
        strategy.extended.call_for_each_replica(apply, (gradients,))
        for one in gathered:
            one.value.assign(tf.zeros_like(one.value))

    tf.cond(optimizer._iterations.value % steps == steps - 1, update, gather)
