"""Floating-point operations of a graph: those of its convolutions and matrix products."""

import math
from typing import NamedTuple

import tensorflow as tf

from tfp_lcma.training.studies.cost.calls import calls_of


class Flops(NamedTuple):
    """Operations of a graph.

    Attributes:
        total: multiplications and additions, of loops as often as they run or, where that is
            decided by what they compute, as often as they may.
        unbounded: loops of which no bound is known; they are counted as if they ran once.
    """

    total: int
    unbounded: int


def flops(graph: tf.Graph) -> Flops:
    """Returns the floating-point operations of a graph whose shapes are known.

    A product of matrices `[m, k]` and `[k, n]` counts as `2 m k n`, a convolution as the product
    that it stands for; what is done element by element, and decompositions of small matrices, are
    not counted. Of branches the most expensive counts.

    Args:
        graph: of a concrete function, for example.

    Raises:
        ValueError: the shape of a product is not known.
    """
    total = unbounded = 0
    for op in graph.get_operations():
        if op.type in _OWN:
            total += _OWN[op.type](op)
        found = [(flops(call.graph), call.times) for call in calls_of(op)]
        if found:
            inside, times = max(found, key=lambda pair: pair[0].total)
            total += inside.total * (1 if times is None else times)
            unbounded += inside.unbounded + (times is None and inside.total > 0)
    return Flops(total, unbounded)


def _size(tensor: tf.Tensor) -> int:
    shape = tensor.shape
    if not shape.is_fully_defined():
        raise ValueError(f"graph must be of known shapes; got {shape} of {tensor.name}.")
    return math.prod(shape)


def _forward(op):
    return _of_kernel(op.inputs[1], op.outputs[0])


def _to_input(op):
    return _of_kernel(op.inputs[1], op.inputs[2])


def _to_kernel(op):
    return _of_kernel(op.outputs[0], op.inputs[2])


def _of_kernel(kernel, result):
    height, width, inputs, _ = kernel.shape
    return 2 * _size(result) * height * width * inputs


def _depthwise(op):
    height, width, _, _ = op.inputs[1].shape
    return 2 * _size(op.outputs[0]) * height * width


def _product(op):
    transposed = "transpose_a" if op.type == "MatMul" else "adj_x"
    summed = op.inputs[0].shape[-2 if op.get_attr(transposed) else -1]
    return 2 * _size(op.outputs[0]) * summed


def _einsum(op):
    sides: dict[str, int] = {}
    labels = op.get_attr("equation").decode().split("->")[0].split(",")
    for names, tensor in zip(labels, op.inputs, strict=True):
        if "..." in names:
            before, after = names.split("...")
            dots = tensor.shape.rank - len(before) - len(after)
            names = [*before, *(f"...{i}" for i in range(-dots, 0)), *after]
        _size(tensor)
        sides.update(zip(names, tensor.shape, strict=True))
    return 2 * math.prod(sides.values())


_OWN = {
    "Conv2D": _forward,
    "Conv2DBackpropInput": _to_input,
    "Conv2DBackpropFilter": _to_kernel,
    "DepthwiseConv2dNative": _depthwise,
    "MatMul": _product,
    "BatchMatMulV2": _product,
    "BatchMatMulV3": _product,
    "Einsum": _einsum,
}
