"""The principal components of a level's end, learned on: those of most variance stay."""

from tfp_lcma.bijectors.whitening import Whitening
from tfp_lcma.factorizations.rotation import LearnedConvolution
from tfp_lcma.serialization import register


@register
class Whitened(LearnedConvolution):
    r"""A learned 1x1 convolution that starts as the whitening of the view stands before the split.

    ```math
    z = x W, \quad W = U \Lambda^{-1/2} \text{ at the start, of }
    \text{Cov}(x) = U \Lambda U^T
    ```

    The components of largest eigenvalue come first and stay, those of the smallest are factored
    out. The start is made in the very flow that is then trained, with its actnorms': level by
    level, from what the levels above let through, before a step is trained. Nothing is trained
    beforehand. From there on W is learned, like that of `LearnedConvolution`, and has as many
    numbers; see `bijectors.Whitening` for how the start is computed and where it is bounded.

    In a flow on patches (`models.jet`) a view's channels are what is left of a patch's dimensions,
    and all of them are whitened together.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    split = lcma.factorizations.Whitened(retained=0.25)
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    model = lcma.FlowModel(flow)
    # As `fit` does by itself.
    model.initialize(images)
    flow.is_initialized  # True
    ```

    References:
        Kingma, Dhariwal: Glow, section 3.2, for the convolution. The start, and the order, are this
        package's.
    """

    def bijector(self, level, view_shape):
        return Whitening(view_shape, dtype=self._dtype)
