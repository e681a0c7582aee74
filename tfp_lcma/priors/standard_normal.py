"""The simplest exit prior: dimensions leave as standard normal noise."""

from collections.abc import Sequence

from tfp_lcma.bijectors.flow_bijector import FlowBijector, Identity
from tfp_lcma.serialization import Configurable, register


class ExitPrior(Configurable):
    """A family of exit maps, one per level: each turns what leaves into standard normal noise.

    An exit map is a `FlowBijector` on the leaving tensor. Its `condition` is the
    pair of the tensor that goes on (None at the last level, where everything
    leaves) and of the condition given to the flow (None if there is none).
    """

    def bijector(
        self,
        level: int,
        leaving_shape: Sequence[int],
        kept_shape: Sequence[int] | None,
        conditions: int | tuple[int] | None,
        dtype: str,
    ) -> FlowBijector:
        """Returns the exit map of a level.

        Args:
          level: Index of the level, 0 the finest.
          leaving_shape: Shape `(height, width, channels)` of what leaves.
          kept_shape: Shape of what goes on; None at the last level.
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


@register
class StandardNormal(ExitPrior):
    """Leaving dimensions are taken for standard normal as they are.

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.6.
    """

    def get_config(self) -> dict:
        return {}

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        return Identity(leaving_shape)
