"""Exit priors: how dimensions that are factored out become standard normal noise."""

from tfp_lcma.priors.channel_autoregressive import ChannelAutoregressive
from tfp_lcma.priors.conditional_gaussian import ConditionalGaussian
from tfp_lcma.priors.exit_prior import ExitPrior
from tfp_lcma.priors.standard_normal import StandardNormal

__all__ = ["ChannelAutoregressive", "ConditionalGaussian", "ExitPrior", "StandardNormal"]
