"""A flow that is conditioned on an image, through the features that a network makes of it."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfp_lcma.bijectors.checks import image_shape
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.serialization import register


@register
class ImageConditioned(FlowBijector):
    """A conditional flow whose condition is what a network makes of an image.

    ```none
    inverse   z = f(x; network(image))
    forward   x = f^{-1}(z; network(image))
    log-det   that of f(. ; network(image))
    ```

    The image is the condition of this flow; the network is evaluated once a pass.

    ```python
    import tfp_lcma as lcma

    features = lcma.networks.ImageFeatures((4, 4, 1), width=8)
    coupling = lcma.bijectors.Coupling(
        lcma.bijectors.checkerboard((4, 4, 1), 0), lcma.networks.Convolutional(8),
        conditions=(4, 4, 8),
    )
    flow = lcma.bijectors.ImageConditioned(coupling, features, (4, 4, 1))
    ```

    References:
        Ho, Chen, Srinivas, Duan, Abbeel: Flow++, section 3.1, where such a flow is q(u | x).
    """

    def __init__(
        self,
        flow: FlowBijector,
        network: keras.layers.Layer,
        conditions: Sequence[int],
        name: str | None = None,
    ):
        """Puts a network before a flow's condition.

        Args:
            flow: A flow whose `conditions` are the shape of what the network returns.
            network: A Keras layer, called `network(image)`.
            conditions: `(height, width, channels)` of the image.
            name: Name of the bijector.

        Raises:
            ValueError: If the flow is not conditioned on what the network returns.
        """
        conditions = image_shape(conditions, "conditions")
        if not network.built:
            network.build((None, *conditions))
        super().__init__(
            flow.event_shape,
            dtype=flow.dtype and flow.dtype.name,
            layers=[network],
            conditions=conditions,
            latent_shape=flow.latent_shape,
            name=name,
        )
        features = tuple(network.compute_output_shape((None, *conditions))[1:])
        if flow.conditions != features:
            raise ValueError(
                f"flow must have the conditions {features}, the shape that the network returns; "
                f"got {flow.conditions}."
            )
        self.flow, self.network = flow, network
        self.routes_change, self.iterates = flow.routes_change, flow.iterates
        self.searches, self.gathers_statistics = flow.searches, flow.gathers_statistics
        self.defined_everywhere = flow.defined_everywhere

    @property
    def exit_map(self):
        return self.flow.exit_map

    def get_config(self) -> dict:
        return {"flow": self.flow, "network": self.network, "conditions": self.conditions}

    def outline(self):
        return [*super().outline(), *(row.inside() for row in self.flow.outline())]

    def route(self, index):
        return self.flow.route(index)

    def within_support(self, x, context):
        return self.flow.within_support(x, self._inside(context))

    def carry_inverse(self, x, log_det, context):
        return self.flow.carry_inverse(x, log_det, self._inside(context))

    def carry_forward(self, z, log_det, context):
        return self.flow.carry_forward(z, log_det, self._inside(context))

    def _inside(self, context):
        if context.condition is None:
            raise ValueError(
                f"condition must be given to a flow with conditions={self.conditions}."
            )
        features = self.network(context.condition)
        # The flow takes tensors of its own type, whatever the network computes in.
        return context.replace(condition=tf.cast(features, self.dtype or features.dtype))
