"""Flows in levels, between which some dimensions are factored out."""

from tfp_lcma.multi_scale.multi_scale import LevelRecord, MultiScale, level_shapes
from tfp_lcma.multi_scale.warm_start import warm_start

__all__ = ["LevelRecord", "MultiScale", "level_shapes", "warm_start"]
