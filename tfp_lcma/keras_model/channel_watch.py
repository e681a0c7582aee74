"""What a split does to channels: entropies, scores, and how often each is factored out."""

import os
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.moves import Rearrangement
from tfp_lcma.bijectors.patches import to_view
from tfp_lcma.factorizations.shuffle import Shuffle
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.networks.channel_router import channel_entropy


class ChannelChoices(NamedTuple):
    """What happens to the channels of one level's view, averaged over images.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1), "uint8")
    model = lcma.FlowModel(lcma.models.glow((4, 4, 1), levels=2, steps=1, width=4))
    model.initialize(images)
    (first,) = lcma.channel_choices(model, images)
    first.entropies.shape, first.going_out.shape  # ((4,), (4,))
    ```

    Attributes:
        entropies: `[channels]`: minus the negentropy of each channel as it comes
            in, 0 for a Gaussian and lower for everything else.
        going_out: The same of the slots: the last of them are factored out.
        scores: `[channels]` that a shuffle goes by; None where there is none.
        leaving: `[channels]`, the share of each channel's entries that is factored out, over
            images and positions; None where a split mixes channels.
    """

    entropies: np.ndarray
    going_out: np.ndarray
    scores: np.ndarray | None
    leaving: np.ndarray | None

    @property
    def staying_entropy(self) -> float:
        """The mean of `going_out` over the first half: what stays where half is factored out."""
        return float(self.going_out[: len(self.going_out) // 2].mean())

    @property
    def leaving_entropy(self) -> float:
        """The mean of `going_out` over the second half of the slots."""
        return float(self.going_out[len(self.going_out) // 2 :].mean())


def channel_choices(
    model, images: np.ndarray, condition: np.ndarray | None = None, seed: int = 0
) -> list[ChannelChoices]:
    """Returns what every split of a model does to channels.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1), "uint8")
    model = lcma.FlowModel(lcma.models.glow((4, 4, 1), levels=2, steps=1, width=4))
    model.initialize(images)
    (first,) = lcma.channel_choices(model, images)
    first.leaving.tolist()  # [0.0, 0.0, 1.0, 1.0]
    ```

    Args:
        model: A `FlowModel` whose flow has a split.
        images: `[n, height, width, channels]`, a few hundred.
        condition: What they are conditioned on, in a model with conditions.
        seed: Of the dequantisation noise.

    Returns:
        One for every level but the last.

    Raises:
        ValueError: If the flow has no split, or the images are not what the model was built for.
    """
    _check_splits(model)
    return _look(_measure, model, images, condition, seed)


class ChannelWatch(keras.callbacks.Callback):
    """Follows the channels through training, at the end of epochs.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1), "uint8")
    model = lcma.FlowModel(lcma.models.glow((4, 4, 1), levels=2, steps=1, width=4))
    model.compile("adam")
    watch = lcma.ChannelWatch(images)
    model.fit(images, epochs=1, callbacks=[watch], verbose=0)
    watch.history[-1][0].leaving.shape  # (4,)
    ```

    Attributes:
        history: One list of `ChannelChoices` an epoch.
    """

    def __init__(
        self,
        images: np.ndarray,
        condition: np.ndarray | None = None,
        *,
        log_dir: str | os.PathLike | None = None,
        on_watch: Callable[[list[ChannelChoices]], None] | None = None,
        seed: int = 0,
    ):
        """Creates the callback.

        Args:
            images: `[n, height, width, channels]` to look at, a few hundred.
            condition: What they are conditioned on, in a model with conditions.
            log_dir: Folder of TensorBoard's event files, which get the mean entropy
                of what stays and of what is factored out at every level; None: none are written.
            on_watch: Called with what is found.
            seed: Of the dequantisation noise.
        """
        super().__init__()
        self._images, self._condition, self._seed = images, condition, seed
        self._writer = log_dir and tf.summary.create_file_writer(os.fspath(log_dir))
        self._on_watch = on_watch
        self._measure = tf.function(_measure, reduce_retracing=True, autograph=False)
        self.history: list[list[ChannelChoices]] = []

    def on_train_begin(self, logs=None):
        _check_splits(self.model)
        # What cannot be looked at is refused now, and not after an epoch.
        self.model._seen(self._images, self._condition, "images")

    def on_epoch_end(self, epoch, logs=None):
        choices = _look(self._measure, self.model, self._images, self._condition, self._seed)
        self.history.append(choices)
        if self._on_watch is not None:
            self._on_watch(choices)
        if self._writer:
            # Keras' TensorBoard(update_freq=n) lets nothing be recorded but at every n-th step.
            with self._writer.as_default(step=epoch + 1), tf.summary.record_if(True):
                for number, level in enumerate(choices, start=1):
                    tf.summary.scalar(f"entropy/level_{number}_staying", level.staying_entropy)
                    tf.summary.scalar(f"entropy/level_{number}_leaving", level.leaving_entropy)
            self._writer.flush()


def _check_splits(model):
    if not isinstance(model.flow, MultiScale) or model.flow.factorization is None:
        raise ValueError(
            "model must have a MultiScale flow with a factorization, since nothing is chosen "
            f"otherwise; got {type(model.flow).__name__}"
            + (" without a split." if isinstance(model.flow, MultiScale) else ".")
        )


def _look(measure, model, images, condition, seed):
    images, condition = model._seen(images, condition, "images")
    given = None if condition is None else tf.constant(condition)
    levels = measure(model, tf.constant(images), given, noise.seed_pair(seed))
    return [ChannelChoices._make(v if v is None else v.numpy() for v in level) for level in levels]


def _measure(model, images, condition, seed):
    """Returns for every split what `ChannelChoices` holds, as tensors."""
    flow = model.flow
    x = model.preprocessing.inverse_and_log_det(model.density.dequantized(images, seed)[0])[0]
    records = flow.inverse_by_level(x, condition)[2]
    found: list[tuple[tf.Tensor | None, ...]] = []
    for split, record in zip(flow.splits, records[:-1], strict=True):
        view = to_view(record.activation.shape[1:], len(found), flow.patch)
        entries = view.inverse_and_log_det(record.activation)[0]
        found.append(
            (
                channel_entropy(entries, "negentropy"),
                channel_entropy(split.inverse_and_log_det(entries)[0], "negentropy"),
                tf.reduce_mean(split.scores(entries), 0) if isinstance(split, Shuffle) else None,
                _leaving(split, entries, flow.factored_out(len(found))),
            )
        )
    return found


def _leaving(split: FlowBijector, entries: tf.Tensor, count: int) -> tf.Tensor | None:
    """Returns which share of every channel is factored out, by sending their numbers along."""
    if not isinstance(split, Shuffle | Rearrangement):
        return None
    channels = entries.shape[-1]
    numbers = tf.broadcast_to(tf.range(channels, dtype=tf.float32), tf.shape(entries))
    left = split.move_inverse(numbers, entries)[..., channels - count :]
    counts = tf.math.bincount(
        tf.cast(tf.round(left), tf.int32), minlength=channels, maxlength=channels
    )
    return tf.cast(counts, tf.float32) / tf.cast(tf.size(entries) // channels, tf.float32)
