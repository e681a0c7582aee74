"""The protocol of an exit prior."""

from collections.abc import Sequence

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.serialization import Configurable


class ExitPrior(Configurable):
    """A family of exits, one per level: each turns what is factored out into N(0, I) noise.

    An exit is a `FlowBijector` on the tensor that is factored out. In its
    context, `kept` is the tensor that stays (None at the last level, where
    everything is factored out) and `condition` that of the flow.

    ```python
    import keras

    import tfp_lcma as lcma


    @keras.saving.register_keras_serializable(package="mine")
    class Scaled(lcma.priors.ExitPrior):
        # Independent Gaussians, one a channel.
        def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
            return lcma.bijectors.ActNorm(leaving_shape, dtype=dtype)

        def get_config(self):
            return {}


    flow = lcma.models.real_nvp((4, 4, 1), levels=2, width=4, blocks=1, exit_prior=Scaled())
    ```
    """

    def bijector(
        self,
        level: int,
        leaving_shape: Sequence[int],
        kept_shape: Sequence[int] | None,
        conditions: int | tuple[int, ...] | None,
        dtype: str,
    ) -> FlowBijector:
        """Returns the exit of a level.

        Args:
            level: Index of the level, 0 the finest.
            leaving_shape: Shape `(height, width, channels)` of what is factored out.
            kept_shape: Shape of what stays; None at the last level.
            conditions: What the flow is conditioned on: a number of classes, the
                shape of a vector, or None.
            dtype: Type of activations and log-dets.

        Returns:
            A fully built flow on `leaving_shape`.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks bijector().")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
