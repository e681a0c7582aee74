"""The simplest exit prior: what is factored out is standard normal noise."""

from tfp_lcma.bijectors.flow_bijector import Identity
from tfp_lcma.priors.exit_prior import ExitPrior
from tfp_lcma.serialization import register


@register
class StandardNormal(ExitPrior):
    """Dimensions that are factored out are taken for standard normal as they are.

    ```python
    import tfp_lcma as lcma

    prior = lcma.priors.StandardNormal()
    flow = lcma.models.real_nvp((4, 4, 1), levels=2, width=4, blocks=1, exit_prior=prior)
    ```

    References:
        Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.6.
    """

    def get_config(self) -> dict:
        return {}

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        return Identity(leaving_shape)
