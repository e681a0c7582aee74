"""EIW-Flow's answer: an order of the channels that is learned, or chosen image by image."""

from collections.abc import Callable
from typing import Any

from tfp_lcma.factorizations.entropy_shuffles import (
    CouplingShuffle,
    FrozenShuffle,
    InvariantShuffle,
)
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.factorizations.published_shuffle import PublishedShuffle
from tfp_lcma.factorizations.ranking import check_choice
from tfp_lcma.factorizations.shuffle import Shuffle
from tfp_lcma.networks.channel_router import ENTROPIES
from tfp_lcma.serialization import register

_ROUTERS: dict[str, Callable[..., Shuffle]] = {
    "published": PublishedShuffle,
    "invariant": InvariantShuffle,
    "frozen": FrozenShuffle,
    "coupling": CouplingShuffle,
}
# What a router has beside the arguments of them all.
_OWN = {
    "published": ("weight",),
    "invariant": ("weight", "entropy"),
    "frozen": ("steps", "entropy"),
    "coupling": ("weight", "entropy"),
}


@register
class EntropyInformed(Factorization):
    """A shuffle before the split moves channels into the part that is factored out. Log-det 0.

    Under "published" it sorts them by weights that are learned, one order for all images, as the
    method's authors coded it. The other routers are this package's own: they factor out the
    channels that are most like Gaussian noise, image by image but for "frozen". Leaving early costs
    KL(q(z) || N(0, I)) and what a channel shares with those that stay; of channels of one variance
    the first is least where the entropy is highest. What a router learns it learns by a loss of its
    own, which `FlowModel.fit` adds to the likelihood's. Latents stand by slot, under "published"
    and "frozen", whose order is one for all images, where their dimension came from.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.EntropyInformed()
    flow = lcma.models.glow((8, 8, 1), levels=2, steps=2, width=8, factorization=split)
    ```

    References:
        Entropy-Informed Weighting Channel Normalizing Flow, by its abstract and, under
        "published", by its authors' code (2022, two years before the preprint, whose text was not
        available to us: the method may differ there).
    """

    def __init__(
        self,
        router: str = "published",
        *,
        weight: float | None = None,
        steps: int = 500,
        entropy: str = "negentropy",
        reverse: bool = False,
        retained: float | int = 0.5,
    ):
        """Creates the factorization.

        Args:
            router: "published": learned weights, one order for all images. This package's own:
                "invariant": scores by statistics that do not tell the channels apart, image
                by image; "frozen": by averages over training, one order for all images;
                "coupling": each half of the channels by the other, image by image.
            weight: Of the router's loss. None: of "published", as its authors have it, 1e-3 of the
                loss in bits per dimension; of "invariant" and "coupling" 0.05, in nats an image.
                "frozen" has no loss.
            steps: Training steps over which "frozen" averages.
            entropy: "negentropy", or "log_variance"; "published" measures none.
            reverse: Whether the order is reversed: the channels that would stay are factored out.
            retained: Share or number of a view's channels that stay.

        Raises:
            ValueError: If an argument is none of these.
        """
        super().__init__(retained=retained)
        check_choice("router", router, tuple(_ROUTERS))
        check_choice("entropy", entropy, ENTROPIES)
        if weight is None:
            weight = 1e-3 if router == "published" else 0.05
        self._router, self._weight, self._steps = router, float(weight), int(steps)
        self._entropy, self._reverse = entropy, bool(reverse)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "router": self._router,
            "weight": self._weight,
            "steps": self._steps,
            "entropy": self._entropy,
            "reverse": self._reverse,
        }

    def bijector(self, level, view_shape):
        options: dict[str, Any] = {
            "weight": self._weight,
            "steps": self._steps,
            "entropy": self._entropy,
        }
        return _ROUTERS[self._router](
            view_shape,
            staying=self.staying(level, view_shape),
            reverse=self._reverse,
            **{name: options[name] for name in _OWN[self._router]},
        )
