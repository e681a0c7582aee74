"""Carrying on: one atomic checkpoint holds weights, optimizer, step, history and early stopping."""

import json
import os
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.keras_model.online_split import variable_orders


class PatientStopping(keras.callbacks.EarlyStopping):
    """Keras' early stopping on validation bits per dimension, able to carry on where it was.

    Keras forgets the best value at the start of every `fit` and restores the
    best weights at its end; a phase that is fitted in several pieces must not.
    """

    def __init__(self, patience: int):
        super().__init__(monitor="val_bits_per_dimension", mode="min", patience=patience)
        super().on_train_begin()

    def on_train_begin(self, logs=None):
        """Keeps what earlier pieces of the phase have seen."""

    def on_epoch_end(self, epoch, logs=None):
        """Looks, unless the split is still being drawn: that flow is not to be kept."""
        if all(order.decided for order in variable_orders(self.model.flow)):
            super().on_epoch_end(epoch, logs)


class Checkpointer(keras.callbacks.Callback):
    """Saves the whole state of a phase, and brings it back.

    Must stand after `PatientStopping` in the list of callbacks. A state with a
    NaN in it is never saved, so the last good checkpoint stays.

    Attributes:
        step: steps done.
        history: one dictionary per validation.
        seconds: spent in training so far.
        failed_step: the step whose loss was not finite; None if there was none.
    """

    def __init__(
        self, directory: str | os.PathLike, phase: str, stopping: PatientStopping, every: int
    ):
        """Creates the callback.

        Args:
            directory: folder of the checkpoints.
            phase: name of the phase, kept in the checkpoint.
            stopping: the early stopping whose state goes along.
            every: steps between two checkpoints, besides one at every validation.
        """
        super().__init__()
        self._directory, self._phase = Path(directory), phase
        self._stopping, self._every = stopping, every
        self.step, self.history, self.failed_step = 0, [], None
        self.seconds = 0.0

    def attach(self, model: keras.Model) -> None:
        """Binds the callback to a compiled model and restores the last checkpoint, if any.

        Raises:
            ValueError: the checkpoint is damaged or of another model or phase.
        """
        model.optimizer.build(model.trainable_variables)
        variables = [v.value for v in (*model.weights, *model.optimizer.variables)]
        self._model = model
        self._best = [tf.Variable(v.value, trainable=False) for v in model.weights]
        self._state = tf.Variable("", dtype=tf.string)
        checkpoint = tf.train.Checkpoint(variables=variables, best=self._best, state=self._state)
        self._manager = tf.train.CheckpointManager(checkpoint, self._directory, max_to_keep=2)
        latest = self._manager.latest_checkpoint
        if latest is None:
            return
        try:
            checkpoint.restore(latest).assert_consumed()
        except (tf.errors.OpError, AssertionError, LookupError, ValueError) as error:
            raise ValueError(
                f"Checkpoint {latest} cannot be read ({type(error).__name__}): it is damaged or of "
                "another model. Delete its folder to start this phase again."
            ) from error
        state = json.loads(self._state.numpy())
        if state["phase"] != self._phase:
            raise ValueError(
                f"Checkpoint {latest} is of phase {state['phase']!r}, not {self._phase!r}."
            )
        self.step, self.history = state["step"], state["history"]
        self.seconds = state["seconds"]
        self._stopping.best, self._stopping.wait = state["best"], state["wait"]

    @property
    def stopped(self) -> bool:
        """Whether patience has run out."""
        return self._stopping.wait >= self._stopping.patience and bool(self.history)

    def restore_best(self) -> None:
        """Gives the model the weights of its best validation."""
        for variable, best in zip(self._model.weights, self._best, strict=True):
            variable.assign(best)

    def on_train_begin(self, logs=None):
        self._clock = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if not np.isfinite(logs["loss"]):
            self.failed_step = self.failed_step or self.step
        elif self.step % self._every == 0:
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        if self.failed_step is not None:
            return
        self.history.append({"step": self.step} | {k: float(v) for k, v in logs.items()})
        if self._stopping.wait == 0:
            for best, variable in zip(self._best, self._model.weights, strict=True):
                best.assign(variable.value)
        self.save()

    def save(self) -> None:
        """Writes a checkpoint, unless a weight is not finite."""
        if not all(np.isfinite(v.numpy()).all() for v in self._model.trainable_weights):
            self.failed_step = self.failed_step or self.step
            self._model.stop_training = True
            return
        now = time.monotonic()
        self.seconds, self._clock = self.seconds + now - self._clock, now
        state = {
            "phase": self._phase,
            "step": self.step,
            "history": self.history,
            "best": None if self._stopping.best is None else float(self._stopping.best),
            "wait": self._stopping.wait,
            "seconds": self.seconds,
        }
        self._state.assign(json.dumps(state))
        self._manager.save(checkpoint_number=self.step)
