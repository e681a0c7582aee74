"""A model's Keras file, written whole."""

from pathlib import Path

import keras

from tfp_lcma.files import written_whole


def save_model(model: keras.Model, path: Path) -> None:
    """Writes `path`, a name that ends in `.keras`, or leaves it as it was."""
    with written_whole(path) as temporary:
        # Keras insists on its ending.
        named = temporary.with_suffix(".keras")
        model.save(named)
        named.rename(temporary)
