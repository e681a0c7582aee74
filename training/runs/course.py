"""Where a training stands, in one atomic checkpoint: weights, optimiser, history, patience."""

import json
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.keras_model.online_split import variable_orders
from tfp_lcma.training.runs.workers import ALONE, Workers


class Course(keras.callbacks.Callback):
    """Counts the steps of a phase, keeps its best weights, stops it, and carries on where it was.

    A state with a NaN in it is never saved, so that the last good checkpoint stays.

    Attributes:
        step: steps done.
        history: one dictionary per look at the validation split.
        best: the lowest validation bits per dimension; None before the first look.
        seconds: spent in training so far.
        failed_step: the step whose loss was not finite; None if there was none.
    """

    def __init__(
        self,
        model: keras.Model,
        phase: str,
        steps: int,
        *,
        patience: float | None = None,
        checkpoints: Path | None = None,
        every: int = 200,
        workers: Workers = ALONE,
    ):
        """Starts with a compiled model, from the chief's last checkpoint if there is one.

        Args:
            model: what is trained.
            phase: name of the phase, kept in the checkpoint.
            steps: most steps of the phase.
            patience: looks without improvement before training stops, and the weights of the best
                look count; infinity: they do, and the steps are spent whole; None: the steps are
                spent whole and the last weights count.
            checkpoints: folder of the checkpoints; None: nothing is saved.
            every: steps between two checkpoints, besides one at every look.
            workers: that train it together; only the chief's folder is written and read.

        Raises:
            ValueError: the checkpoint is damaged or of another model or phase.
        """
        super().__init__()
        self._trained, self._phase, self._steps = model, phase, steps
        self._patience, self._every, self._workers = patience, every, workers
        self.step = self._saved = 0
        self.history: list[dict[str, float]] = []
        self.failed_step: int | None = None
        self.best: float | None = None
        self.seconds, self._wait = 0.0, 0
        self._durations: list[float] = []
        kept = [] if patience is None else model.weights
        self._best_weights = [tf.Variable(v.value, trainable=False) for v in kept]
        self._manager: tf.train.CheckpointManager | None = None
        with workers.scope():
            model.optimizer.build(model.trainable_variables)
        state = None
        if checkpoints is not None and workers.chief:
            state = self._restore(checkpoints)
        self._take(workers.of_chief(state))

    @property
    def finished(self) -> bool:
        """Whether the steps are spent, patience has run out, or the loss is not a number."""
        spent = self.step >= self._steps or self.failed_step is not None
        return spent or self._out_of_patience()

    @property
    def best_step(self) -> int | None:
        """The step of the best look; None before there was one."""
        found = (row for row in self.history if row["val_bits_per_dimension"] == self.best)
        return next((int(row["step"]) for row in found), None)

    @property
    def step_seconds(self) -> float:
        """Median time of a step here, which one slow moment does not move; 0 if there was none."""
        return float(np.median(self._durations)) if self._durations else 0.0

    def restore_best(self) -> None:
        """Gives the model the weights of its best look, if patience made it keep them."""
        for variable, best in zip(self._trained.weights, self._best_weights, strict=False):
            variable.assign(best)

    def on_train_begin(self, logs=None):
        self._clock = time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        # Not right after the step: a look at it, which a checkpoint must hold, may follow.
        if self.step % self._every == 0 and self.step > self._saved:
            self.save()
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        # The loss comes first: reading it waits for the step's end.
        finite = np.isfinite(logs["loss"])
        self._durations.append(time.perf_counter() - self._began)
        self.step += 1
        if not finite:
            self._fail()

    def on_epoch_end(self, epoch, logs=None):
        if self.failed_step is not None:
            return
        self.history.append({"step": self.step} | {k: float(v) for k, v in logs.items()})
        if self._patience is not None:
            self._look(logs["val_bits_per_dimension"])
        self.save()

    def save(self) -> None:
        """Writes a checkpoint, unless a weight is not finite."""
        if not all(np.isfinite(v.numpy()).all() for v in self._trained.trainable_weights):
            self._fail()
            return
        if self._manager is None:
            return
        now = time.monotonic()
        self.seconds, self._clock = self.seconds + now - self._clock, now
        state = {
            "phase": self._phase,
            "steps": self._steps,
            "step": self.step,
            "history": self.history,
            "best": self.best,
            "wait": self._wait,
            "seconds": self.seconds,
        }
        self._state.assign(json.dumps(state))
        self._manager.save(checkpoint_number=self.step)
        self._saved = self.step

    def _look(self, bits):
        """Counts a look, unless the split is still being drawn: that flow is not to be kept."""
        # What follows from a last digit must follow for all.
        bits = self._workers.of_chief(float(bits))
        if all(order.decided for order in variable_orders(self._trained.flow)):
            improved = self.best is None or bits < self.best
            self._wait = 0 if improved else self._wait + 1
            self.best = bits if improved else self.best
            if self._out_of_patience():
                self.model.stop_training = True
        if self._wait == 0:
            for best, variable in zip(self._best_weights, self._trained.weights, strict=True):
                best.assign(variable.value)

    def _out_of_patience(self):
        return self._patience is not None and self._wait >= self._patience

    def _fail(self):
        self.failed_step = self.failed_step or self.step
        self._trained.stop_training = True

    def _restore(self, folder):
        """Reads the last checkpoint; returns what it says besides variables, None without one."""
        self._state = tf.Variable("", dtype=tf.string)
        checkpoint = tf.train.Checkpoint(
            variables=self._variables, best=self._best_weights, state=self._state
        )
        self._manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
        latest = self._manager.latest_checkpoint
        if latest is None:
            return None
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
        return state

    @property
    def _variables(self):
        model = self._trained
        return [v.value for v in (*model.weights, *model.optimizer.variables)]

    def _take(self, state):
        """Continues from what the chief's checkpoint says, if it has one."""
        if state is None:
            return
        self._workers.assign_of_chief([*self._variables, *self._best_weights])
        self.step = self._saved = state["step"]
        self.history = state["history"]
        self.best, self.seconds = state["best"], state["seconds"]
        # A phase that was given more steps has patience again.
        self._wait = state["wait"] if state["steps"] == self._steps else 0
