"""The arms of a comparison, a line each: what is factored out, under which prior, and what else.

Splits that have a name in `tfp_lcma.registry` are those; what stands here is beyond them. The
names are known without importing TensorFlow.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tfp_lcma import registry

if TYPE_CHECKING:
    from tfp_lcma.factorizations import Factorization, LogDetStatistics


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A flow without a split.

    Attributes:
        options: of its model, beyond the recipe's.
        trained: whether it is trained; else it is the identity up to the scales of channels and
            of sub-positions, and its statistics are those of the images.
        repetition: which of several alike it is, each with a seed of its own.
    """

    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    trained: bool = True
    repetition: int = 0

    def seed(self, of_study: int) -> int:
        """Returns the seed for one of a study's: no two of them share one, nor a run's own."""
        return of_study + self.repetition * 2**20


# The flows without a split whose statistics arms look at.
PRETRAININGS = {
    "plain": Pretrained(),
    **{f"plain-{number + 1}": Pretrained(repetition=number) for number in range(1, 4)},
    "swapped": Pretrained({"first_parity": 1}),
    "untrained": Pretrained(trained=False),
    # All is noise at the end, where an autoregressive prior would be dear.
    "standard-normal": Pretrained({"exit_prior": "standard_normal"}),
}
_REPEATED = ("plain", "plain-2", "plain-3", "plain-4")
_PRETRAINING_OF = {registry.FLOW: ("plain",), registry.IMAGES: ("untrained",)}


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to choose what is factored out.

    Attributes:
        phrase: what it is, in a few words.
        build: from the statistics of `pretrainings`, in that order, the seed and the steps of
            training to the factorization; None: a flow without a split.
        pretrainings: those of `PRETRAININGS` that it looks at; none: it looks at no data.
        options: of the recipe's model, beyond the recipe's own.
        settings: of the recipe, in the place of its own.
        warm: whether training starts from the weights of its first pre-training, where they fit.
        more_time: whether the time that a pre-training takes is spent on training instead.
        as_long_as: another arm, looking at no data like this one, whose training time it gets;
            None: it gets the steps that all get.
        control: whether it is there for comparison, as no split anybody would choose.
        online: whether it chooses while training, or never stops choosing.
    """

    phrase: str
    build: Callable[[Sequence["LogDetStatistics"], int, int], "Factorization | None"]
    pretrainings: tuple[str, ...] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    warm: bool = False
    more_time: bool = False
    as_long_as: str | None = None
    control: bool = False
    online: bool = False

    @property
    def needs(self) -> set[str]:
        """The options that a model must have for the arm to run."""
        return {
            *self.options,
            *(option for name in self.pretrainings for option in PRETRAININGS[name].options),
        }

    @property
    def kind(self) -> str:
        """Returns "control", "data" (chosen from a flow's statistics) or "static"."""
        # Neither more time nor a start is a property of a split.
        if self.control or self.warm or self.more_time or self.as_long_as:
            return "control"
        return "data" if self.pretrainings or self.online else "static"


def _family():
    from tfp_lcma import factorizations

    return factorizations


def _named(name: str, *, retained: float | None = None, **changes: Any) -> Arm:
    """Returns the arm of a factorization in the registry, of another share or changed or not.

    Of several pre-trainings it is chosen by the average.
    """
    named = registry.FACTORIZATIONS[name]

    def build(statistics, seed, steps):
        average = _family().LogDetStatistics.average(statistics) if statistics else None
        share = {} if retained is None else {"retained": retained}
        return registry.factorization(name, steps=steps, seed=seed, statistics=average, **share)

    arm = Arm(
        named.phrase,
        build,
        pretrainings=_PRETRAINING_OF.get(named.source, ()),
        online=named.source == registry.TRAINING,
    )
    return dataclasses.replace(arm, **changes)


_NAMED = (
    "checkerboard", "complement", "channel", "random", "random-in-block", "haar", "haar-vertical",
    "haar-diagonal", "lcma", "lcma-low", "lcma-raster", "lcma-parity-centred",
    "lcma-scale-invariant", "lcma-per-level-scores", "lcma-pair-pooling", "lcma-view",
    "lcma-view-position", "lcma-level", "lcma-channel", "likelihood-gain", "exit-price",
    "exit-price-level", "karhunen-loeve", "karhunen-loeve-negentropy", "karhunen-loeve-across",
    "karhunen-loeve-across-negentropy", "rotated-exit-price", "exit-price-level-images",
    "karhunen-loeve-images", "karhunen-loeve-across-images", "rotated-exit-price-images",
    "online-lcma", "online-exit-price-level",
)  # fmt: skip
_AWARE = {"position_aware": True}
_GAUSSIAN = {"exit_prior": "conditional_gaussian"}
_LEAST_SQUARES = {"exit_prior": "conditional_gaussian_least_squares"}
SPLITS: dict[str, Arm] = {
    **{name: _named(name) for name in _NAMED},
    "lcma-swapped-masks": _named(
        "lcma", phrase="LCMA, pre-trained with swapped masks", pretrainings=("swapped",)
    ),
    "lcma-averaged": _named(
        "lcma", phrase="LCMA, by four pre-trainings' average", pretrainings=_REPEATED
    ),
    "likelihood-gain-both-masks": Arm(
        "most still to gain, over both mask orders",
        lambda statistics, seed, steps: _family().LikelihoodGain(list(statistics)),
        ("plain", "swapped"),
    ),
    "online-lcma-more-time": _named(
        "online-lcma",
        phrase="chosen while training, LCMA, pre-training's time too",
        more_time=True,
    ),
    # Networks that see the position, for splits that differ from block to block.
    "lcma-position-aware": _named("lcma", phrase="LCMA, position-aware networks", options=_AWARE),
    "exit-price-position-aware": _named(
        "exit-price", phrase="exit price, position-aware networks", options=_AWARE
    ),
    "lcma-warm": _named("lcma", phrase="LCMA, from the pre-trained couplings", warm=True),
    # Controls.
    "checkerboard-warm": _named(
        "checkerboard",
        phrase="baseline, from the pre-trained couplings",
        pretrainings=("plain",),
        warm=True,
        control=True,
    ),
    "checkerboard-position-aware": _named(
        "checkerboard", phrase="baseline, position-aware networks", options=_AWARE, control=True
    ),
    "learned-convolution": _named("learned-convolution", control=True),
    # Starts from the data of the flow that is trained: of the split, of the exit prior, of both.
    "whitened": _named("whitened", online=True),
    # Under one exit prior whatever the model's own is, so that one thing differs between two;
    # not among the splits of which the best is named.
    "whitened-gaussian": _named(
        "whitened",
        phrase="the whitened convolution, conditional Gaussian exits",
        options=_GAUSSIAN,
        control=True,
    ),
    "whitened-least-squares": _named(
        "whitened",
        phrase="the whitened convolution, conditional Gaussian exits from least squares on",
        options=_LEAST_SQUARES,
        control=True,
    ),
    "least-squares-exit": _named(
        "checkerboard",
        phrase="baseline, conditional Gaussian exits from least squares on",
        options=_LEAST_SQUARES,
        control=True,
    ),
    "checkerboard-gaussian": _named(
        "checkerboard",
        phrase="baseline, conditional Gaussian exits",
        options=_GAUSSIAN,
        control=True,
    ),
    "learned-convolution-gaussian": _named(
        "learned-convolution",
        phrase="1x1 convolution learned with the flow, conditional Gaussian exits",
        options=_GAUSSIAN,
        control=True,
    ),
    "no-split": _named("none", phrase="no split: more compute a step", control=True),
    "checkerboard-more-time": _named(
        "checkerboard", phrase="baseline, pre-training's time too", more_time=True, control=True
    ),
}

# Priors of what is factored out, all on the channel split but for the last two.
_AUTOREGRESSIVE = {"exit_prior": "channel_autoregressive"}
_NORMAL = {"exit_prior": "standard_normal"}
EXIT_PRIORS: dict[str, Arm] = {
    "conditional-gaussian": _named(
        "channel", phrase="mean and scale by one convolution", options=_GAUSSIAN
    ),
    "conditional-gaussian-as-long": _named(
        "channel",
        phrase="the same, for the time that the autoregressive prior takes",
        options=_GAUSSIAN,
        as_long_as="channel-autoregressive",
    ),
    "standard-normal": _named("channel", phrase="nothing learned", options=_NORMAL),
    "channel-autoregressive": _named(
        "channel", phrase="channel after channel, hidden 8, kernel 3", options=_AUTOREGRESSIVE
    ),
    "channel-autoregressive-lcma": _named(
        "lcma",
        phrase="LCMA, channel after channel, of the pixels that LCMA factors out",
        pretrainings=("standard-normal",),
        options=_AUTOREGRESSIVE,
    ),
    "channel-autoregressive-lcma-channel": _named(
        "lcma-channel",
        phrase="LCMA, the same, one order a channel",
        pretrainings=("standard-normal",),
        options=_AUTOREGRESSIVE,
    ),
}


def _frozen(statistics, seed, steps):
    # Averages come to rest half way, so that the flow can get used to their order.
    return _family().EntropyInformed("frozen", steps=max(steps // 2, 1))


def _published(phrase, weight):
    return Arm(
        phrase,
        lambda statistics, seed, steps: _family().EntropyInformed("published", weight=weight),
        online=True,
    )


# Shuffles before the split, and what they are compared with beside arms from above.
SHUFFLES: dict[str, Arm] = {
    "random-channels": _named("random-channels"),
    "entropy-published": _named("entropy-informed", online=True),
    "entropy-published-weight-0": _published("the same, its weights as they start", 0.0),
    "entropy-published-weight-10": _published("the same, ten times its loss", 1e-2),
    "entropy-invariant": _named("entropy-informed-invariant", online=True),
    "entropy-frozen": _named("entropy-informed-frozen", build=_frozen, online=True),
    "entropy-coupling": _named("entropy-informed-coupling", online=True),
    "entropy-reversed": Arm(
        "least Gaussian channels of an image are factored out",
        lambda statistics, seed, steps: _family().EntropyInformed("invariant", reverse=True),
        online=True,
    ),
}

# What makes whole intensities continuous, all on the channel split.
_UNIFORM, _VARIATIONAL = {"dequantization": "uniform"}, {"dequantization": "variational"}
DEQUANTIZATIONS: dict[str, Arm] = {
    "uniform-dequantization": _named("channel", phrase="uniform noise", settings=_UNIFORM),
    "variational-dequantization": _named(
        "channel", phrase="noise of a flow given the image, 4 steps of 32", settings=_VARIATIONAL
    ),
    "uniform-dequantization-as-long": _named(
        "channel",
        phrase="uniform noise, for the time that variational takes",
        settings=_UNIFORM,
        as_long_as="variational-dequantization",
    ),
}

# Of a patch's dimensions a quarter stays; arms from above keep a half.
QUARTERS: dict[str, Arm] = {
    "channel-quarter": _named("channel", retained=0.25, phrase="a quarter stays: the first"),
    "learned-convolution-quarter": _named(
        "learned-convolution",
        retained=0.25,
        phrase="a quarter stays, after a 1x1 convolution learned with the flow",
        control=True,
    ),
    "lcma-quarter": _named("lcma", retained=0.25, phrase="LCMA, a quarter stays"),
    "lcma-channel-quarter": _named(
        "lcma-channel", retained=0.25, phrase="LCMA, one order a channel, a quarter stays"
    ),
}

ARMS = SPLITS | EXIT_PRIORS | SHUFFLES | DEQUANTIZATIONS | QUARTERS
