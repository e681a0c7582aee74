"""What to train on which data: settings as data, put together from files and checked."""

from tfp_lcma.training.recipes.checks import SettingError
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.recipes.tables import load_recipe

__all__ = ["Recipe", "SettingError", "load_recipe"]
