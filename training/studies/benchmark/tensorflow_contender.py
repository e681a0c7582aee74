"""What the contenders in TensorFlow share: three traced functions around a distribution."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.training.studies.benchmark.accelerator import tensorflow_accelerator
from tfp_lcma.training.studies.benchmark.cases import Case


class TensorFlowContender:
    """A TFP distribution as a contender, each task one `tf.function`."""

    def __init__(
        self,
        case: Case,
        distribution,
        variables: Sequence[tf.Variable],
        update: Callable[[list[tf.Tensor]], None],
        jit: bool,
    ):
        """Sets up the functions; each is traced when it is first called.

        Args:
            case: what the distribution was built for.
            distribution: over images, with `log_prob` and `sample`.
            variables: all that is trained.
            update: applies the gradients with respect to them.
            jit: whether XLA compiles the functions.
        """
        self.parameters = sum(int(np.prod(variable.shape)) for variable in variables)
        self.gpu = tensorflow_accelerator()
        self._images = tf.constant(case.images())
        self._seed = 0

        @tf.function(jit_compile=jit)
        def log_prob(x):
            return distribution.log_prob(x)

        @tf.function(jit_compile=jit)
        def train_step(x):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(distribution.log_prob(x))
            update(tape.gradient(loss, variables))
            return loss

        @tf.function(jit_compile=jit)
        def sample(seed):
            return distribution.sample(case.batch, seed=seed)

        self._log_prob, self._train_step, self._sample = log_prob, train_step, sample

    def log_prob(self) -> np.ndarray:
        return self._log_prob(self._images).numpy()

    def train_step(self) -> float:
        return float(self._train_step(self._images))

    def sample(self) -> np.ndarray:
        self._seed += 1
        return self._sample(tf.constant((0, self._seed))).numpy()
