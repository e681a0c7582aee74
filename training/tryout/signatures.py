"""What a SavedModel's signatures take and give."""

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or an output of a signature.

    Attributes:
        dtype: TensorFlow's.
        shape: size of every dimension, None where any size will do; None if even the number
            of dimensions is not fixed.
    """

    dtype: tf.DType
    shape: tuple[int | None, ...] | None

    @classmethod
    def of(cls, info: meta_graph_pb2.TensorInfo) -> "Tensor":
        """Returns what a signature's entry describes."""
        shape = tf.TensorShape(info.tensor_shape)
        known = None if shape.rank is None else tuple(shape.as_list())
        return cls(tf.as_dtype(info.dtype), known)

    @property
    def batched(self) -> bool:
        """Whether the first dimension counts rows."""
        return bool(self.shape) and self.shape[0] is None

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether a value of that shape may be fed."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            wanted in (None, got) for wanted, got in zip(self.shape, shape, strict=True)
        )

    def __str__(self) -> str:
        """Returns the dtype and shape as messages say it: `uint8 [n, 8, 8, 1]`."""
        if self.shape is None:
            return f"{self.dtype.name} of any shape"
        sizes = ", ".join("n" if size is None else str(size) for size in self.shape)
        return f"{self.dtype.name} [{sizes}]"


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of the model that clients can call.

    Attributes:
        inputs: what it takes, by name.
        outputs: what it gives, by name.
    """

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def read_signatures(
    definitions: Mapping[str, meta_graph_pb2.SignatureDef],
) -> dict[str, Signature]:
    """Returns signatures, of their protos by name."""
    return {
        name: Signature(
            {key: Tensor.of(info) for key, info in sorted(definition.inputs.items())},
            {key: Tensor.of(info) for key, info in sorted(definition.outputs.items())},
        )
        for name, definition in sorted(definitions.items())
    }
