"""A flow as a Keras model, and the callbacks that go with it."""

from tfp_lcma.keras_model.channel_watch import ChannelChoices, ChannelWatch, channel_choices
from tfp_lcma.keras_model.collector import LogDetCollector
from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.keras_model.image_summary import ImageSummary
from tfp_lcma.keras_model.online_split import OnlineSplit

__all__ = [
    "ChannelChoices",
    "ChannelWatch",
    "FlowModel",
    "ImageSummary",
    "LogDetCollector",
    "OnlineSplit",
    "channel_choices",
]
