"""TensorFlow Probability's Glow as a contender."""

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from tfp_lcma.training.runs.threads import use_threads
from tfp_lcma.training.studies.benchmark.cases import Case
from tfp_lcma.training.studies.benchmark.contender import LEARNING_RATE, Contender
from tfp_lcma.training.studies.benchmark.tensorflow_contender import TensorFlowContender

tfb, tfd = tfp.bijectors, tfp.distributions


def build(case: Case, threads: int, jit: bool = False) -> Contender:
    """Returns tfb.Glow with its own networks, at the case's width, and tf_keras' Adam."""
    use_threads(threads)
    bijector = tfb.Glow(
        output_shape=case.event_shape,
        num_glow_blocks=case.levels,
        num_steps_per_block=case.steps,
        coupling_bijector_fn=lambda shape: tfb.GlowDefaultNetwork(shape, num_hidden=case.width),
        exit_bijector_fn=tfb.GlowDefaultExitNetwork,
    )
    base = tfd.Sample(tfd.Normal(0.0, 1.0), bijector.inverse_event_shape(case.event_shape))
    # Its actnorms start from the first batch they see, here an eager one.
    bijector.inverse(tf.constant(case.images()))
    variables = list(bijector.trainable_variables)
    optimizer = tf_keras.optimizers.Adam(LEARNING_RATE, jit_compile=False)
    optimizer.build(variables)
    return TensorFlowContender(
        case,
        tfd.TransformedDistribution(base, bijector),
        variables,
        lambda gradients: optimizer.apply_gradients(zip(gradients, variables, strict=True)),
        jit,
    )
