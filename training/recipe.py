"""Recipes: what to train on which data, as data. One TOML file each in `training/recipes/`."""

import dataclasses
import tomllib
from pathlib import Path

import keras

import tfp_lcma as lcma

_FOLDER = Path(__file__).parent / "recipes"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that defines a run but its seed and its folder.

    Attributes:
        name: the recipe's file name.
        source: data set, one of `training.datasets.SOURCES`.
        levels: levels of the multi-scale flow.
        width: channels of the narrowest network.
        blocks: residual blocks of a network.
        widen: whether networks widen from level to level.
        normalization: "actnorm" or "batch".
        steps: most steps of training.
        pretrain_steps: most steps of pre-training, for factorizations chosen from data.
        batch_size: images a step.
        learning_rate: Adam's, after warm-up.
        validate_every: steps between two looks at the validation split.
        patience: looks without improvement before training stops.
        warmup_steps: steps over which the learning rate rises from 0.
        decay: whether it then falls to 0 along a half cosine, over the phase's steps.
        global_clipnorm: bound on the gradient's norm; None: no bound.
        l2: L2 penalty on weight-norm gains and the couplings' bounds.
        flip: whether training images are flipped left to right at random.
        draws: dequantisation draws an image in the final evaluation.
        image_size: side of the images, for a folder of one's own.
    """

    name: str
    source: str
    levels: int
    width: int
    blocks: int
    steps: int
    pretrain_steps: int
    batch_size: int
    learning_rate: float
    validate_every: int
    patience: int
    draws: int
    widen: bool = True
    normalization: str = "actnorm"
    warmup_steps: int = 0
    decay: bool = False
    global_clipnorm: float | None = None
    l2: float = 0.0
    flip: bool = False
    image_size: int | None = None

    def build_flow(self, event_shape, factorization, **options) -> lcma.bijectors.MultiScale:
        """Returns the recipe's flow with fresh weights; `options` are further ones of its model."""
        return lcma.models.real_nvp(
            event_shape,
            levels=self.levels,
            width=self.width,
            blocks=self.blocks,
            widen=self.widen,
            normalization=self.normalization,
            regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
            factorization=factorization,
            **options,
        )

    def build_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """Returns Adam with the recipe's schedule for a phase of `steps` steps."""
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if self.warmup_steps else self.learning_rate,
            max(steps - self.warmup_steps, 1),
            alpha=0.0 if self.decay else 1.0,
            warmup_target=self.learning_rate if self.warmup_steps else None,
            warmup_steps=self.warmup_steps,
        )
        return keras.optimizers.Adam(rate, global_clipnorm=self.global_clipnorm)


def recipe_names() -> list[str]:
    """Returns the names of all recipes."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name: str, **changes) -> Recipe:
    """Reads a recipe.

    Args:
        name: one of `recipe_names()`.
        **changes: settings to override; None leaves the recipe's.

    Raises:
        ValueError: there is no such recipe, or a setting is out of range.
    """
    path = _FOLDER / f"{name}.toml"
    if name not in recipe_names():
        raise ValueError(f"recipe must be one of {', '.join(recipe_names())}; got {name!r}.")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    settings = {key: value for table in tables.values() for key, value in table.items()}
    settings |= {key: value for key, value in changes.items() if value is not None}
    recipe = Recipe(name=name, **settings)
    for field in ("steps", "pretrain_steps", "batch_size", "validate_every", "patience", "draws"):
        if getattr(recipe, field) < 1:
            raise ValueError(f"{field} must be at least 1; got {getattr(recipe, field)}.")
    if recipe.warmup_steps < 0:
        raise ValueError(f"warmup_steps must be at least 0; got {recipe.warmup_steps}.")
    if recipe.learning_rate <= 0:
        raise ValueError(f"learning_rate must be positive; got {recipe.learning_rate}.")
    return recipe
