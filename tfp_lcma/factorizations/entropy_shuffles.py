"""This package's own shuffles, by entropy: bijections even where they depend on the image."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.context import Context
from tfp_lcma.factorizations.shuffle import Shuffle, check_shuffle, permute_channels
from tfp_lcma.networks.channel_router import (
    ENTROPIES,
    ChannelRouter,
    EntropyAverages,
    invariant_maps,
)
from tfp_lcma.serialization import register


class EntropyShuffle(Shuffle):
    """Factors out the channels of highest scores, which learn or average entropies.

    Either part keeps its channels in their order, so that the scores decide nothing but
    which part a channel is in. Scores are computed in float32 whatever the flow's type.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        staying: int | None = None,
        entropy: str = "negentropy",
        reverse: bool = False,
        layers: Sequence[keras.layers.Layer] = (),
        name: str | None = None,
    ):
        super().__init__(event_shape, staying=staying, reverse=reverse, layers=layers, name=name)
        self._entropy = entropy

    def get_config(self) -> dict:
        return {**super().get_config(), "entropy": self._entropy}

    def partition(self, scores: tf.Tensor, staying: int | None = None) -> tf.Tensor:
        """Returns which channel each slot receives, int32 `[batch, slots]`.

        Args:
            scores: `[batch, channels]`; of equal ones the earlier channel stays.
            staying: How many stay; None: as many as of the whole tensor.
        """
        staying = self.staying if staying is None else staying
        ranked = tf.argsort(-scores if self._reverse else scores, axis=-1, stable=True)
        stay = tf.sort(ranked[:, :staying], axis=-1)
        leave = tf.sort(ranked[:, staying:], axis=-1)
        return tf.concat([stay, leave], axis=-1)


