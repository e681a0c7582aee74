"""The trainer behind `train`, `demo` and `compare`: the same arguments give the same model."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.factorizations import Factorization
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.batches import batches
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.course import Course
from tfp_lcma.training.runs.progress import Progress
from tfp_lcma.training.runs.steps import Steps
from tfp_lcma.training.runs.training_failed import TrainingFailedError
from tfp_lcma.training.runs.workers import ALONE, Workers

_VALIDATION_IMAGES = 2000


class Trainer:
    """A fresh flow, and where its training stands.

    ```python
    trainer = Trainer(recipe, dataset, factorization, seed=0, steps=600, patience=4)
    trainer.fit()
    trainer.model, trainer.course.best
    ```

    Attributes:
        model: the model.
        course: steps done, history, best look.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        factorization: Factorization | None,
        seed: int,
        *,
        steps: int,
        phase: str = "training",
        labels: bool = False,
        patience: float | None = None,
        checkpoints: Path | None = None,
        checkpoint_every: int = 200,
        jit_compile: bool | Literal["auto"] = "auto",
        workers: Workers = ALONE,
        **options: Any,
    ):
        """Builds the model, or finds it again in its last checkpoint.

        Args:
            recipe: flow and optimisation; its learning rate's schedule spans `steps`.
            dataset: trained on, and looked at every `recipe.validate_every` steps.
            factorization: which dimensions are factored out; None: a flow without a split.
            seed: of initial weights, batches and noise.
            steps: most steps of training.
            phase: name of the training, in messages and checkpoints.
            labels: whether the flow is conditioned on the classes of the images.
            patience: looks without improvement before training stops, and the weights of the best
                look count; infinity: they do, and the steps are spent whole; None: the steps are
                spent whole and the last weights count.
            checkpoints: folder of the checkpoints; None: nothing is saved.
            checkpoint_every: steps between two checkpoints, besides one at every look.
            jit_compile: whether Keras compiles its steps with XLA; "auto": where there is a GPU.
            workers: that train it together.
            **options: of the recipe's model, beyond the recipe's.

        Raises:
            ValueError: a checkpoint is damaged or of another model.
        """
        self._recipe, self._dataset, self._seed = recipe, dataset, seed
        self._steps, self._phase, self._labels, self._workers = steps, phase, labels, workers
        # Names and graphs of earlier models in this process must not pile up.
        keras.utils.clear_session()
        with workers.scope():
            self.model = fresh_model(recipe, dataset, factorization, seed, labels=labels, **options)
            self.model.compile(optimizer=recipe.build_optimizer(steps), jit_compile=jit_compile)
        self.course = Course(
            self.model,
            phase,
            steps,
            patience=patience,
            checkpoints=checkpoints,
            every=checkpoint_every,
            workers=workers,
        )

    def fit(
        self,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        *,
        validate: bool = True,
        progress: Progress | None = None,
    ) -> None:
        """Trains to the end, and leaves the model with the weights that count.

        Args:
            callbacks: what else takes part.
            validate: whether to look at the validation split.
            progress: shows how far it has come; None: nothing does.

        Raises:
            TrainingFailedError: the loss became NaN; the last good checkpoint is kept.
        """
        recipe, course = self._recipe, self.course
        if self._workers.several and not self.model.flow.is_initialized:
            # `fit` would start each process from its own share of the first batches.
            images, labels = self._first_rows()
            due = self.model.flow.start_due
            self.model.initialize(images, labels, levels=due, batch_size=recipe.batch_size)
        steps = Steps(progress or Progress(quiet=True), self._phase, course, self._steps)
        looks = self._looks() if validate else None
        with steps.shown() as shown:
            while not course.finished:
                epoch, done = divmod(course.step, recipe.validate_every)
                piece = min(recipe.validate_every - done, self._steps - course.step)
                # Whole intervals in one call, then what is left.
                whole = piece == recipe.validate_every
                count = (self._steps - course.step) // recipe.validate_every if whole else 1
                self.model.fit(
                    self._batches(course.step, course.step + count * piece),
                    initial_epoch=epoch,
                    epochs=epoch + count,
                    steps_per_epoch=piece,
                    validation_data=looks,
                    callbacks=[course, shown, *callbacks],
                    shuffle=False,
                    verbose=0,
                )
        if course.failed_step is not None:
            raise TrainingFailedError(f"loss became NaN or infinite at step {course.failed_step}")
        course.restore_best()

    def _first_rows(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the images, and labels or None, of the batches that `fit` starts a flow from."""
        start, size = self.course.step, self._recipe.batch_size
        asked = -(-self.model.flow.start_images // size)
        stop = start + max(1, min(asked, self._steps - start))
        found = list(self._whole_batches(start, stop))
        if not self._labels:
            return np.concatenate(found), None
        images, labels = zip(*found, strict=True)
        return np.concatenate(images), np.concatenate(labels)

    def _batches(self, start, stop):
        return self._workers.shared_out(
            self._recipe.batch_size, functools.partial(self._whole_batches, start, stop)
        )

    def _whole_batches(self, start, stop, parts=None):
        train = self._dataset.train
        return batches(
            train.images,
            batch_size=self._recipe.batch_size,
            seed=self._seed,
            start=start,
            stop=stop,
            flip=self._recipe.flip,
            labels=train.labels if self._labels else None,
            parts=parts,
        )

    def _looks(self) -> tf.data.Dataset:
        first = self._dataset.validation.first(_VALIDATION_IMAGES)
        looks = (first.images, first.labels) if self._labels else first.images
        return tf.data.Dataset.from_tensor_slices(looks).batch(256)


def fresh_model(
    recipe: Recipe,
    dataset: Dataset,
    factorization: Factorization | None,
    seed: int,
    *,
    labels: bool = False,
    **options: Any,
) -> lcma.FlowModel:
    """Returns a recipe's model with fresh weights, the same for the same seed, not yet compiled.

    Args:
        recipe: whose flow.
        dataset: of what images; only their shape and number of intensities and classes are read.
        factorization: which dimensions are factored out; None: a flow without a split.
        seed: of weights and noise.
        labels: whether the flow is conditioned on classes.
        **options: of the recipe's model, beyond the recipe's.
    """
    keras.utils.set_random_seed(seed)
    if labels:
        options["conditions"] = dataset.classes
    flow = recipe.build_flow(dataset.event_shape, factorization, **options)
    return recipe.build_model(flow, dataset.bins, seed)
