"""Which dimensions leave a multi-scale flow at which level."""

from tfp_lcma.factorizations.factorization import Factorization, StaticFactorization
from tfp_lcma.factorizations.likelihood import LikelihoodContribution
from tfp_lcma.factorizations.static import Channel, Checkerboard
from tfp_lcma.factorizations.statistics import LogDetStatistics

__all__ = [
    "Channel",
    "Checkerboard",
    "Factorization",
    "LikelihoodContribution",
    "LogDetStatistics",
    "StaticFactorization",
]
