"""The callback that draws and decides the splits of `OnlineLikelihoodContribution`."""

import warnings
from collections.abc import Callable

import keras
import numpy as np

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.variable_permutation import VariablePermutation
from tfp_lcma.keras_model.collector import LogDetCollector
from tfp_lcma.keras_model.replicas import check_same
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.validation import check_count

# Images from which the actnorms below a settled level start again; other starts may ask for more.
_INITIALIZATION_IMAGES = 256
# Images that are measured under one draw.
_BATCH_SIZE = 128


class OnlineSplit(keras.callbacks.Callback):
    """Draws random splits while the model trains, and settles them when it is time.

    `FlowModel.fit` adds it by itself where the flow's factorization asks for it; pass one to say
    which images decide. What it does is a function of the optimiser's step, and all it changes are
    weights of the model and moments of the optimiser, so that a run carries on from a checkpoint.

    When a level is settled, what lies below it sees other dimensions than
    before: the actnorms there start again from training images and the
    optimiser forgets its moments of those variables.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 1), "uint8")
    split = lcma.factorizations.OnlineLikelihoodContribution(decide_at=(1,))
    flow = lcma.models.real_nvp((4, 4, 1), levels=2, width=4, blocks=1, factorization=split)
    model = lcma.FlowModel(flow)
    model.compile("adam")
    model.fit(images, epochs=1, callbacks=[lcma.OnlineSplit(images)], verbose=0)
    flow.splits[0].decided  # True
    ```
    """

    def __init__(
        self,
        images: np.ndarray | None = None,
        condition: np.ndarray | None = None,
        count: int = 2048,
        watch_every: int | None = None,
        on_watch: Callable[[int, int, np.ndarray], None] | None = None,
    ):
        """Creates the callback.

        Args:
            images: The images that decide; None: some of those being trained on.
            condition: What these images are conditioned on, in a model with conditions.
            count: How many of those being trained on.
            watch_every: Steps between two looks at what would be chosen, to see
                whether the choice has come to rest; None: no looks.
            on_watch: Called at each look and each decision with step, level and
                the order `[h, w, 4c]` that would be, or is, chosen.

        Raises:
            ValueError: If `count` or `watch_every` is not a whole number >= 1.
        """
        super().__init__()
        self._rows = None if images is None else (images, condition)
        self._count = check_count(count, "count")
        self._watch_every = None if watch_every is None else check_count(watch_every, "watch_every")
        self._collector: LogDetCollector | None = None
        self._on_watch = on_watch or (lambda step, level, order: None)

    def on_train_begin(self, logs=None):
        self._orders = variable_orders(self.model.flow)
        # Levels are settled from the top down; the count saves a look at variables every step.
        self._settled = sum(order.decided for order in self._orders)
        self._warned = False
        given = self.params or {}  # None outside of `fit`
        steps, epochs = given.get("steps"), given.get("epochs")
        if steps and epochs:
            self._warn_if_undecided(int(self.model.optimizer.iterations.numpy()) + steps * epochs)

    def on_train_end(self, logs=None):
        self._warn_if_undecided(int(self.model.optimizer.iterations.numpy()))

    def _warn_if_undecided(self, end):
        """Warns once if the split has not settled, or will not have, when training ends."""
        if self._warned or self._settled == len(self._orders):
            return
        decide_at = self.model.flow.factorization.decide_at
        # A choice is made before the step of that number.
        if end <= decide_at[-1]:
            self._warned = True
            warnings.warn(
                f"decide_at={decide_at} lies beyond the end of this training, step {end}: the "
                "split stays undecided. Train on, or decide earlier.",
                stacklevel=2,
            )

    def on_train_batch_begin(self, batch, logs=None):
        if self._settled == len(self._orders):
            return
        step = int(self.model.optimizer.iterations.numpy())
        decide_at = self.model.flow.factorization.decide_at
        # The last decision settles all that is left.
        due = len(self._orders) if step >= decide_at[-1] else sum(step >= at for at in decide_at)
        while self._settled < due:
            self._decide(self._settled, step)
        if self._settled == len(self._orders):
            return
        if self._watch_every and step and step % self._watch_every == 0:
            self._choice(self._settled, step)
        self._draw(step)

    def _draw(self, step):
        """Gives every level that is not settled a random order."""
        factorization = self.model.flow.factorization
        for level in range(self._settled, len(self._orders)):
            order = self._orders[level]
            order.assign(factorization.drawn_order(level, order.event_shape, step))

    def _decide(self, level, step):
        """Settles a level, the topmost that is not settled."""
        choice = self._choice(level, step)
        check_same(self.model.distribute_strategy, f"the split of level {level}", [choice])
        self._orders[level].assign(choice, decided=True)
        self._settled += 1
        self._start_again_below(level)

    def _choice(self, level, step):
        """Returns the order of a level by statistics under random splits of it and those below."""
        if self._collector is None:
            self._collector = LogDetCollector(seed=self.model.seed, batch_size=_BATCH_SIZE)
        images, condition = self._measured()
        # A draw of its own for every batch: no dimension is measured in one role alone.
        statistics = self._collector.collect(
            self.model, images, condition, lambda batch: self._draw(step + batch)
        )
        chosen = self.model.flow.factorization.chosen_order(level, statistics)
        chosen = np.broadcast_to(chosen, self._orders[level].event_shape)
        self._on_watch(step, level, chosen)
        return chosen

    def _measured(self):
        """Returns the images that decide, and what they are conditioned on."""
        return self._rows or self.model.training_rows(self._count, seed=self.model.seed)

    def _start_again_below(self, level):
        flow = self.model.flow
        below = range(level + 1, len(flow.flows))
        count = max(_INITIALIZATION_IMAGES, flow.start_images)
        first = (None if rows is None else rows[:count] for rows in self._measured())
        self.model.initialize(*first, below, batch_size=_INITIALIZATION_IMAGES)
        started = [flow.exits[number] for number in below if flow.exits[number].start_flags]
        parts = [*(flow.flows[number] for number in below), *started]
        layers = [layer for part in parts for layer in part.layers]
        variables = [v for layer in layers for v in layer.trainable_variables]
        forget_moments(self.model.optimizer, variables)


