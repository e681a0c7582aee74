"""What a gradient by inversion is off by in float32: on a trained model, level by level.

python -m tfp_lcma.training.studies.inversion_drift --data digits \
    --keras-file runs/digits/model.keras
"""

from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from tfp_lcma.training.cli.options import (
    data_options,
    recipe_options,
    settings_options,
    threads_option,
)


class LevelDrift(NamedTuple):
    """How far off one level is.

    Attributes:
        input: of the level's input as found again by inversion, the largest error as a share of
            its largest entry.
        gradient: of the gradient of the level's variables, the norm of the difference between
            `memory="invert"` and `"keep"` as a share of the norm.
    """

    input: float
    gradient: float


@click.command(context_settings={"show_default": True})
@recipe_options
@click.option(
    "--keras-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Keras file of a model that was trained on the recipe's images.",
)
@click.option("--batch", type=click.IntRange(1), default=64, help="Validation images.")
@settings_options
@data_options
@threads_option
def main(recipe, keras_file, batch, data_dir, limit, on_unreadable, threads):
    """Compares the gradients of both memory settings on validation images."""
    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    import keras

    import tfp_lcma  # noqa: F401, Keras knows the model's classes by it

    try:
        dataset = recipe.load_dataset(data_dir=data_dir, limit=limit, on_unreadable=on_unreadable)
        model = keras.models.load_model(keras_file)
        found = inversion_drift(model, dataset.validation.images[:batch])
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{keras_file}, {batch} validation images")
    for level, drift in enumerate(found):
        click.echo(f"  level {level}: input {drift.input:.1e}, gradient {drift.gradient:.1e}")


def inversion_drift(model, images: np.ndarray) -> list[LevelDrift]:
    """Returns the drift of every level of an unconditional model.

    Args:
        model: a trained `FlowModel` with a multi-scale flow.
        images: `[n, height, width, channels]`.

    Raises:
        ValueError: the model is conditional, or its flow has no levels.
    """
    import tensorflow as tf

    from tfp_lcma import noise
    from tfp_lcma.bijectors import Context
    from tfp_lcma.multi_scale import MultiScale

    flow = model.flow
    if model.conditions is not None or not isinstance(flow, MultiScale):
        raise ValueError("model must be unconditional and its flow a MultiScale.")
    x, _ = model.density.dequantized(tf.constant(images), noise.seed_pair(0))
    of_level = [
        [v for layer in level.layers for v in layer.trainable_variables] for level in flow.flows
    ]

    def gradients(x):
        with tf.GradientTape() as tape:
            log_prob = model.distribution.log_prob(x, context=Context(training=True))
            loss = -tf.reduce_mean(log_prob)
        return tape.gradient(loss, [[v.value for v in own] for own in of_level])

    before, state, found = flow.memory, model.get_weights(), []
    try:
        for memory in ("keep", "invert"):
            flow.memory = memory
            model.set_weights(state)
            # Traced anew: the setting is read while tracing.
            found.append(tf.function(gradients, autograph=False)(x))
    finally:
        flow.memory = before
        model.set_weights(state)
    inputs = flow.level_inputs(model.preprocessing.inverse_and_log_det(x)[0])
    return [
        LevelDrift(_round_trip(level, y), _difference(kept, inverted))
        for level, y, kept, inverted in zip(flow.flows, inputs, *found, strict=True)
    ]


def _round_trip(level, y):
    """Returns the largest error of a level's input after there and back, as a share."""
    back = level.forward_and_log_det(level.inverse_and_log_det(y)[0])[0].numpy()
    return float(np.abs(back - y).max() / np.abs(y).max())


def _difference(kept, inverted):
    """Returns the norm of the difference of two gradients, as a share of the first's."""
    pairs = [(a.numpy().astype(np.float64), b.numpy()) for a, b in zip(kept, inverted, strict=True)]
    size = sum((a**2).sum() for a, _ in pairs)
    return float(np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs) / size))


if __name__ == "__main__":
    main()
