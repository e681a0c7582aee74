"""The cost of a recipe's flow: what a step, a score and a sample take, and the memory of a step."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfp_lcma.factorizations import Channel, Factorization
from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.studies.cost.flops import Flops, flops
from tfp_lcma.training.studies.cost.live_memory import peak_bytes

MEMORY = ("keep", "invert")
# Intensities, on which no cost depends.
_BINS = 256


class StepCost(NamedTuple):
    """What a training step takes under one setting of `memory`.

    Attributes:
        flops: operations of a step, an image.
        activations: bytes of a step beyond variables, gradients and the optimiser's state.
    """

    flops: Flops
    activations: int


class Cost(NamedTuple):
    """What a recipe's flow takes.

    Attributes:
        event_shape: shape of an image.
        parameters: numbers that are trained.
        variables: bytes of all variables.
        optimizer: bytes of the optimiser's state.
        gradients: bytes of one gradient.
        step: what a training step takes, by `memory`.
        log_prob: operations of a log-probability, an image.
        sample: operations of a sample, an image.
        pretraining: operations of a pre-training step, an image, under the recipe's `memory`.
    """

    event_shape: tuple[int, int, int]
    parameters: int
    variables: int
    optimizer: int
    gradients: int
    step: dict[str, StepCost]
    log_prob: Flops
    sample: Flops
    pretraining: Flops


def flow_cost(
    recipe: Recipe, event_shape: tuple[int, int, int], say: Callable[[str], None]
) -> Cost:
    """Counts what a recipe's flow takes; nothing is run.

    The flow is cut by halves of the channels: what is factored out where changes no count.

    Args:
        recipe: flow, optimiser and batch.
        event_shape: shape of an image.
        say: called with every line of progress.

    Raises:
        ValueError: the recipe's model cannot be built for such images.
    """
    say("building the flow ...")
    model = build_model(recipe, event_shape, Channel())
    optimizer = recipe.build_optimizer(recipe.steps)
    optimizer.build(model.trainable_variables)
    trained = [variable.value for variable in model.trainable_variables]
    gradients = _bytes(trained)
    step = {}
    for memory in MEMORY:
        say(f"tracing a training step, memory={memory!r} ...")
        graph = _gradient(model, recipe.batch_size, memory)
        activations = max(peak_bytes(graph) - gradients, 0)
        step[memory] = StepCost(_an_image(graph, recipe.batch_size), activations)
    say("tracing log_prob and sample ...")
    log_prob = _graph(lambda images: model(images), _images(recipe.batch_size, event_shape))
    sample = _graph(
        lambda seed: model.distribution.sample(recipe.batch_size, seed=seed),
        tf.TensorSpec((2,), tf.int32),
    )
    say("tracing a pre-training step ...")
    without_split = build_model(recipe, event_shape, None)
    pretraining = _gradient(without_split, recipe.batch_size, model.flow.memory)
    return Cost(
        event_shape=event_shape,
        parameters=sum(variable.shape.num_elements() for variable in trained),
        variables=_bytes(variable.value for variable in model.variables),
        optimizer=_bytes(variable.value for variable in optimizer.variables),
        gradients=gradients,
        step=step,
        log_prob=_an_image(log_prob, recipe.batch_size),
        sample=_an_image(sample, recipe.batch_size),
        pretraining=_an_image(pretraining, recipe.batch_size),
    )


def build_model(
    recipe: Recipe, event_shape: tuple[int, int, int], factorization: Factorization | None
) -> FlowModel:
    """Returns the recipe's model with fresh weights."""
    return recipe.build_model(recipe.build_flow(event_shape, factorization), _BINS, seed=0)


def gradient(model: FlowModel, memory: str) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """Returns a function from images to the gradient of a training step's loss.

    Args:
        model: unconditional.
        memory: what the gradient keeps, "keep" or "invert".
    """
    variables = [variable.value for variable in model.trainable_variables]

    def of_images(images):
        model.flow.memory = memory
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model(images, training=True))
        return [g for g in tape.gradient(loss, variables) if g is not None]

    return of_images


def _gradient(model, batch, memory):
    before = model.flow.memory
    graph = _graph(gradient(model, memory), _images(batch, model.event_shape))
    model.flow.memory = before
    return graph


def _graph(function, specification):
    return tf.function(function, autograph=False).get_concrete_function(specification).graph


def _images(batch, event_shape):
    return tf.TensorSpec((batch, *event_shape), tf.uint8)


def _an_image(graph, batch):
    found = flops(graph)
    return found._replace(total=found.total // batch)


def _bytes(variables):
    return sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)
