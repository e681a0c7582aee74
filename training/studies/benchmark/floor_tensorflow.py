"""The convolutions of a case alone, as a TensorFlow graph."""

import numpy as np
import tensorflow as tf

from tfp_lcma.training.runs.threads import use_threads
from tfp_lcma.training.studies.benchmark.accelerator import tensorflow_accelerator
from tfp_lcma.training.studies.benchmark.cases import Case
from tfp_lcma.training.studies.benchmark.contender import Contender
from tfp_lcma.training.studies.benchmark.floor import Convolution, convolutions


def build(case: Case, threads: int) -> Contender:
    """Returns the convolutions, one after the other."""
    use_threads(threads)
    return _Convolutions(case)


class _Convolutions:
    """Each reads the result before it, or where that does not fit a ready input and its mean.

    Otherwise TensorFlow would run levels side by side, which no flow can: each
    of its convolutions waits for the one before.
    """

    def __init__(self, case):
        self.gpu = tensorflow_accelerator()
        self._chain = convolutions(case)
        self._kernels = [tf.Variable(c.kernel(i)) for i, c in enumerate(self._chain)]
        self._inputs = {}
        for conv, before in zip(self._chain, [None, *self._chain], strict=False):
            if not conv.follows(before):
                shape = (case.batch, conv.side, conv.side, conv.inputs)
                self._inputs[conv] = tf.Variable(tf.random.normal(shape))
        self.parameters = sum(int(np.prod(kernel.shape)) for kernel in self._kernels)
        self._forward = tf.function(self._run)
        self._with_gradients = tf.function(self._differentiate)

    def log_prob(self):
        return self._forward().numpy()

    def train_step(self):
        return float(self._with_gradients()[0])

    sample = log_prob

    def _run(self):
        x = None
        before: Convolution | None = None
        for conv, kernel in zip(self._chain, self._kernels, strict=True):
            if not conv.follows(before):
                ready = tf.convert_to_tensor(self._inputs[conv])
                x = ready if x is None else ready + tf.reduce_mean(x)
            elif before is not None and before.outputs != conv.inputs:
                x = tf.split(x, [conv.inputs, -1], axis=-1)[0]
            x, before = tf.nn.conv2d(x, kernel, strides=1, padding="SAME"), conv
        return tf.reduce_mean(x, axis=(1, 2, 3))

    def _differentiate(self):
        sources = [*self._kernels, *self._inputs.values()]
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self._run())
        # Returned, since TensorFlow drops what is not read.
        return loss, *tape.gradient(loss, sources)
