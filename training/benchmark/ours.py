"""This package's flows as contenders."""

import keras

import tfp_lcma as lcma
from tfp_lcma.factorizations import Channel
from tfp_lcma.networks.actnorm import data_dependent_initialization
from training.benchmark.cases import Case
from training.benchmark.contender import LEARNING_RATE, Contender
from training.benchmark.tensorflow_contender import TensorFlowContender
from training.threads import use_threads


def build(case: Case, threads: int, jit: bool = False) -> Contender:
    """Returns the flow with Keras' Adam, its actnorms initialised by the batch.

    Half of the channels leave between levels, as in all libraries that are compared.
    """
    use_threads(threads)
    flow = build_flow(case)
    with data_dependent_initialization():
        flow.inverse_and_event_log_det(case.images())
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


def build_flow(case: Case) -> lcma.bijectors.MultiScale:
    """Returns the flow alone."""
    if case.family == "glow":
        return lcma.models.glow(
            case.event_shape, levels=case.levels, steps=case.steps, width=case.width
        )
    return lcma.models.real_nvp(
        case.event_shape,
        levels=case.levels,
        width=case.width,
        blocks=case.blocks,
        factorization=Channel(),
    )
