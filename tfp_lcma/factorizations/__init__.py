"""Which dimensions of a multi-scale flow are factored out at which level."""

from tfp_lcma.factorizations.entropy import EntropyInformed
from tfp_lcma.factorizations.exit_price import PAIRS, ExitPrice, pair_prices
from tfp_lcma.factorizations.factorization import (
    Factorization,
    StaticFactorization,
    view,
    view_order,
)
from tfp_lcma.factorizations.greedy_exit_price import GreedyExitPrice
from tfp_lcma.factorizations.karhunen_loeve import KarhunenLoeve
from tfp_lcma.factorizations.likelihood import LikelihoodContribution, LikelihoodGain
from tfp_lcma.factorizations.online import OnlineLikelihoodContribution
from tfp_lcma.factorizations.positions import offset_maps
from tfp_lcma.factorizations.rotated_exit_price import RotatedExitPrice
from tfp_lcma.factorizations.rotation import Haar, LearnedConvolution
from tfp_lcma.factorizations.static import (
    Channel,
    Checkerboard,
    ComplementCheckerboard,
    Random,
    RandomChannels,
    RandomInBlock,
)
from tfp_lcma.factorizations.statistics import LogDetStatistics
from tfp_lcma.factorizations.whitened import Whitened

__all__ = [
    "PAIRS",
    "Channel",
    "Checkerboard",
    "ComplementCheckerboard",
    "EntropyInformed",
    "ExitPrice",
    "Factorization",
    "GreedyExitPrice",
    "Haar",
    "KarhunenLoeve",
    "LearnedConvolution",
    "LikelihoodContribution",
    "LikelihoodGain",
    "LogDetStatistics",
    "OnlineLikelihoodContribution",
    "Random",
    "RandomChannels",
    "RandomInBlock",
    "RotatedExitPrice",
    "StaticFactorization",
    "Whitened",
    "offset_maps",
    "pair_prices",
    "view",
    "view_order",
]
