"""The arms of the ablation, one line each: who leaves early, under which prior, and what else."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfp_lcma import factorizations as family
from tfp_lcma import priors
from tfp_lcma.factorizations import Factorization, LogDetStatistics


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A flow in which nobody leaves.

    Attributes:
        options: of its model, beyond the recipe's.
        trained: whether it is trained; else it is the identity up to the scales of channels and
            of sub-positions, and its statistics are those of the images.
    """

    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    trained: bool = True


# The flows in which nobody leaves whose statistics arms look at.
PRETRAININGS = {
    "plain": Pretrained(),
    "swapped": Pretrained({"first_parity": 1}),
    "untrained": Pretrained(trained=False),
    # Nobody leaves but at the end, where an autoregressive prior would be dear.
    "standard-normal": Pretrained({"exit_prior": priors.StandardNormal()}),
}


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to choose who leaves early.

    Attributes:
        phrase: what it is, in a few words.
        build: from the statistics of `pretrainings`, in that order, the seed and the steps of
            training to the factorization; None: nobody leaves early.
        pretrainings: those of `PRETRAININGS` that it looks at; none: it looks at no data.
        options: of the recipe's model, beyond the recipe's own.
        more_time: whether the time that a pre-training takes is spent on training instead.
        as_long_as: another arm, looking at no data like this one, whose training time it gets;
            None: it gets the steps that all get.
        control: whether it is there for comparison, as no split anybody would choose.
        online: whether it chooses while training, or goes on choosing.
    """

    phrase: str
    build: Callable[[Sequence[LogDetStatistics], int, int], Factorization | None]
    pretrainings: tuple[str, ...] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
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
        # More time is no property of a split.
        if self.control or self.more_time or self.as_long_as:
            return "control"
        return "data" if self.pretrainings or self.online else "static"


def _fixed(phrase, build, **others) -> Arm:
    return Arm(phrase, lambda statistics, seed, steps: build(), **others)


def _random(phrase, build) -> Arm:
    return Arm(phrase, lambda statistics, seed, steps: build(seed))


def _control(phrase, build, **others) -> Arm:
    return _fixed(phrase, build, control=True, **others)


def _chosen(phrase, build, pretraining="plain", **others) -> Arm:
    return Arm(
        phrase, lambda statistics, seed, steps: build(statistics[0]), (pretraining,), **others
    )


def _lcma(phrase, pretraining="plain", options=None, **choices) -> Arm:
    def build(statistics):
        return family.LikelihoodContribution(statistics, **choices)

    return _chosen(f"LCMA, {phrase}", build, pretraining, options=options or {})


def _karhunen_loeve(phrase, pretraining="plain", **choices) -> Arm:
    def build(statistics):
        return family.KarhunenLoeve(statistics, **choices)

    return _chosen(f"principal axes, {phrase}", build, pretraining)


def _online(phrase, rule, more_time=False, **options) -> Arm:
    def build(statistics, seed, steps):
        # A third of the training to measure by, two thirds to make use of it.
        return family.OnlineLikelihoodContribution((max(steps // 3, 1),), rule, seed, **options)

    return Arm(f"chosen while training, {phrase}", build, online=True, more_time=more_time)


_AWARE = {"position_aware": True}

SPLITS: dict[str, Arm] = {
    # Looking at no data.
    "checkerboard": _fixed("RealNVP's split", lambda: family.Checkerboard()),
    "complement": _fixed("the other diagonal stays", lambda: family.ComplementCheckerboard()),
    "channel": _fixed("Glow's split", lambda: family.Channel()),
    "random": _random("random halves of everything", lambda seed: family.Random(seed)),
    "random-in-block": _random("random pixels of a block", lambda seed: family.RandomInBlock(seed)),
    "haar": _fixed("mean, horizontal stay", lambda: family.Haar(("mean", "horizontal"))),
    "haar-vertical": _fixed("mean, vertical stay", lambda: family.Haar(("mean", "vertical"))),
    "haar-diagonal": _fixed("mean, diagonal stay", lambda: family.Haar(("mean", "diagonal"))),
    # LCMA and its options.
    "lcma": _lcma("as published"),
    "lcma-low": _lcma("halves exchanged", keep="low"),
    "lcma-raster": _lcma("raster order in a half", order="raster"),
    "lcma-parity-centred": _lcma("mean score of each parity removed", centred=True),
    "lcma-scale-invariant": _lcma("scale-invariant scores", scores="scale_invariant"),
    "lcma-per-level-scores": _lcma("log-det of the level alone", scores="level"),
    "lcma-pair-pooling": _lcma("the better of each row", pooling="pair"),
    "lcma-view": _lcma("the better half of all channels", granularity="channel", pooling="view"),
    "lcma-view-position": _lcma("the better half of all channels per position", pooling="view"),
    "lcma-level": _lcma("one order a level", granularity="level"),
    "lcma-channel": _lcma("one order a channel", granularity="channel"),
    "lcma-swapped-masks": _lcma("pre-trained with swapped masks", "swapped"),
    # Its relatives.
    "likelihood-gain": _chosen("most still to gain stays", lambda s: family.LikelihoodGain(s)),
    "likelihood-gain-both-masks": Arm(
        "most still to gain, over both mask orders",
        lambda statistics, seed, steps: family.LikelihoodGain(list(statistics)),
        ("plain", "swapped"),
    ),
    "exit-price": _chosen("cheapest pair of a block leaves", lambda s: family.ExitPrice(s)),
    "exit-price-level": _chosen(
        "cheapest pair of a level leaves", lambda s: family.ExitPrice(s, granularity="level")
    ),
    "karhunen-loeve": _karhunen_loeve("high variance stays"),
    "karhunen-loeve-negentropy": _karhunen_loeve("high negentropy stays", keep="negentropy"),
    "karhunen-loeve-across": _karhunen_loeve(
        "across channels, high variance stays", across_channels=True
    ),
    "karhunen-loeve-across-negentropy": _karhunen_loeve(
        "across channels, high negentropy stays", across_channels=True, keep="negentropy"
    ),
    "rotated-exit-price": _chosen(
        "components that share least leave", lambda s: family.RotatedExitPrice(s)
    ),
    # From the images alone, without a pre-training.
    "exit-price-level-images": _chosen(
        "cheapest pair of a level, by the images",
        lambda s: family.ExitPrice(s, granularity="level"),
        "untrained",
    ),
    "karhunen-loeve-images": _karhunen_loeve("of the images, high variance stays", "untrained"),
    "karhunen-loeve-across-images": _karhunen_loeve(
        "of the images across channels, high variance stays", "untrained", across_channels=True
    ),
    "rotated-exit-price-images": _chosen(
        "components of the images that share least leave",
        lambda s: family.RotatedExitPrice(s),
        "untrained",
    ),
    # Chosen in the training itself.
    "online-lcma": _online("LCMA", "likelihood_contribution"),
    "online-lcma-more-time": _online(
        "LCMA, pre-training's time too", "likelihood_contribution", more_time=True
    ),
    "online-exit-price-level": _online("exit price", "exit_price", granularity="level"),
    # Networks that are told the position, for splits that differ from block to block.
    "lcma-position-aware": _lcma("position-aware networks", options=_AWARE),
    "exit-price-position-aware": _chosen(
        "exit price, position-aware networks", lambda s: family.ExitPrice(s), options=_AWARE
    ),
    # Controls.
    "checkerboard-position-aware": _control(
        "baseline, position-aware networks", lambda: family.Checkerboard(), options=_AWARE
    ),
    "learned-convolution": _control(
        "1x1 convolution learned with the flow", lambda: family.LearnedConvolution()
    ),
    "nobody-leaves": _control("more compute a step", lambda: None),
    "checkerboard-more-time": _control(
        "baseline, pre-training's time too", lambda: family.Checkerboard(), more_time=True
    ),
}


def _prior(phrase, prior, **others) -> Arm:
    return _fixed(phrase, lambda: family.Channel(), options={"exit_prior": prior}, **others)


# Priors of what leaves, all on the channel split but for the last two.
_AUTOREGRESSIVE = priors.ChannelAutoregressive()
EXIT_PRIORS: dict[str, Arm] = {
    "conditional-gaussian": _prior(
        "mean and scale by one convolution", priors.ConditionalGaussian()
    ),
    "conditional-gaussian-as-long": _prior(
        "the same, for the time that the autoregressive prior takes",
        priors.ConditionalGaussian(),
        as_long_as="channel-autoregressive",
    ),
    "standard-normal": _prior("nothing learned", priors.StandardNormal()),
    "channel-autoregressive": _prior("channel after channel, hidden 8, kernel 3", _AUTOREGRESSIVE),
    "channel-autoregressive-lcma": _lcma(
        "channel after channel, of the pixels that LCMA lets go",
        "standard-normal",
        {"exit_prior": _AUTOREGRESSIVE},
    ),
    "channel-autoregressive-lcma-channel": _lcma(
        "the same, one order a channel",
        "standard-normal",
        {"exit_prior": _AUTOREGRESSIVE},
        granularity="channel",
    ),
}


def _shuffle(phrase, shuffle, **options) -> Arm:
    def build(statistics, seed, steps):
        # Averages come to rest half way, so that the flow can get used to their order.
        choices = {"steps": max(steps // 2, 1)} if shuffle == "frozen" else {}
        return family.EntropyInformed(shuffle, **choices, **options)

    return Arm(phrase, build, online=True)


# Shuffles before the split, and what they are compared with beside arms from above.
SHUFFLES: dict[str, Arm] = {
    "random-channels": _random(
        "a random half of the channels", lambda seed: family.RandomChannels(seed)
    ),
    "entropy-invariant": _shuffle("most Gaussian channels of an image leave", "invariant"),
    "entropy-frozen": _shuffle("most Gaussian channels of all images leave", "frozen"),
    "entropy-coupling": _shuffle("the same in either half of the channels", "coupling"),
    "entropy-reversed": _shuffle(
        "least Gaussian channels of an image leave", "invariant", reverse=True
    ),
}

ARMS = SPLITS | EXIT_PRIORS | SHUFFLES
