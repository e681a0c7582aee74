"""What happens to a flow before it is trained, and before it is used."""

from collections.abc import Callable, Collection

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.density.dequantization import Dequantization
from tfp_lcma.keras_model.elements import Rows
from tfp_lcma.keras_model.image_sources import ArraySource, BatchSource
from tfp_lcma.keras_model.questions import Questions
from tfp_lcma.keras_model.replicas import assign_of_chief, check_same, of_chief, share_seed
from tfp_lcma.keras_model.steps import Steps
from tfp_lcma.validation import check_condition, check_count, check_images, warn_if_scaled

# Training images over which batch normalisation's statistics are averaged.
_STATISTICS_IMAGES = 4096


class Preparation(Questions, Steps):
    """Starts what starts from data in a `FlowModel`, and averages its batch statistics."""

    # Of the model.
    dequantization: Dequantization
    preprocessing: FlowBijector
    _initialized: bool
    _training_data: Callable[[], ArraySource | BatchSource] | None

    def initialize(
        self,
        images: np.ndarray,
        condition=None,
        levels: Collection[int] | None = None,
        *,
        batch_size: int | None = None,
    ) -> None:
        """Starts from images what starts from data: actnorms, and parts such as `Whitened`.

        Those of a flow of the dequantisation's noise start before; where `levels` says which of
        the flow's do, only if they never have.

        Args:
            images: `[n, height, width, channels]`; 64 or more give steady statistics of channels,
                2,048 those of a `Whitened` split or of a prior that starts by least squares.
            condition: What they are conditioned on, in a model with conditions.
            levels: Only the parts of these levels of the flow; None: all.
            batch_size: From how many of the images, the first ones, a level's actnorms start; the
                others go through its networks in pieces of a few times as many. None: all at once.
        """
        images = check_images(images, self.event_shape, self.bins, "images")
        warn_if_scaled(self.bins, images=images)
        condition = check_condition(condition, self.conditions, len(images), "condition")
        size = len(images) if batch_size is None else check_count(batch_size, "batch_size")
        starting = True if levels is None else frozenset(levels)
        of_noise = Context(starting=levels is None or not self._noise_is_initialized)
        pieces = []
        for first in range(0, len(images), size):
            batch = tf.convert_to_tensor(images[first : first + size])
            pieces.append(self._preprocess(batch, of_noise, first))
            of_noise = Context()
        x = tf.concat(pieces, axis=0)
        context = Context(
            condition,
            # By statistics of the batch, as what starts from its output will see it in training.
            training=self.flow.gathers_statistics and self.flow.start_images > 0,
            starting=starting,
            rows_at_once=size if size < len(images) else None,
        )
        self.flow.inverse_and_log_det(x, context=context)
        # Other workers may have other images, or other last digits.
        assign_of_chief(self.distribute_strategy, self.weights)

    def prepare_for_inference(self) -> None:
        """Averages batch statistics over training images, within `fit`, if the flow has any."""
        if not self.flow.gathers_statistics or self._training_data is None:
            return
        self.flow.reset_statistics()
        if "statistics" not in self._compiled_functions:

            def gather(x, condition):
                context = Context(condition, training=True, gathering=True)
                return self.flow.inverse_and_log_det(x, context=context)[1]

            self._compiled_functions["statistics"] = tf.function(gather, autograph=False)
        update = self._compiled_functions["statistics"]
        images, condition = self.training_rows(_STATISTICS_IMAGES, seed=self.seed)
        size = min(64, len(images))
        # Batches of one size: each counts alike in the average.
        for start in range(0, len(images) - size + 1, size):
            batch = slice(start, start + size)
            given = None if condition is None else tf.convert_to_tensor(condition[batch])
            update(self._preprocess(tf.convert_to_tensor(images[batch])), given)
        assign_of_chief(self.distribute_strategy, self.non_trainable_weights)

    def training_rows(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns up to `count` of the images that `fit` is training on, and their condition.

        Only callbacks may ask, while `fit` runs. Arrays are sampled at random
        by `seed`; of a dataset the first `count` are taken.

        Returns:
            Images, and what they are conditioned on, or None.

        Raises:
            ValueError: If `fit` is not running.
        """
        if self._training_data is None:
            raise ValueError("training_rows() is available only while fit() runs.")
        return self._training_data().sample(count, seed)

    # Helpers.

    def _start_on_all_workers(self, first: Rows, source: ArraySource | BatchSource) -> None:
        """Prepares for training, by the chief's seed, as all workers do from the same state.

        Raises:
            ValueError: On every worker, if their models, weights or optimizers differ.
        """
        strategy = self.distribute_strategy
        # Before the chief's start is shared, which takes the same shapes.
        what = "the model's shapes, its split and whether it was initialised"
        check_same(strategy, what, self._outlined())
        self._prepare_for_training(first, source)
        check_same(strategy, "the weights of the model and its optimizer", self._state())
        share_seed(strategy)

    def _outlined(self):
        yield from (f"{variable.dtype}{variable.shape}" for variable in self.weights)
        yield self._is_initialized()
        if self.flow.exit_map is not None:
            yield self.flow.exit_map

    def _state(self):
        yield from (variable.numpy() for variable in (*self.weights, *self.optimizer.variables))

    def _prepare_for_training(
        self, first: Rows, source: ArraySource | BatchSource | None = None
    ) -> None:
        """Starts the flow, and builds the optimizer, if need be.

        Args:
            first: A first batch, which is enough for most flows.
            source: Where there are more; None: nowhere.
        """
        if not self._is_initialized():
            # What was trained before, a whole flow or its first levels, keeps its start.
            images, condition = first if self.flow.is_initialized else self._enough(first, source)
            due = self.flow.start_due
            self.initialize(images, condition, due, batch_size=len(first.images))
        if getattr(self, "optimizer", None) is not None and not self.optimizer.built:
            # Variables created while tracing would make Keras trace the step twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def _enough(self, first, source):
        """Returns as many batches, the first one first, as the flow's start asks for."""
        wanted = self.flow.start_images
        if source is None or not wanted:
            return first
        # As many on all workers, since they may have to fetch batches together.
        strategy = self.distribute_strategy
        count = int(of_chief(strategy, np.array(-(-wanted // len(first.images)))))
        return first if count == 1 else source.first_batches(count, len(first.images), self.seed)

    def _preprocess(self, images, context=None, first_row=0):
        """Dequantises images by the model's seed and maps them to the flow's domain."""
        dtype = self.flow.dtype
        x = self.dequantization.of_batch(images, self._seed(None), dtype, first_row, context)
        return self.preprocessing.inverse_and_log_det(x)[0]

    def _is_initialized(self):
        self._initialized = self._initialized or (
            self.flow.is_initialized and self._noise_is_initialized
        )
        return self._initialized

    @property
    def _noise_is_initialized(self):
        return all(flow.is_initialized for flow in self.dequantization.flows)

    def _check_initialized(self) -> None:
        if not self._is_initialized():
            raise ValueError(
                "The flow was never initialised: call fit(), or initialize(images) with a batch of "
                "training images, before using the model."
            )
