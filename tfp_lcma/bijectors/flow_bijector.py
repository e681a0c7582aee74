"""The contract of a flow: a bijector that reports its log-det per event dimension."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_lcma.bijectors.checks import flow_dtype, image_shape
from tfp_lcma.bijectors.fixed_point import tolerating_lost_rows
from tfp_lcma.bijectors.running_log_det import EventLogDet, LogDet, SummedLogDet
from tfp_lcma.serialization import Configurable, register

tfb = tfp.bijectors


class FlowBijector(Configurable, tfb.Bijector):
    """An invertible map of images whose log-det is a tensor shaped like the event.

    ```none
    forward   x = g(z)       latent -> data (sampling)
    inverse   z = g^{-1}(x)  data -> latent (density)

    inverse_and_event_log_det(x) = (z, d),  d.shape == z.shape,
    sum(d) = log |det dz/dx|
    ```

    A subclass writes the two one-pass methods, `inverse_and_event_log_det` and
    `forward_and_event_log_det`, and `get_config`. If it moves dimensions about
    it also writes the transports, and `route` where the move is fixed. The
    methods TensorFlow Probability knows are derived from these here, once.

    The cache that TFP keeps per bijector is keyed by the identity of the input
    tensor. In eager mode that yields stale values once a variable has changed
    and wrong gradients when a tensor is used twice, so it is bypassed there.
    While a function is traced it is kept, and given the log-det of the one
    pass, so that `log_prob` evaluates every network once.

    Attributes:
      event_shape: Shape of one data image, `(height, width, channels)`.
      exit_map: Integer array of the event's shape, the level at which each
        dimension leaves; None for a flow that has no levels.
      routes_change: Whether `route` may give another answer later, because it
        goes by a variable.
      conditions: What the flow must be told beside its input: a number of
        classes, or the shape `(k,)` of a vector; None: nothing.
      iterates: Whether the forward map is an iteration, which may not converge.
    """

    exit_map: np.ndarray | None = None
    routes_change: bool = False
    conditions: int | tuple[int] | None = None
    iterates: bool = False

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        dtype: str | None = "float32",
        layers: Sequence[keras.layers.Layer] = (),
        name: str | None = None,
    ):
        """Creates the flow.

        Args:
          event_shape: Shape of one data image, `(height, width, channels)`.
          dtype: "float32" or "float64": the type of activations and log-dets;
            None: any, for a flow without numbers of its own.
          layers: The built Keras layers that hold this flow's own variables.
          name: Name of the bijector.

        Raises:
          ValueError: If the shape or the type cannot be that of an image flow.
        """
        # No `parameters`: TFP would let two flows with equal ones share a cache.
        super().__init__(forward_min_event_ndims=3, dtype=flow_dtype(dtype), name=name)
        self.event_shape = image_shape(event_shape, "event_shape")
        self._own_layers = self._no_dependency(list(layers))
        # A Keras layer is no tf.Module: its variables are listed for TFP by hand.
        self._own_variables = [v.value for layer in layers for v in layer.variables]

    # What a subclass writes.

    def inverse_and_event_log_det(
        self, x: tf.Tensor, condition=None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps data to latents in one pass.

        Args:
          x: `[batch, height, width, channels]`.
          condition: Classes `[batch]` or vectors `[batch, k]`, as `conditions`
            says; a flow that has none pays no attention.
          training: Whether this is a step of training (batch statistics).

        Returns:
          The latents and, in their shape, each one's share of log|det dz/dx|
          in nats.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks inverse_and_event_log_det().")

    def forward_and_event_log_det(
        self, z: tf.Tensor, condition=None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents to data in one pass; the mirror image of the inverse."""
        raise NotImplementedError(f"{type(self).__name__} lacks forward_and_event_log_det().")

    def transport_inverse(self, t: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Carries a per-dimension tensor `t` as the inverse carries `x`; keeps its sum."""
        return t

    def transport_forward(self, t: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """Carries a per-dimension tensor `t` as the forward map carries `z`."""
        return t

    def route(self, index: np.ndarray) -> np.ndarray:
        """Moves an integer array shaped like one image as the inverse moves dimensions.

        Plain numpy, used while a model is built. Flows whose moves are not a
        fixed permutation leave the array alone: their entries are known by the
        slot they end in.
        """
        return index

    # What composite flows override so that every part runs once: see `CarryingFlow`.

    def carry_inverse(
        self, x: tf.Tensor, log_det: LogDet, condition=None, training: bool = False
    ) -> tuple[tf.Tensor, LogDet]:
        """Maps `x` and takes the log-det so far along, this flow's added."""
        z, added = self.inverse_and_event_log_det(x, condition, training)
        return z, log_det.moved(lambda t: self.transport_inverse(t, x)).plus(added)

    def carry_forward(
        self, z: tf.Tensor, log_det: LogDet, condition=None, training: bool = False
    ) -> tuple[tf.Tensor, LogDet]:
        """Maps `z` and takes the log-det so far along, this flow's added."""
        x, added = self.forward_and_event_log_det(z, condition, training)
        return x, log_det.moved(lambda t: self.transport_forward(t, z)).plus(added)

    # What every flow has.

    def inverse_and_log_det(
        self, x: tf.Tensor, condition=None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps data to latents in one pass; returns them and log|det dz/dx|, `[batch]`.

        The sum of the event log-det, without the work of telling it by dimension.
        """
        z, log_det = self.carry_inverse(x, _no_sum_yet(x), condition, training)
        return z, log_det.values

    def forward_and_log_det(
        self, z: tf.Tensor, condition=None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents to data in one pass; the mirror image of the inverse."""
        x, log_det = self.carry_forward(z, _no_sum_yet(z), condition, training)
        return x, log_det.values

    def inverse_event_log_det_jacobian(self, x: tf.Tensor, condition=None) -> tf.Tensor:
        """Returns log|det dz/dx| per event dimension, in nats."""
        return self.inverse_and_event_log_det(x, condition)[1]

    def forward_event_log_det_jacobian(self, z: tf.Tensor, condition=None) -> tf.Tensor:
        """Returns log|det dx/dz| per event dimension, in nats."""
        return self.forward_and_event_log_det(z, condition)[1]

    def forward_with_convergence(self, z: tf.Tensor, condition=None) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents to data and says for every row whether that succeeded.

        Where the forward map is an iteration, a row may not converge. It is then
        NaN, here and in graphs; other calls in eager mode raise a ValueError.

        Returns:
          The data and a boolean `[batch]`.
        """
        with tolerating_lost_rows():
            x, _ = self.forward_and_log_det(z, condition)
        return x, tf.reduce_all(tf.math.is_finite(x), axis=(-3, -2, -1))

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The Keras layers of this flow and of all its parts, each once."""
        found = {}
        for module in (self, *self.submodules):
            if isinstance(module, FlowBijector):
                found.update((id(layer), layer) for layer in module._own_layers)
        return list(found.values())

    # TFP's names for the same things, derived in this one place.

    def _one_pass(self, method, value, kwargs):
        """Runs a one-pass method with a summed log-det on `[..., height, width, channels]`."""
        lead = tf.shape(value)[:-3]
        static_lead = value.shape[:-3]
        flat = value if value.shape.rank == 4 else tf.reshape(value, (-1, *value.shape[-3:]))
        result, log_det = method(flat, **kwargs)
        if value.shape.rank != 4:
            result = tf.reshape(result, tf.concat([lead, result.shape[1:]], axis=0))
            log_det = tf.reshape(log_det, lead)
            result.set_shape(static_lead + result.shape[-3:])
        return result, log_det

    def _inverse(self, y, **kwargs):
        z, log_det = self._one_pass(self.inverse_and_log_det, y, kwargs)
        if not tf.executing_eagerly():
            self._cache.inverse_attributes(y, **kwargs)["ildj"] = log_det
        return z

    def _forward(self, x, **kwargs):
        data, log_det = self._one_pass(self.forward_and_log_det, x, kwargs)
        if not tf.executing_eagerly():
            self._cache.forward_attributes(x, **kwargs)["ildj"] = -log_det
        return data

    def _inverse_log_det_jacobian(self, y, **kwargs):
        return self._one_pass(self.inverse_and_log_det, y, kwargs)[1]

    def _forward_log_det_jacobian(self, x, **kwargs):
        return self._one_pass(self.forward_and_log_det, x, kwargs)[1]

    def _call_inverse(self, y, name, **kwargs):
        return super()._call_inverse(self._uncached(y), name, **kwargs)

    def _call_forward(self, x, name, **kwargs):
        return super()._call_forward(self._uncached(x), name, **kwargs)

    def _call_inverse_log_det_jacobian(self, y, event_ndims, name, **kwargs):
        return super()._call_inverse_log_det_jacobian(
            self._uncached(y), event_ndims, name, **kwargs
        )

    def _call_forward_log_det_jacobian(self, x, event_ndims, name, **kwargs):
        return super()._call_forward_log_det_jacobian(
            self._uncached(x), event_ndims, name, **kwargs
        )

    def _uncached(self, value):
        """In eager mode, a tensor the cache has never seen; arrays become one anyway."""
        return tf.identity(value) if tf.executing_eagerly() and tf.is_tensor(value) else value

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}


class CarryingFlow(FlowBijector):
    """A flow that writes `carry_inverse` and `carry_forward`; the rest follows from them.

    For flows of flows, and where the log-det is less than a tensor of the
    event's shape: one number a channel, or some dimensions' alone. A subclass
    of such a flow changes `carry_*`: TFP's methods go by these.
    """

    def inverse_and_event_log_det(self, x, condition=None, training=False):
        z, log_det = self.carry_inverse(x, self._nothing_yet(x), condition, training)
        return z, log_det.values

    def forward_and_event_log_det(self, z, condition=None, training=False):
        x, log_det = self.carry_forward(z, self._nothing_yet(z), condition, training)
        return x, log_det.values

    def _nothing_yet(self, value):
        return EventLogDet(tf.zeros_like(value, self.dtype))


@register
class Identity(CarryingFlow):
    """Leaves everything as it is; log-det 0."""

    def __init__(self, event_shape: Sequence[int], name: str | None = None):
        """Passes images of `event_shape` through."""
        super().__init__(event_shape, dtype=None, name=name)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape}

    def carry_inverse(self, x, log_det, condition=None, training=False):
        return x, log_det

    def carry_forward(self, z, log_det, condition=None, training=False):
        return z, log_det


def _no_sum_yet(value):
    return SummedLogDet(tf.zeros_like(value[:, 0, 0, 0]))
