"""Couplings: one part of an image is changed by parameters computed from the other."""

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.backward import Backward, add_gradients, gradient_sources
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.log_det import LogDet
from tfp_lcma.bijectors.partition import Mask, Partition
from tfp_lcma.bijectors.transforms.affine import Affine
from tfp_lcma.bijectors.transforms.transform import Transform
from tfp_lcma.networks.condition import Conditions, check_condition_sides, check_conditions
from tfp_lcma.networks.specification import Network, built_network, unbuilt
from tfp_lcma.serialization import register


@register
class Coupling(FlowBijector):
    """Changes one part of the image by parameters that a network computes from the other part.

    ```none
    kept, moved = partition(x),  parameters = network(kept)
    inverse   z = kept and transform(moved, parameters)
    forward   x = kept and transform^{-1}(moved, parameters)
    log-det   log |transform'| where moved, else 0
    ```

    The network is called on what is kept and, in a conditional coupling, on the
    condition; never twice in a pass, nor in a step of the gradient by inversion.

    ```python
    import tfp_lcma as lcma

    half = lcma.bijectors.ChannelHalf((4, 4, 2))
    coupling = lcma.bijectors.Coupling(half, lcma.networks.Convolutional(8))
    ```

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, sections 3.2 to 3.4.
    """

    def __init__(
        self,
        partition: Partition | np.ndarray,
        network: Network,
        transform: Transform | None = None,
        *,
        conditions: Conditions = None,
        network_dtype: str | keras.DTypePolicy | None = None,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the coupling.

        Args:
            partition: What is kept and what is moved; a boolean array of the
                event's shape, true where the input is kept, stands for `Mask` of it.
            network: A specification such as `networks.Convolutional(width=32)`; a Keras layer,
                called `network(kept[, condition], training=)`, or its class, made with the number
                of its output channels. Raw `tf.Variable`s in it are refused.
            transform: What is done with the parameters; None: `Affine()`.
            conditions: Number of classes, or the shape `(k,)` of a vector or
                `(height, width, k)` of an image of the partition's sides, that it is conditioned
                on; None: what the network says, if it does.
            network_dtype: Keras dtype policy of a network that is specified; None:
                the flow's type.
            dtype: Type of activations and log-dets. The network may compute in another.
            name: Name of the bijector.

        Raises:
            ValueError: If the network does not return a number for every parameter
                of every moved channel, or holds raw variables.
        """
        if not isinstance(partition, Partition):
            partition = Mask(partition)
        self.partition = partition
        self.transform = Affine() if transform is None else transform
        channels = partition.moved_channels
        self.network = built_network(
            network,
            outputs=self.transform.parameters_per_dimension * channels,
            input_shape=partition.input_shape,
            maps=0 if partition.maps is None else partition.maps.shape[-1],
            conditions=check_conditions(conditions, images=True),
            dtype=network_dtype or dtype,
        )
        self._unbuilt = tuple(unbuilt(self.network))
        self._head = self.transform.head(channels, dtype)
        if conditions is None:
            conditions = getattr(self.network, "conditions", None)
        super().__init__(
            partition.event_shape,
            dtype=dtype,
            layers=[self.network, self._head],
            conditions=conditions,
            name=name,
        )
        check_condition_sides(self.conditions, self.event_shape)
        self.searches = self.transform.searches

    def get_config(self) -> dict:
        return {
            "partition": self.partition,
            "network": self.network,
            "transform": self.transform,
            "conditions": self.conditions,
            "dtype": self.dtype.name,
        }

    @property
    def constants(self):
        return self.partition.constants

    def route(self, index):
        return self.partition.route(index)

    def carry_inverse(self, x, log_det, context):
        constants = self._constants(context)
        kept, moved = self.partition.split(x, constants)
        parameters = self._head(self._raw(kept, constants, context))
        moved, added = self.transform.inverse(moved, parameters)
        if self.partition.exchanges:
            log_det = log_det.moved(self._exchanged)
        log_det = self._plus(log_det, kept, added, constants, self.partition.join)
        return self.partition.join(kept, moved, constants), log_det

    def carry_forward(self, z, log_det, context):
        constants = self._constants(context)
        kept, moved = self.partition.split_back(z, constants)
        parameters = self._head(self._raw(kept, constants, context))
        moved, added = self.transform.forward(moved, parameters)
        log_det = self._exchanged_back(log_det)
        log_det = self._plus(log_det, kept, added, constants, self.partition.join_back)
        return self.partition.join_back(kept, moved, constants), log_det

    def carry_backward(self, z, dz, dlog_det, context, memory=()):
        if self.searches:
            return super().carry_backward(z, dz, dlog_det, context, memory)
        constants, sources = self._constants(context), gradient_sources(self.layers, context)
        partition = self.partition
        kept, moved = partition.split_back(tf.stop_gradient(z), constants)
        dkept, dmoved = partition.split_back(dz, constants)
        with tf.GradientTape(watch_accessed_variables=False) as of_network:
            of_network.watch([kept, *sources.values()])
            raw = self._raw(kept, constants, context)
        moved = self.transform.forward(moved, self._head(raw))[0]
        moved = tf.stop_gradient(moved)
        with tf.GradientTape(watch_accessed_variables=False) as of_transform:
            of_transform.watch([moved, raw, *sources.values()])
            out, added = self.transform.inverse(moved, self._head(raw))
            before = dlog_det.zeros_like(z)
            after = self._plus(before, kept, added, constants, partition.join)
        towards_moved, towards_raw, *towards_head = of_transform.gradient(
            [out, after.values],
            [moved, raw, *sources.values()],
            output_gradients=[dmoved, dlog_det.values],
        )
        towards_kept, *towards_network = of_network.gradient(
            raw, [kept, *sources.values()], output_gradients=towards_raw
        )
        if towards_kept is not None:
            dkept += towards_kept
        gradients = add_gradients(
            _present(sources, towards_head), _present(sources, towards_network)
        )
        return Backward(
            partition.join_back(kept, moved, constants),
            partition.join_back(dkept, towards_moved, constants),
            self._exchanged_back(dlog_det),
            gradients,
        )

    def _title(self):
        kept, transform = type(self.partition).__name__, type(self.transform).__name__
        return f"Coupling ({transform} by {type(self.network).__name__}, {kept} kept)"

    def _raw(self, kept, constants, context):
        """Evaluates the network, once."""
        inputs = self.partition.with_maps(kept, constants)
        arguments = [inputs]
        if self.conditions is not None:
            if context.condition is None:
                raise ValueError(
                    f"condition must be given to a flow with conditions={self.conditions}."
                )
            arguments.append(context.condition)
        if context.starting and hasattr(self.network, "initialize"):
            self.network.initialize(*arguments)
        raw = self.network(*arguments, training=context.training)
        for layer in self._unbuilt:
            if layer.variables:
                raise ValueError(
                    "network must create its variables when it is built, or they are neither "
                    f"trained nor saved; got {type(layer).__name__} {layer.name!r}, which was "
                    "built in a later call."
                )
        return tf.cast(raw, self.dtype)

    def _constants(self, context):
        return {name: self.constant(name, context) for name in self.constants}

    def _plus(self, log_det, kept, added, constants, join):
        """Adds the log-derivatives of what is moved, at its place."""
        added = self.partition.only_moved(added, constants)
        return log_det.plus(added, lambda part: join(tf.zeros_like(kept), part, constants))

    def _exchanged_back(self, log_det: LogDet) -> LogDet:
        """Carries a log-det from the latents' places to the data's."""
        if not self.partition.exchanges:
            return log_det
        return log_det.moved(self._restored)

    def _exchanged(self, t):
        kept, moved = self.partition.split(t, {})
        return self.partition.join(kept, moved, {})

    def _restored(self, t):
        kept, moved = self.partition.split_back(t, {})
        return self.partition.join_back(kept, moved, {})


def _present(sources, gradients):
    return {key: g for key, g in zip(sources, gradients, strict=True) if g is not None}
