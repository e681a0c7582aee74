"""What an operation of a graph calls: a loop's body and how often, a function, branches."""

from typing import NamedTuple

import tensorflow as tf


class Call(NamedTuple):
    """A graph that an operation runs.

    Attributes:
        graph: what is run.
        times: how often; of a loop that stops by what it computes, at most; None: no bound is
            known.
    """

    graph: tf.Graph
    times: int | None


def calls_of(op: tf.Operation) -> list[Call]:
    """Returns what an operation calls; of branches, all of which one is taken."""
    if op.type in ("While", "StatelessWhile"):
        return [Call(_graph(op, "body"), _iterations(op))]
    if op.type in ("PartitionedCall", "StatefulPartitionedCall"):
        return [Call(_graph(op, "f"), 1)]
    if op.type in ("If", "StatelessIf"):
        return [Call(_graph(op, name), 1) for name in ("then_branch", "else_branch")]
    if op.type in ("Case", "StatelessCase"):
        return [Call(_found(op, branch.name), 1) for branch in op.get_attr("branches")]
    return []


def is_loop(op: tf.Operation) -> bool:
    """Whether an operation is a loop."""
    return op.type in ("While", "StatelessWhile")


def _iterations(op):
    # TensorFlow's loops begin with their counter and the most iterations, or -1. The gradient's
    # loop is as long as the loop whose counter it is given.
    counter, most = op.inputs[0], op.inputs[1]
    value = tf.get_static_value(most)
    if value is not None:
        return int(value) if value >= 0 else None
    for tensor in (most, counter):
        if is_loop(tensor.op):
            return _iterations(tensor.op)
    return None


def _graph(op, attribute):
    return _found(op, op.get_attr(attribute).name)


def _found(op, name):
    graph = op.graph
    while graph is not None:
        if name in graph._functions:
            return graph._functions[name].graph
        graph = getattr(graph, "outer_graph", None)
    raise ValueError(f"graph must hold the function {name} of {op.name}.")
