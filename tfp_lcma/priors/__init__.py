"""Exit priors: how leaving dimensions become standard normal noise."""

from tfp_lcma.priors.channel_autoregressive import ChannelAutoregressive
from tfp_lcma.priors.conditional_gaussian import ConditionalGaussian
from tfp_lcma.priors.standard_normal import ExitPrior, StandardNormal

__all__ = ["ChannelAutoregressive", "ConditionalGaussian", "ExitPrior", "StandardNormal"]
