"""The peak of a graph's memory: its operations in their order, each result until its last use.

Buffers are shared where TensorFlow shares them: reshapes, reads, slices that are lent to a loop,
and results that are written over an operand that nobody needs any more.
"""

import math

import tensorflow as tf

from tfp_lcma.training.studies.cost.calls import calls_of, is_loop

# What passes its inputs on as they are.
_SHARING = {
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "CheckNumerics", "EnsureShape",
    "Reshape", "Squeeze", "ExpandDims", "ReadVariableOp", "TensorListFromTensor",
}  # fmt: skip
# What writes over an operand of its size that nobody needs any more.
_IN_PLACE = {
    "Abs", "Add", "AddN", "AddV2", "BiasAdd", "Elu", "EluGrad", "Exp", "Expm1", "Floor", "Log",
    "Log1p", "Maximum", "Minimum", "Mul", "Neg", "RealDiv", "Relu", "ReluGrad", "Rsqrt", "Select",
    "SelectV2", "Sigmoid", "SigmoidGrad", "Sign", "Softplus", "SoftplusGrad", "Sqrt", "Square",
    "Sub", "Tanh", "TanhGrad", "ZerosLike",
}  # fmt: skip
# What is there before, or lent by a list.
_NOT_OWN = {"Placeholder", "Const", "TensorListGetItem", "TensorListPopBack"}
# Where a list's new item stands among the operation's inputs.
_ITEM = {"TensorListPushBack": 1, "TensorListSetItem": 2}


def peak_bytes(graph: tf.Graph) -> int:
    """Returns the most bytes that a graph's own tensors take at once, inputs and variables aside.

    Args:
        graph: of a concrete function; a dimension that is not known counts as 1.
    """
    return _Pass(graph).peak


class _Pass:
    """One pass over a graph.

    Attributes:
        peak: the most bytes at once.
        kept: bytes that go into the list that is the graph's output of a number.
        varying: bytes of the inputs that a loop with this body replaces every time.
    """

    def __init__(self, graph: tf.Graph):
        self._operations = graph.get_operations()
        self._inputs, self._outputs = getattr(graph, "inputs", []), getattr(graph, "outputs", [])
        self._root: dict[int, int] = {}
        self._size: dict[int, int] = {}
        self._share_buffers()
        changed = [
            given
            for given, result in zip(self._inputs, self._outputs, strict=False)
            if self._root[id(given)] != self._root[id(result)]
        ]
        self.varying = sum(map(_bytes, changed))
        self.kept = self._keep({id(tensor) for tensor in changed})
        self.peak = self._run()

    def _share_buffers(self):
        """Finds whose buffer every tensor is in, and how large that is."""
        for op in self._operations:
            for number, output in enumerate(op.outputs):
                shared = op.type in _SHARING and op.inputs
                given = op.inputs[min(number, len(op.inputs) - 1)] if shared else output
                self._root[id(output)] = self._root.get(id(given), id(given))
                if not shared and op.type not in _NOT_OWN:
                    self._size[id(output)] = _bytes(output)

    def _keep(self, changed):
        """Finds what the graph puts into lists that it returns."""
        kept, seen = {}, set()
        for number, output in enumerate(self._outputs):
            kept[number], op = 0, output.op
            while op.type in _ITEM:
                item = op.inputs[_ITEM[op.type]]
                root = self._root[id(item)]
                if root not in seen:
                    kept[number] += _bytes(item) if id(item) in changed else self._size.get(root, 0)
                seen.add(root)
                op = op.inputs[0].op
        self._in_lists = seen
        return kept

    def _run(self):
        ends = self._ends()
        taken: dict[int, int] = {}  # bytes by buffer
        live = peak = 0
        for position, op in enumerate(self._operations):
            during, lists = self._called(op)
            peak = max(peak, live + during)
            for number, output in enumerate(op.outputs):
                root = id(output)
                size = self._size.get(root, 0) + lists.get(number, 0)
                over = self._written_over(op, position, ends, taken, size)
                live += 0 if over else size
                taken[root] = size
            peak = max(peak, live)
            for root in ends.get(position, ()):
                live -= taken.pop(root, 0)
        return peak

    def _written_over(self, op, position, ends, taken, size):
        """Whether a result takes the place of an operand, which then has none."""
        for given in op.inputs if op.type in _IN_PLACE and size else ():
            root = self._root[id(given)]
            if taken.get(root) == size and root in ends.get(position, ()):
                taken[root] = 0
                return True
        return False

    def _ends(self):
        """Returns the buffers that are used last by the operation at a position."""
        last: dict[int, int] = {}
        for position, op in enumerate(self._operations):
            for output in op.outputs:
                last.setdefault(self._root[id(output)], position)
            for given in op.inputs:
                last[self._root[id(given)]] = position
        needed = {self._root[id(output)] for output in self._outputs} | self._in_lists
        ends: dict[int, set[int]] = {}
        for root, position in last.items():
            if root not in needed:
                ends.setdefault(position, set()).add(root)
        return ends

    def _called(self, op) -> tuple[int, dict[int, int]]:
        """Returns bytes while an operation runs what it calls, and those of lists it returns."""
        during, lists = 0, dict[int, int]()
        for call in calls_of(op):
            inside = _Pass(call.graph)
            more = (call.times or 1) - 1
            before = (inside.varying + more * sum(inside.kept.values())) if is_loop(op) else 0
            during = max(during, before + inside.peak)
            for number, size in inside.kept.items():
                lists[number] = max(lists.get(number, 0), size * (call.times or 1))
        return during, lists


def _bytes(tensor: tf.Tensor) -> int:
    if tensor.dtype in (tf.variant, tf.resource, tf.string) or tensor.shape.rank is None:
        return 0
    return math.prod(side or 1 for side in tensor.shape) * tensor.dtype.size