def variable_orders(flow: FlowBijector) -> list[VariablePermutation]:
    """Returns the orders of a multi-scale flow that are decided in training, finest level first."""
    if not isinstance(flow, MultiScale) or not flow.routes_change:
        return []
    return [order for order in flow.splits if isinstance(order, VariablePermutation)]


def with_online_split(callbacks, flow):
    """Adds an `OnlineSplit` to the callbacks of a `fit` whose flow has splits to decide.

    Raises:
        ValueError: If they are a `CallbackList`, to which nothing can be added, without one.
    """
    if not variable_orders(flow):
        return callbacks
    closed = isinstance(callbacks, keras.callbacks.CallbackList)
    present = callbacks.callbacks if closed else keras.tree.flatten(callbacks or [])
    if any(isinstance(callback, OnlineSplit) for callback in present):
        return callbacks
    if closed:
        raise ValueError(
            "callbacks must hold an OnlineSplit, since the flow's split is chosen while training; "
            f"got a CallbackList of {[type(callback).__name__ for callback in present]}."
        )
    return [*present, OnlineSplit()]


def forget_moments(optimizer: keras.optimizers.Optimizer, variables) -> None:
    """Sets what an optimiser has gathered about some variables to zero.

    Args:
        optimizer: Any Keras optimiser that keeps a list of moments in the order
            of its trainable variables, as Adam, Adamax and SGD do.
        variables: Of the model.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a loss-scaling one
    chosen = {id(variable) for variable in variables}
    trained = optimizer._trainable_variables
    kept = ("_variables", "_trainable_variables", "_model_variables_moving_average")
    for name, moments in vars(optimizer).items():
        if name in kept or not isinstance(moments, list) or len(moments) != len(trained):
            continue
        for variable, moment in zip(trained, moments, strict=True):
            if id(variable) in chosen and moment.shape == variable.shape:
                moment.assign(np.zeros(moment.shape))
