"""EIW-Flow's answer: the channels of highest entropy are factored out, image by image."""

from collections.abc import Callable

from tfp_lcma.factorizations.entropy_shuffles import (
    CouplingShuffle,
    FrozenShuffle,
    InvariantShuffle,
)
from tfp_lcma.factorizations.factorization import Factorization
from tfp_lcma.factorizations.ranking import check_choice
from tfp_lcma.factorizations.shuffle import Shuffle
from tfp_lcma.networks.channel_router import ENTROPIES
from tfp_lcma.serialization import register

_SHUFFLES: dict[str, Callable[..., Shuffle]] = {
    "invariant": InvariantShuffle,
    "frozen": FrozenShuffle,
    "coupling": CouplingShuffle,
}


@register
class EntropyInformed(Factorization):
    """The channels that are most like Gaussian noise are factored out, image by image.

    Leaving early costs KL(q(z) || N(0, I)) and what a channel shares with those that stay. Of
    channels of one variance the first is least where the entropy is highest. A shuffle stands
    before the split and moves those channels into the part that is factored out; it learns their
    entropies by a loss of its own, which `FlowModel.fit` adds to the likelihood's. Log-det 0.
    Latents stand by slot, under "frozen" where their dimension came from.

    References:
        Entropy-Informed Weighting Channel Normalizing Flow. Its shuffle and
        regulariser were not available to us: what stands here is an independent
        interpretation, which is a bijection.
    """

    def __init__(
        self,
        shuffle: str = "invariant",
        *,
        weight: float = 0.05,
        steps: int = 500,
        entropy: str = "negentropy",
        reverse: bool = False,
        retained: float | int = 0.5,
    ):
        """Creates the factorization.

        Args:
            shuffle: "invariant": scores by statistics that do not tell the channels apart, image
                by image; "frozen": by averages over training, one order for all images;
                "coupling": each half of the channels by the other, image by image.
            weight: Of the loss by which scores learn entropies; "frozen" has none.
            steps: Training steps over which "frozen" averages.
            entropy: "negentropy", or "log_variance".
            reverse: Whether the channels of lowest entropy are factored out instead.
            retained: Share or number of a view's channels that stay.

        Raises:
            ValueError: If an argument is none of these.
        """
        super().__init__(retained=retained)
        check_choice("shuffle", shuffle, tuple(_SHUFFLES))
        check_choice("entropy", entropy, ENTROPIES)
        self._shuffle, self._weight, self._steps = shuffle, float(weight), int(steps)
        self._entropy, self._reverse = entropy, bool(reverse)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "shuffle": self._shuffle,
            "weight": self._weight,
            "steps": self._steps,
            "entropy": self._entropy,
            "reverse": self._reverse,
        }

    def bijector(self, level, view_shape):
        own = {"steps": self._steps} if self._shuffle == "frozen" else {"weight": self._weight}
        return _SHUFFLES[self._shuffle](
            view_shape,
            staying=self.staying(level, view_shape),
            entropy=self._entropy,
            reverse=self._reverse,
            **own,
        )
