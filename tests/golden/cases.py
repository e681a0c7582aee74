"""The flows whose values were recorded, as they are built now."""

import functools
from collections.abc import Callable

from tests.golden import formula
from tfp_lcma import factorizations
from tfp_lcma.bijectors import FlowBijector
from tfp_lcma.factorizations import Channel, Checkerboard, EntropyInformed, RandomInBlock
from tfp_lcma.models import eiw_flow, glow, mar_scf, real_nvp, residual_flow
from tfp_lcma.multi_scale import MultiScale
from tfp_lcma.priors import ChannelAutoregressive, ConditionalGaussian, StandardNormal

SMALL, LARGE = (4, 4, 2), (8, 8, 1)


def _real_nvp(shape=SMALL, **arguments) -> MultiScale:
    own = {"levels": 2, "width": 4, "blocks": 1, "factorization": Checkerboard()}
    own |= {"exit_prior": StandardNormal(), "dtype": "float64"}
    return real_nvp(shape, **own | arguments)


@functools.cache
def _levels(deep: bool) -> list[FlowBijector]:
    """The levels of a RealNVP, which are the same whatever is factored out."""
    deeper = {"shape": LARGE, "levels": 3, "width": 6, "widen": False} if deep else {}
    return _real_nvp(**deeper).flows


def _factored(factorization, deep=False) -> MultiScale:
    return MultiScale(_levels(deep), factorization, StandardNormal())


def _deep_real_nvp(factorization) -> MultiScale:
    return _factored(factorization, deep=True)


def _glow(shape=SMALL, **arguments) -> MultiScale:
    own = {"levels": 2, "steps": 2, "width": 8, "factorization": Channel()}
    own |= {"exit_prior": ConditionalGaussian(), "dtype": "float64"}
    return glow(shape, **own | arguments)


def _mar_scf(coupling, **arguments) -> MultiScale:
    own = {"levels": 2, "steps": 2, "width": 8, "coupling": coupling, "blocks": 2}
    own |= {"hidden": 3, "kernel": (3, 1), "dilation": (2, 1), "factorization": Channel()}
    own |= {"exit_prior": None, "dtype": "float64"}
    # Large enough for more than one position at the last level, else attention does nothing.
    return mar_scf(LARGE, **own | arguments)


def _eiw_flow(shuffle) -> MultiScale:
    return eiw_flow(
        SMALL,
        levels=2,
        steps=2,
        width=8,
        coupling="affine",
        factorization=EntropyInformed(shuffle),
        exit_prior=ConditionalGaussian(),
        dtype="float64",
    )


def _residual_flow(factorization) -> MultiScale:
    return residual_flow(
        SMALL,
        levels=2,
        steps=2,
        width=4,
        factorization=factorization,
        exit_prior=StandardNormal(),
        log_det="exact",
        dtype="float64",
    )


def _online() -> MultiScale:
    """A flow whose splits are as if half way through the choice: `formula.block_order`."""
    flow = _deep_real_nvp(factorizations.OnlineLikelihoodContribution())
    for level, permutation in enumerate(flow.splits):
        permutation.assign(formula.block_order(level, permutation.event_shape))
    return flow


