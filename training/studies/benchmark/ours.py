"""This package's flows as contenders."""

import keras
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.bijectors import Context
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.training.runs.threads import use_threads
from tfp_lcma.training.studies.benchmark.cases import Case
from tfp_lcma.training.studies.benchmark.contender import LEARNING_RATE, Contender
from tfp_lcma.training.studies.benchmark.tensorflow_contender import TensorFlowContender


def build(
    case: Case,
    threads: int,
    jit: bool = False,
    unroll: bool | None = None,
    memory: str = "keep",
    networks: str = "float32",
) -> Contender:
    """Returns the flow with Keras' Adam, its actnorms initialised by the batch.

    Args:
        case: what to build.
        threads: how many threads TensorFlow may use.
        jit: whether XLA compiles the functions.
        unroll: whether graphs run a level's steps without a loop; None: the package's choice.
        memory: what a gradient keeps, "keep" or "invert".
        networks: Keras' dtype policy of the couplings' networks.
    """
    use_threads(threads)
    flow = build_flow(case, unroll=unroll, memory=memory, dtype=networks)
    images = tf.constant(case.images())
    flow.inverse_and_log_det(images, context=Context(starting=True))
    variables = [v for layer in flow.layers for v in layer.trainable_variables]
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(variables)
    return TensorFlowContender(
        case,
        lcma.FlowDistribution(flow),
        [variable.value for variable in variables],
        lambda gradients: optimizer.apply(gradients, variables),
        jit,
    )


def build_flow(case: Case, **options) -> MultiScale:
    """Returns the flow alone, with further options of its model.

    Half of the channels are factored out between levels, as in all libraries that are compared.
    """
    if case.family == "glow":
        return lcma.models.glow(
            case.event_shape, levels=case.levels, steps=case.steps, width=case.width, **options
        )
    if case.family == "jet":
        return lcma.models.jet(
            case.event_shape,
            patch=case.patch,
            levels=case.levels,
            couplings=case.steps,
            width=case.width,
            blocks=case.blocks,
            heads=case.heads,
            **options,
        )
    return lcma.models.real_nvp(
        case.event_shape,
        levels=case.levels,
        width=case.width,
        blocks=case.blocks,
        **options,
    )