@register
class InvariantShuffle(EntropyShuffle):
    """Scores channels by statistics that no permutation of the channels changes.

    ```none
    scores = router(invariants(x));  z = x, channels reordered by the scores
    inverse of that: invariants(z) = invariants(x), so the scores are the same
    ```

    Sorting channels by what is *in* them would not be a bijection: all orders of the same channels
    would come out alike. Here all of them get one and the same permutation.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        staying: int | None = None,
        weight: float = 0.05,
        entropy: str = "negentropy",
        reverse: bool = False,
        name: str | None = None,
    ):
        """Creates the shuffle.

        Args:
            event_shape: `(height, width, channels)`, an even number of channels.
            staying: How many channels stay; None: half of them.
            weight: Of the loss by which the router learns.
            entropy: "negentropy" or "log_variance": what the scores learn.
            reverse: Whether the lowest scores are factored out.
            name: Name of the bijector.

        Raises:
            ValueError: If an argument is none of these.
        """
        channels = check_channels(event_shape, entropy, 2)
        self._router = ChannelRouter(channels, 3, weight, entropy)
        super().__init__(
            event_shape,
            staying=staying,
            entropy=entropy,
            reverse=reverse,
            layers=[self._router],
            name=name,
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "weight": self._router.weight}

    def scores(self, x):
        # Of what came out, too: it has the same invariants.
        return self._scores(x, Context())

    def _order(self, x, context):
        return self.partition(self._scores(x, context))

    def _order_back(self, z):
        return self.partition(self.scores(z))

    def _scores(self, x, context):
        return _scored(self._router, invariant_maps(x), x, context)


@register
class FrozenShuffle(EntropyShuffle):
    """Orders channels by moving averages of their entropies, which stand still after a while.

    The same order for every image; exact at any moment, since both directions
    read the same averages.
    """

    routes_change = True

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        staying: int | None = None,
        steps: int = 500,
        entropy: str = "negentropy",
        reverse: bool = False,
        name: str | None = None,
    ):
        """Creates the shuffle.

        Args:
            event_shape: `(height, width, channels)`, an even number of channels.
            staying: How many channels stay; None: half of them.
            steps: Passes of training after which the order is settled.
            entropy: "negentropy" or "log_variance": what is averaged.
            reverse: Whether the lowest averages are factored out.
            name: Name of the bijector.

        Raises:
            ValueError: If an argument is none of these.
        """
        channels = check_channels(event_shape, entropy, 2)
        self._averages = EntropyAverages(channels, steps, entropy)
        super().__init__(
            event_shape,
            staying=staying,
            entropy=entropy,
            reverse=reverse,
            layers=[self._averages],
            name=name,
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "steps": self._averages.steps}

    @property
    def settled(self) -> bool:
        """Whether the order will not change any more."""
        with tf.init_scope():
            return bool(self._averages.passes.numpy() >= self._averages.steps)

    def scores(self, x):
        return tf.convert_to_tensor(self._averages.averages.value)[None]

    def route(self, index):
        with tf.init_scope():
            order = self._order_back(None)[0].numpy()
        return index[..., order]

    def _order(self, x, context):
        order = self._order_back(x)
        if context.training:
            with tf.control_dependencies([order]):
                self._averages.update(x, context.rows)
        return order

    def _order_back(self, z):
        return self.partition(self.scores(z))


@register
class CouplingShuffle(EntropyShuffle):
    """Orders one half of the channels by the other half, then that one by the first.

    ```none
    x = (a, b);  b' = b ordered by router_b(a);  a' = a ordered by router_a(b')
    z = (a' and b' that stay, a' and b' that are factored out)
    ```

    No channel ever moves between the halves: of either, as many are factored out.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        staying: int | None = None,
        weight: float = 0.05,
        entropy: str = "negentropy",
        reverse: bool = False,
        name: str | None = None,
    ):
        """Creates the shuffle.

        Args:
            event_shape: `(height, width, channels)`, a number of channels divisible by 4.
            staying: How many channels stay; None: half of them.
            weight: Of the loss by which the routers learn.
            entropy: "negentropy" or "log_variance": what the scores learn.
            reverse: Whether the lowest scores are factored out.
            name: Name of the bijector.

        Raises:
            ValueError: If an argument is none of these.
        """
        half = check_channels(event_shape, entropy, 4) // 2
        self._routers = [ChannelRouter(half, half, weight, entropy) for _ in range(2)]
        super().__init__(
            event_shape,
            staying=staying,
            entropy=entropy,
            reverse=reverse,
            layers=self._routers,
            name=name,
        )
        # From (a', b') to (what stays of both, what is factored out of both), and back.
        self._staying_of_half = check_half(self.staying, half)
        slots = np.arange(2 * half).reshape(2, half)
        parts = np.split(slots, [self._staying_of_half], axis=1)
        self._slots = np.concatenate([part.ravel() for part in parts])
        self._slots_back = np.argsort(self._slots)

    def get_config(self) -> dict:
        return {**super().get_config(), "weight": self._routers[0].weight}

    def scores(self, x):
        return tf.concat(self._route(x, Context())[0], axis=-1)

    def _order(self, x, context):
        return self._whole(*self._route(x, context)[1])

    def _route(self, x, context):
        """Returns scores and orders of both halves."""
        of_a, of_b = self._routers
        a, b = tf.split(x, 2, axis=-1)
        scores_b = _scored(of_b, _single(a), b, context)
        order_b = self.partition(scores_b, self._staying_of_half)
        ordered = permute_channels(b, order_b)
        scores_a = _scored(of_a, _single(ordered), a, context)
        return (scores_a, scores_b), (self.partition(scores_a, self._staying_of_half), order_b)

    def _order_back(self, z):
        of_a, of_b = self._routers
        a, b = tf.split(tf.gather(z, self._slots_back, axis=-1), 2, axis=-1)
        order_a = self.partition(of_a((_single(b), a)), self._staying_of_half)
        a = permute_channels(a, tf.argsort(order_a, axis=-1))
        order_b = self.partition(of_b((_single(a), b)), self._staying_of_half)
        return self._whole(order_a, order_b)

    def _whole(self, order_a, order_b):
        """Returns both halves' permutations as one of all channels."""
        order = tf.concat([order_a, order_b + order_b.shape[-1]], axis=-1)
        return tf.gather(order, self._slots, axis=-1)


def check_channels(event_shape: Sequence[int], entropy: str, divisor: int) -> int:
    """Returns the number of channels, or raises a ValueError that names what is wrong."""
    channels = check_shuffle(event_shape, divisor)
    if entropy not in ENTROPIES:
        raise ValueError(f"entropy must be one of {', '.join(ENTROPIES)}; got {entropy!r}.")
    return channels


def check_half(staying: int, half: int) -> int:
    """Returns how many of either half stay, or raises a ValueError if they cannot be as many."""
    if staying % 2 or staying >= 2 * half:
        raise ValueError(f"staying must be an even number below {2 * half}; got {staying}.")
    return staying // 2


def _scored(router, maps, values, context):
    return router((maps, values), training=context.training, rows=context.rows)


def _single(values):
    return tf.cast(values, tf.float32)
