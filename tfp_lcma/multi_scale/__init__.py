"""Flows in levels, between which some dimensions are factored out."""

from tfp_lcma.multi_scale.multi_scale import LevelRecord, MultiScale, level_shapes

__all__ = ["LevelRecord", "MultiScale", "level_shapes"]
