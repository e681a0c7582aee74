"""How often rounding decides what is factored out: near-ties of a trained model's shuffles.

python -m tfp_lcma.training.studies.near_ties --data digits --keras-file runs/NAME/model.keras
"""

from pathlib import Path

import click
import numpy as np

from tfp_lcma.training.cli.options import (
    data_options,
    recipe_options,
    settings_options,
    threads_option,
)

_BATCH = 250


@click.command(context_settings={"show_default": True})
@recipe_options
@click.option(
    "--keras-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Keras file of a model that was trained on the recipe's images.",
)
@click.option("--count", type=click.IntRange(1), default=10_000, help="Training images.")
@click.option(
    "--one-by-one", type=click.IntRange(0), default=10_000, help="Of these also alone in a batch."
)
@settings_options
@data_options
@threads_option
def main(recipe, keras_file, count, one_by_one, data_dir, limit, on_unreadable, threads):
    """Counts the images of which decoding factors out other channels than encoding.

    And those of which other channels are factored out alone than in a batch.
    """
    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    import keras

    try:
        dataset = recipe.load_dataset(data_dir=data_dir, limit=limit, on_unreadable=on_unreadable)
        flow_model = keras.models.load_model(keras_file)
        shown = dataset.train.images[:count]
        decoded, worst, alone = near_ties(flow_model, shown, min(one_by_one, len(shown)))
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{keras_file}, {len(shown):,} images:")
    click.echo(f"  other channels are factored out in decoding: {decoded:,}")
    click.echo(f"  largest error of encoding and decoding, of the range: {worst:.2g}")
    if one_by_one:
        done = min(one_by_one, len(shown))
        click.echo(f"  of {done:,}, other channels are factored out alone in a batch: {alone:,}")


def near_ties(model, images: np.ndarray, one_by_one: int) -> tuple[int, float, int]:
    """Counts images whose route through the flow depends on rounding.

    Args:
        model: an unconditional `FlowModel`.
        images: `[n, height, width, channels]`.
        one_by_one: how many of the first are also looked at alone.

    Returns:
        How many take another route in decoding than in encoding, the largest error of decoding
        what was encoded as a share of the range, and how many take another route alone than in
        a batch of 250.

    Raises:
        ValueError: the images are not what the model was built for.
    """
    import tensorflow as tf

    from tfp_lcma import noise

    flow, prepare = model.flow, model.preprocessing
    images = model._rows(images, None, "images")[0]
    # A number for every dimension goes along with it, and must come back where it was.
    numbers = np.arange(np.prod(flow.event_shape), dtype=np.float32).reshape(flow.event_shape)

    @tf.function(reduce_retracing=True)
    def route(batch):
        x = model.dequantization.of_images(batch, noise.seed_pair(0), 0, flow.dtype)
        y = prepare.inverse_and_log_det(x)[0]
        sent = tf.broadcast_to(tf.constant(numbers, flow.dtype), tf.shape(y))
        return x, y, flow.move_inverse(sent, y)

    @tf.function(reduce_retracing=True)
    def there_and_back(batch):
        x, y, arrived = route(batch)
        z = flow.inverse_and_log_det(y)[0]
        back = prepare.forward_and_log_det(flow.forward_and_log_det(z)[0])[0]
        wrong = tf.reduce_any(flow.move_forward(arrived, z) != numbers, axis=(1, 2, 3))
        return arrived, wrong, tf.reduce_max(tf.abs(back - x))

    decoded, worst, alone = 0, 0.0, 0
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        arrived, wrong, error = there_and_back(tf.constant(batch))
        decoded += int(np.sum(wrong))
        worst = max(worst, float(error) / model.bins)
        for i in range(min(len(batch), one_by_one - start)):
            single = route(tf.constant(batch[i : i + 1]))[2]
            alone += bool(np.any(single[0] != arrived[i]))
    return decoded, worst, alone


if __name__ == "__main__":
    main()
