"""The transformers of a case alone, as plain layers of Keras."""

import keras
import tensorflow as tf

from tfp_lcma.networks.transformer_network import TransformerBlock
from tfp_lcma.training.runs.threads import use_threads
from tfp_lcma.training.studies.benchmark.accelerator import tensorflow_accelerator
from tfp_lcma.training.studies.benchmark.cases import Case
from tfp_lcma.training.studies.benchmark.contender import LEARNING_RATE, Contender


def build(case: Case, threads: int) -> Contender:
    """Returns the transformers, one after the other, each with weights of its own."""
    use_threads(threads)
    return _Transformers(case)


class _Transformers:
    """What Jet's couplings compute their parameters by, and Adam; nothing is moved or split."""

    def __init__(self, case):
        self.gpu = tensorflow_accelerator()
        count = (case.side // case.patch) ** 2
        half = case.patch**2 * case.channels // 2
        tokens = case.images().reshape(case.batch, count, 2 * half)[..., :half]
        self._tokens = tf.constant(tokens)
        self._model = keras.Sequential(
            [keras.Input((count, half)), *(_Transformer(case, half) for _ in range(case.steps))]
        )
        self._optimizer = keras.optimizers.Adam(LEARNING_RATE)
        self._optimizer.build(self._model.trainable_variables)
        self.parameters = self._model.count_params()
        self._forward = tf.function(self._run)
        self._step = tf.function(self._train)

    def log_prob(self):
        return self._forward().numpy()

    def train_step(self):
        return float(self._step())

    sample = log_prob

    def _run(self):
        return tf.reduce_mean(self._model(self._tokens), axis=(1, 2))

    def _train(self):
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self._run())
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return loss


class _Transformer(keras.layers.Layer):
    """Tokens to a shift and a scale of each of their numbers; passes both on as one, added."""

    def __init__(self, case, half):
        super().__init__()
        self.width, self.half = case.width, half
        self.dense_in = keras.layers.Dense(case.width)
        self.blocks = [TransformerBlock(case.width, case.heads) for _ in range(case.blocks)]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6)
        self.dense_out = keras.layers.Dense(2 * half)

    def build(self, input_shape):
        tokens = (*input_shape[:-1], self.width)
        self.positions = self.add_weight(tokens[1:], initializer="random_normal")
        self.dense_in.build(input_shape)
        for layer in (*self.blocks, self.norm, self.dense_out):
            layer.build(tokens)
        self.built = True

    def call(self, tokens):
        hidden = self.dense_in(tokens) + self.positions
        for block in self.blocks:
            hidden = block(hidden)
        shift, scale = tf.split(self.dense_out(self.norm(hidden)), 2, axis=-1)
        return shift + scale
