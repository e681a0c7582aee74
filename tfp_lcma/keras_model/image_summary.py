"""The Keras callback that draws pictures for TensorBoard."""

import os
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf


class ImageSummary(keras.callbacks.Callback):
    """Writes pictures to TensorBoard at the end of the first epoch and of later ones.

    ```python
    import numpy as np

    import tfp_lcma as lcma


    def samples(model):
        return np.concatenate(model.sample(4, seed=0).astype("uint8"), axis=1)


    summary = lcma.ImageSummary("logs/samples", {"samples": samples}, every=5)
    ```

    Args:
        log_dir: Folder of the event files.
        pictures: Name of each picture, and the function that draws it: from the
            model to a uint8 array `[height, width, channels]`.
        every: Epochs between two drawings.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        pictures: Mapping[str, Callable[[keras.Model], np.ndarray]],
        every: int = 1,
    ):
        super().__init__()
        self._writer = tf.summary.create_file_writer(os.fspath(log_dir))
        self._pictures, self._every = dict(pictures), every

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self._every:
            return
        # Keras' TensorBoard(update_freq=n) lets nothing be recorded but at every n-th step.
        with self._writer.as_default(step=epoch + 1), tf.summary.record_if(True):
            for name, draw in self._pictures.items():
                tf.summary.image(name, draw(self.model)[None])
        self._writer.flush()
