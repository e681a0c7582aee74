"""Training for a fixed number of steps: no early stopping, the last weights count."""

import dataclasses
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.batches import batches
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.online_choices import ChoiceLog

import tfp_lcma as lcma
from tfp_lcma.factorizations import Factorization
from tfp_lcma.keras_model.online_split import variable_orders

_VALIDATION_IMAGES, _FOLLOWED_IMAGES = 2000, 512
_WATCHES = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A model after its last step.

    Attributes:
        model: the model.
        step_seconds: median time of a step, which one slow moment of the machine does not move;
            0 if there was no step.
        history: one dictionary per look at the validation split.
        channels: what the splits did to channels at each of these looks, if that was wanted.
        failed: why there is nothing to evaluate; None if there is.
    """

    model: lcma.FlowModel
    step_seconds: float
    history: list[dict]
    channels: list[list[lcma.ChannelChoices]]
    failed: str | None


def train(
    recipe: Recipe,
    dataset: Dataset,
    factorization: Factorization | None,
    seed: int,
    *,
    steps: int,
    validate: bool = True,
    choices: Path | None = None,
    follow_channels: bool = False,
    **options,
) -> Trained:
    """Trains a fresh flow; the same arguments give the same model.

    Args:
        recipe: flow and optimisation; its learning rate's schedule spans `steps`.
        dataset: trained on, and looked at every `recipe.validate_every` steps.
        factorization: which dimensions are factored out; None: none before the end.
        seed: of initial weights, batches and noise.
        steps: steps of training; with 0 the flow is only initialised.
        validate: whether to look at the validation split.
        choices: file that gets what a split chosen while training would choose, on the way.
        follow_channels: whether to look at what the splits do to channels, with each look.
        **options: of the recipe's model, beyond the recipe's.
    """
    # Names and graphs of earlier runs in this process must not pile up.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    flow = recipe.build_flow(dataset.event_shape, factorization, **options)
    model = recipe.build_model(flow, dataset.bins, seed)
    model.compile(optimizer=recipe.build_optimizer(steps))
    watch = _Watch()
    callbacks = [watch]
    if variable_orders(flow) and choices is not None:
        every = max(flow.factorization.decide_at[-1] // _WATCHES, 1)
        log = ChoiceLog(choices)
        callbacks.append(lcma.OnlineSplit(watch_every=every, on_watch=log.add))
    channels = lcma.ChannelWatch(dataset.validation.images[:_FOLLOWED_IMAGES], seed=seed)
    if follow_channels:
        callbacks.append(channels)
    looks = tf.data.Dataset.from_tensor_slices(dataset.validation.images[:_VALIDATION_IMAGES])
    while len(watch.durations) < steps and watch.failed is None:
        start = len(watch.durations)
        # Whole intervals in one call, then what is left.
        piece = min(recipe.validate_every, steps - start)
        count = (steps - start) // piece
        model.fit(
            batches(
                dataset.train.images,
                batch_size=recipe.batch_size,
                seed=seed,
                start=start,
                stop=start + count * piece,
                flip=recipe.flip,
            ),
            epochs=count,
            steps_per_epoch=piece,
            validation_data=looks.batch(256) if validate else None,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    if not steps:
        model.initialize(dataset.train.images[: recipe.batch_size])
    step_seconds = float(np.median(watch.durations)) if steps else 0.0
    return Trained(model, step_seconds, watch.history, channels.history, watch.failed)


class _Watch(keras.callbacks.Callback):
    """Times the steps, keeps the history and stops at a loss that is not a number."""

    def __init__(self):
        super().__init__()
        self.durations, self.history, self.failed = [], [], None

    def on_train_batch_begin(self, batch, logs=None):
        self._clock = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        # The loss comes first: reading it waits for the step's end.
        finite = np.isfinite(logs["loss"])
        self.durations.append(time.perf_counter() - self._clock)
        if not finite:
            self.failed = f"loss became NaN or infinite at step {len(self.durations)}"
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if self.failed is None:
            bits = {name: float(logs[name]) for name in logs if name.endswith("bits_per_dimension")}
            self.history.append({"step": len(self.durations)} | bits)
