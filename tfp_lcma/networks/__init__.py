"""Keras layers that parameterise flow bijectors."""

from tfp_lcma.networks.actnorm import ActNormLayer
from tfp_lcma.networks.channel_network import ChannelNetwork
from tfp_lcma.networks.conv_lstm import ConvLSTM, ConvLSTMCell
from tfp_lcma.networks.convolutional_network import Convolutional, ConvolutionalNetwork
from tfp_lcma.networks.dense_network import DenseNet, DenseNetwork
from tfp_lcma.networks.gated_network import Gated, GatedNetwork
from tfp_lcma.networks.image_features import ImageFeatures
from tfp_lcma.networks.lipschitz import LipschitzNetwork
from tfp_lcma.networks.lipschitz_convolution import LipschitzConv
from tfp_lcma.networks.nystrom_attention import NystromAttention
from tfp_lcma.networks.residual_network import Residual, ResidualNetwork
from tfp_lcma.networks.specification import Specification
from tfp_lcma.networks.transformer_network import Transformer, TransformerNetwork
from tfp_lcma.networks.weight_norm import WeightNormConv

__all__ = [
    "ActNormLayer",
    "ChannelNetwork",
    "ConvLSTM",
    "ConvLSTMCell",
    "Convolutional",
    "ConvolutionalNetwork",
    "DenseNet",
    "DenseNetwork",
    "Gated",
    "GatedNetwork",
    "ImageFeatures",
    "LipschitzConv",
    "LipschitzNetwork",
    "NystromAttention",
    "Residual",
    "ResidualNetwork",
    "Specification",
    "Transformer",
    "TransformerNetwork",
    "WeightNormConv",
]