CASES: dict[str, Callable[[], MultiScale]] = {
    "real_nvp": lambda: _real_nvp(LARGE, blocks=2),
    "real_nvp nobody leaves": lambda: _real_nvp(LARGE, levels=3, factorization=None),
    "real_nvp batch norm": lambda: _real_nvp(normalization="batch"),
    "real_nvp not widened": lambda: _real_nvp(widen=False),
    "real_nvp position-aware": lambda: _real_nvp(
        LARGE, levels=3, factorization=RandomInBlock(seed=1), position_aware=True
    ),
    "real_nvp first parity": lambda: _real_nvp(first_parity=1),
    "real_nvp additive": lambda: _real_nvp(coupling="additive"),
    "real_nvp mixture_logistic": lambda: _real_nvp(coupling="mixture_logistic"),
    "real_nvp classes": lambda: _real_nvp(conditions=3),
    "real_nvp vector": lambda: _real_nvp(conditions=(2,)),
    "real_nvp ConditionalGaussian": lambda: _real_nvp(exit_prior=ConditionalGaussian()),
    "real_nvp ConditionalGaussian classes": lambda: _real_nvp(
        exit_prior=ConditionalGaussian(), conditions=3
    ),
    "factorization Checkerboard": _real_nvp,
    "factorization ComplementCheckerboard": lambda: _factored(
        factorizations.ComplementCheckerboard()
    ),
    "factorization Channel": lambda: _factored(Channel()),
    "factorization Random": lambda: _factored(factorizations.Random(seed=1)),
    "factorization RandomChannels": lambda: _factored(factorizations.RandomChannels(seed=1)),
    "factorization RandomInBlock": lambda: _deep_real_nvp(RandomInBlock(seed=1)),
    "factorization Haar": lambda: _factored(factorizations.Haar()),
    "factorization LearnedConvolution": lambda: _factored(
        factorizations.LearnedConvolution(dtype="float64")
    ),
    "factorization LikelihoodContribution": lambda: _deep_real_nvp(
        factorizations.LikelihoodContribution(formula.scores(3, LARGE))
    ),
    "factorization LikelihoodGain": lambda: _deep_real_nvp(
        factorizations.LikelihoodGain(formula.scores(3, LARGE), "low")
    ),
    "factorization ExitPrice": lambda: _deep_real_nvp(
        factorizations.ExitPrice(formula.prices(3, LARGE))
    ),
    "factorization KarhunenLoeve": lambda: _deep_real_nvp(
        factorizations.KarhunenLoeve(formula.rotations(3, LARGE), across_channels=True)
    ),
    "factorization RotatedExitPrice": lambda: _factored(
        factorizations.RotatedExitPrice(formula.rotations(2, SMALL), across_channels=True)
    ),
    "factorization OnlineLikelihoodContribution": _online,
    "glow": lambda: _glow(LARGE, levels=3),
    "glow nobody leaves": lambda: _glow(factorization=None),
    "glow additive": lambda: _glow(coupling="additive"),
    "glow mixture_logistic": lambda: _glow(coupling="mixture_logistic"),
    "glow plain convolution": lambda: _glow(convolution="plain"),
    "glow classes": lambda: _glow(conditions=3),
    "glow vector": lambda: _glow(conditions=(2,)),
    "glow StandardNormal": lambda: _glow(exit_prior=StandardNormal()),
    "glow ConditionalGaussian": _glow,
    "glow ChannelAutoregressive": lambda: _glow(
        exit_prior=ChannelAutoregressive(hidden=3, kernel=3, dilation=1)
    ),
    "mar_scf affine": lambda: _mar_scf("affine"),
    "mar_scf mixture_logistic": lambda: _mar_scf("mixture_logistic"),
    "mar_scf classes": lambda: _mar_scf("mixture_logistic", conditions=3),
    "eiw_flow invariant": lambda: _eiw_flow("invariant"),
    "eiw_flow frozen": lambda: _eiw_flow("frozen"),
    "eiw_flow coupling": lambda: _eiw_flow("coupling"),
    "residual_flow": lambda: _residual_flow(None),
    "residual_flow Haar": lambda: _residual_flow(factorizations.Haar()),
}
# What they reach, others of the list reach too.
REACHED_BY_OTHERS = {
    "real_nvp nobody leaves",  # glow nobody leaves
    "real_nvp not widened",  # the factorizations' deep flows
    "real_nvp additive",  # glow additive
    "real_nvp vector",  # real_nvp classes, glow vector
    "real_nvp ConditionalGaussian",  # glow
    "real_nvp ConditionalGaussian classes",  # glow classes
    "factorization Checkerboard",  # real_nvp first parity
    "factorization RandomInBlock",  # real_nvp position-aware
    "glow ConditionalGaussian",  # glow plain convolution
    "glow mixture_logistic",  # mar_scf classes
    "mar_scf mixture_logistic",  # mar_scf classes
}
