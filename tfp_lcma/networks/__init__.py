"""Keras layers that parameterise flow bijectors."""

from tfp_lcma.networks.actnorm import ActNormLayer
from tfp_lcma.networks.channel_network import ChannelNetwork
from tfp_lcma.networks.conv_lstm import ConvLSTM, ConvLSTMCell
from tfp_lcma.networks.convolutional_network import ConvolutionalNetwork
from tfp_lcma.networks.gated_network import GatedNetwork
from tfp_lcma.networks.lipschitz import LipschitzNetwork
from tfp_lcma.networks.lipschitz_convolution import LipschitzConv
from tfp_lcma.networks.residual_network import ResidualNetwork, WeightNormConv

__all__ = [
    "ActNormLayer",
    "ChannelNetwork",
    "ConvLSTM",
    "ConvLSTMCell",
    "ConvolutionalNetwork",
    "GatedNetwork",
    "LipschitzConv",
    "LipschitzNetwork",
    "ResidualNetwork",
    "WeightNormConv",
]
