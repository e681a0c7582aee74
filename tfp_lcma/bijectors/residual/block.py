"""A residual block: the identity plus a contraction, inverted by iteration."""

import functools
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.context import Context, ProbeSeeds
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.residual.estimate import LogDetEstimate
from tfp_lcma.bijectors.residual.fixed_point import (
    fixed_point,
    mark_lost,
    with_implicit_gradient,
)
from tfp_lcma.bijectors.residual.probes import PassCounter
from tfp_lcma.bijectors.residual.series import Series, exact_log_det, series_log_det
from tfp_lcma.networks.lipschitz import LipschitzNetwork, linearize, network_value
from tfp_lcma.noise import seed_pair
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count

LOG_DETS = ("roulette", "truncated", "exact")
# Beyond this the two dozen matrices of one image take more than 12 MiB in float64.
MOST_EXACT_DIMENSIONS = 256


@register
class ResidualBlock(FlowBijector):
    r"""Adds a contraction g to the image.

    ```math
    \text{inverse} \quad z &= x + g(x), \quad \text{Lip}(g) \le \text{coefficient} < 1 \\
    \text{forward} \quad x &= z - g(x), \quad \text{by fixed-point iteration} \\
    \text{log-det} \quad d &= \text{diag} \log(I + J), \quad J = dg/dx
    ```

    The log-det is a power series in J, seen through random probes:

    | `log_det` | summed | expectation |
    |---|---|---|
    | "roulette" | `terms`, then each further one by chance, weighted up | the log-det |
    | "truncated" | `terms` | off by at most `truncation_bound(terms)` in sum |
    | "exact" | no series: the whole matrix, for small events | the log-det, always |

    In training every row has probes of its own, new in every pass; the passes are counted in a
    variable, so that a resumed run repeats an undisturbed one. Otherwise probes are fixed: the map
    and its log-det are then functions of the row alone, but errors of different rows go together.
    With `probes` in the context each row's follow its seed; `FlowModel` so scores images by their
    content. `inverse_event_log_det_estimate` gives the standard error.

    A forward pass that does not reach `tolerance` within `max_iterations` raises in eager mode. In
    a graph the rows concerned are NaN, and `forward_with_convergence` says which. The gradient of
    the forward map is that of the fixed point, from a second iteration; it has no second gradient.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    block = lcma.bijectors.ResidualBlock((4, 4, 1), lcma.networks.LipschitzNetwork(width=8))
    x = tf.random.normal((2, 4, 4, 1))
    bool(tf.reduce_all(abs(block.forward(block.inverse(x)) - x) < 1e-4))  # True
    ```

    References:
        Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen: Invertible residual networks.
        Chen, Behrmann, Duvenaud, Jacobsen: Residual flows for invertible generative
        modeling. The log-det per dimension is this package's.
    """

    searches = True
    iterates = True

    def __init__(
        self,
        event_shape: Sequence[int],
        network: LipschitzNetwork,
        *,
        log_det: str = "roulette",
        terms: int = 2,
        probes: int = 1,
        inference_terms: int = 10,
        inference_probes: int = 4,
        continuation: float | None = None,
        seed: int = 0,
        tolerance: float | None = None,
        max_iterations: int | None = None,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the block.

        Args:
            event_shape: `(height, width, channels)` of an image.
            network: The contraction g; built here if it is not yet.
            log_det: "roulette", "truncated" or "exact".
            terms: Terms that are always summed in training.
            probes: Probes of every row in training.
            inference_terms: Terms that are always summed otherwise.
            inference_probes: Probes otherwise.
            continuation: Probability that "roulette" goes on after a term; None:
                `coefficient ** 2`, the least for which the variance is finite
                whatever the weights. The paper has 0.5.
            seed: Seed of the probes; blocks of one flow need different ones.
            tolerance: Size of a step that ends the iteration, relative to the
                largest entry; None: 1e-6 in float32, 1e-13 in float64.
            max_iterations: The most steps; None: as many as a contraction by
                `coefficient` takes from a distance of 1,000 in the worst case.
            dtype: Type of activations and log-dets.
            name: Name of the bijector.

        Raises:
            ValueError: If an argument is out of range, or the event is too large
                for an exact log-det.
        """
        shape = image_shape(event_shape, "event_shape")
        _check(log_det, continuation, shape)
        if not network.built:
            network.build((None, *shape))
        layers = [network]
        if log_det != "exact":
            self._counter = PassCounter()
            layers.append(self._counter)
        super().__init__(
            shape, dtype=dtype, layers=layers, conditions=network.conditions, name=name
        )
        self._network, self._kind, self.seed = network, log_det, int(seed)
        if continuation is None:
            continuation = network.coefficient**2
        self.continuation = float(continuation)
        going_on = self.continuation if log_det == "roulette" else 0.0
        self._training_series = Series(
            check_count(terms, "terms"), check_count(probes, "probes"), going_on
        )
        self._inference_series = Series(
            check_count(inference_terms, "inference_terms"),
            check_count(inference_probes, "inference_probes"),
            going_on,
        )
        if tolerance is None:
            tolerance = 1e-13 if dtype == "float64" else 1e-6
        if max_iterations is None:
            max_iterations = math.ceil(math.log(1e-3 * tolerance) / math.log(network.coefficient))
        self.tolerance = float(tolerance)
        self.max_iterations = check_count(max_iterations, "max_iterations")

    def get_config(self) -> dict:
        return {
            "event_shape": self.event_shape,
            "network": self._network,
            "log_det": self._kind,
            "terms": self._training_series.terms,
            "probes": self._training_series.probes,
            "inference_terms": self._inference_series.terms,
            "inference_probes": self._inference_series.probes,
            "continuation": self.continuation,
            "seed": self.seed,
            "tolerance": self.tolerance,
            "max_iterations": self.max_iterations,
            "dtype": self.dtype.name,
        }

    @property
    def network(self) -> LipschitzNetwork:
        """The contraction g."""
        return self._network

    @property
    def log_det(self) -> str:
        """How the log-det is computed, by "roulette", "truncated" or "exact"."""
        return self._kind

    def series(self, training: bool = False) -> Series | None:
        """Returns the terms and probes of a pass; None if the log-det is exact."""
        if self._kind == "exact":
            return None
        return self._training_series if training else self._inference_series

    def truncation_bound(self, terms: int) -> float:
        """Returns the most that cutting the series after `terms` changes the log-det by, in nats.

        `D * c^(n+1) / ((n+1) (1 - c))` for D dimensions and n terms, c the
        coefficient; a share of 1/D of it for each dimension.
        """
        c = self._network.coefficient
        return math.prod(self.event_shape) * c ** (terms + 1) / ((terms + 1) * (1 - c))

    def carry_inverse(self, x, log_det, context):
        jacobian = linearize(x, self._network.bounded_weights(context.training, context.condition))
        added = functools.partial(self._event_log_det, jacobian, context)
        return x + jacobian.value, log_det.plus(added)

    def carry_forward(self, z, log_det, context):
        weights = self._network.bounded_weights(context.training, context.condition)
        frozen, fixed_z = weights.frozen(), tf.stop_gradient(z)
        limits = self.tolerance, self.max_iterations
        root, found = fixed_point(lambda x: fixed_z - network_value(x, frozen), fixed_z, *limits)
        if not context.tolerates_lost_rows:
            self._raise_if_lost(found)
        root = tf.stop_gradient(mark_lost(root, found))
        x = z - network_value(root, weights)
        x = with_implicit_gradient(x, linearize(root, frozen).pull, *limits)
        return x, log_det.plus(lambda: -self._event_log_det(linearize(x, weights), context))

    @property
    def constants(self):
        return {"seed": np.int32(self.seed)}

    def inverse_event_log_det_estimate(
        self, x: tf.Tensor, probes: int, seed: int = 0, condition=None
    ) -> LogDetEstimate:
        """Returns latents and log-det with the standard error over probes.

        Every probe is a draw of its own, the length of its series included, so the standard error
        covers all that is random; the bias of a truncated series it does not.

        Args:
            x: `[batch, height, width, channels]`.
            probes: Number of probes, the same for every row; at least 2.
            seed: Whole number; the same gives the same estimate.
            condition: What the block is conditioned on.

        Returns:
            A `LogDetEstimate`; for an exact log-det its standard errors are 0.

        Raises:
            ValueError: If there are fewer than 2 probes.
        """
        if check_count(probes, "probes") < 2:
            raise ValueError(f"probes must be at least 2 for a standard error; got {probes}.")
        jacobian = linearize(x, self._network.bounded_weights(condition=condition))
        z = x + jacobian.value
        if self._kind == "exact":
            log_det = self._event_log_det(jacobian, Context())
            return LogDetEstimate(z, log_det, 0 * log_det, tf.zeros_like(log_det[:, 0, 0, 0]))
        pair, series = seed_pair(seed), self._inference_series._replace(probes=probes)
        draws = self._draws(jacobian, series, ProbeSeeds(pair[None], pair[0]), Context())

        def error_of_mean(draws):
            return tf.math.reduce_std(draws, axis=1) / math.sqrt(probes - 1)

        totals = tf.reduce_sum(draws, axis=(2, 3, 4))
        return LogDetEstimate(
            z, tf.reduce_mean(draws, axis=1), error_of_mean(draws), error_of_mean(totals)
        )

    def _event_log_det(self, jacobian, context):
        if self._kind == "exact":
            return exact_log_det(jacobian, self._network.coefficient)
        if context.training:
            seeds = self._counter.next_seeds(tf.shape(jacobian.value)[0], context.first_row)
        else:
            fixed = ProbeSeeds(tf.zeros((1, 2), tf.int32), tf.zeros((), tf.int32))
            seeds = context.probes or fixed
        draws = self._draws(jacobian, self.series(context.training), seeds, context)
        return tf.reduce_mean(draws, axis=1)

    def _draws(self, jacobian, series, seeds, context):
        """Returns what every probe estimates, `[batch, probes, height, width, channels]`."""
        salt = self.constant("seed", context)
        signs = series.signs(seeds.rows, self.event_shape, salt, self.dtype)
        lengths = series.lengths(seeds.shared, salt)
        return series_log_det(jacobian, signs, series, lengths, context.training)

    def _raise_if_lost(self, found):
        if not tf.executing_eagerly() or bool(tf.reduce_all(found)):
            return
        lost = int(tf.reduce_sum(tf.cast(~found, tf.int32)))
        raise ValueError(
            f"z must have a fixed point that {self.max_iterations} steps find to a tolerance of "
            f"{self.tolerance}; got {lost} of {found.shape[0]} rows without. They may not be "
            "finite, or max_iterations too few."
        )


def _check(log_det, continuation, event_shape):
    """Raises a ValueError if a block cannot be as its arguments say."""
    if log_det not in LOG_DETS:
        raise ValueError(f"log_det must be one of {', '.join(LOG_DETS)}; got {log_det!r}.")
    if continuation is not None and not 0 < continuation < 1:
        raise ValueError(
            f"continuation must lie between 0 and 1, ends excluded; got {continuation!r}."
        )
    size = math.prod(event_shape)
    if log_det == "exact" and size > MOST_EXACT_DIMENSIONS:
        raise ValueError(
            f'log_det must be "roulette" or "truncated" for events of more than '
            f'{MOST_EXACT_DIMENSIONS} dimensions; got "exact" for {event_shape}, {size}.'
        )
