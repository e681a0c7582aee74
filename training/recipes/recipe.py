"""Recipes: what to train on which data, as data. One TOML file each."""

import dataclasses
import inspect
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from tfp_lcma.training.data import Dataset, load

import tfp_lcma as lcma
from tfp_lcma.multi_scale import MultiScale

_FOLDER = Path(__file__).parent
MODELS = {
    "real_nvp": lcma.models.real_nvp,
    "glow": lcma.models.glow,
    "mar_scf": lcma.models.mar_scf,
    "eiw_flow": lcma.models.eiw_flow,
    "residual_flow": lcma.models.residual_flow,
}
PREPROCESSING = {
    "logit": lcma.bijectors.LogitPreprocessing,
    "affine": lcma.bijectors.AffinePreprocessing,
}
OPTIMIZERS = {"adam": keras.optimizers.Adam, "adamax": keras.optimizers.Adamax}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that defines a run but its seed and its folder.

    Attributes:
        name: the recipe's file name.
        source: data set, one of `tfp_lcma.training.data.names()`, or `folder`.
        model: one of `MODELS`.
        flow: options of that model, `levels` among them.
        steps: most steps of training.
        pretrain_steps: most steps of pre-training, for factorizations chosen from data.
        batch_size: images a step.
        learning_rate: the optimiser's, after warm-up.
        validate_every: steps between two looks at the validation split.
        patience: looks without improvement before training stops.
        optimizer: one of `OPTIMIZERS`.
        warmup_steps: steps over which the learning rate rises from 0.
        decay: whether it then falls to 0 along a half cosine, over the phase's steps.
        global_clipnorm: bound on the gradient's norm; None: no bound.
        l2: L2 penalty on what the model's `regularizer` is for; 0: none.
        preprocessing: one of `PREPROCESSING`, from intensities to the flow's domain.
        flip: whether training images are flipped left to right at random.
        draws: dequantisation draws an image in the final evaluation.
        image_size: side of the images, for a folder of one's own.
    """

    name: str
    source: str
    model: str
    flow: Mapping[str, Any]
    steps: int
    pretrain_steps: int
    batch_size: int
    learning_rate: float
    validate_every: int
    patience: int
    draws: int
    optimizer: str = "adam"
    warmup_steps: int = 0
    decay: bool = False
    global_clipnorm: float | None = None
    l2: float = 0.0
    preprocessing: str = "logit"
    flip: bool = False
    image_size: int | None = None

    @property
    def levels(self) -> int:
        """Levels of the flow."""
        return self.flow["levels"]

    def takes(self, option: str) -> bool:
        """Says whether the recipe's model has an option of that name."""
        return option in inspect.signature(MODELS[self.model]).parameters

    def load_dataset(self, images=None, **where) -> Dataset:
        """Loads the recipe's data, or those in the folder `images`, as `data.load` does."""
        if (self.source == "folder") != (images is not None):
            raise ValueError(f"images is for the recipe folder, which needs it; got {images!r}.")
        return load(images or self.source, image_size=self.image_size, **where)

    def build_flow(self, event_shape, factorization, **options) -> MultiScale:
        """Returns the recipe's flow with fresh weights.

        Args:
            event_shape: shape of an image.
            factorization: which dimensions are factored out; None: none before the end.
            **options: further options of the recipe's model.

        Raises:
            ValueError: the model has no such option.
        """
        for name in options:
            if not self.takes(name):
                raise ValueError(f"{name} is no option of {self.model}.")
        penalty = {"regularizer": keras.regularizers.L2(self.l2)} if self.l2 else {}
        return MODELS[self.model](
            event_shape, factorization=factorization, **self.flow, **penalty, **options
        )

    def build_model(self, flow: MultiScale, bins: int, seed: int) -> lcma.FlowModel:
        """Returns the flow as a model of images of so many intensities, not yet compiled."""
        preprocessing = PREPROCESSING[self.preprocessing](flow.event_shape, bins=bins)
        return lcma.FlowModel(flow, preprocessing=preprocessing, seed=seed)

    def build_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """Returns the optimiser with the recipe's schedule for a phase of `steps` steps."""
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if self.warmup_steps else self.learning_rate,
            max(steps - self.warmup_steps, 1),
            alpha=0.0 if self.decay else 1.0,
            warmup_target=self.learning_rate if self.warmup_steps else None,
            warmup_steps=self.warmup_steps,
        )
        return OPTIMIZERS[self.optimizer](rate, global_clipnorm=self.global_clipnorm)


def recipe_names() -> list[str]:
    """Returns the names of all recipes."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name: str, **changes) -> Recipe:
    """Reads a recipe.

    Args:
        name: one of `recipe_names()`.
        **changes: settings to override, options of the model too; None leaves the recipe's.

    Raises:
        ValueError: there is no such recipe, it has no such setting, or one is out of range.
    """
    path = _FOLDER / f"{name}.toml"
    if name not in recipe_names():
        raise ValueError(f"recipe must be one of {', '.join(recipe_names())}; got {name!r}.")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    flow = tables.pop("model")
    settings = {key: value for table in tables.values() for key, value in table.items()}
    settings |= {"model": flow.pop("name"), "flow": flow}
    fields = {field.name for field in dataclasses.fields(Recipe)}
    for key, value in changes.items():
        if value is None:
            continue
        if key not in fields and key not in flow:
            raise ValueError(
                f"{key} is no setting of {settings['model']} in the recipe {name}: it has "
                f"{', '.join(flow)}."
            )
        (settings if key in fields else flow)[key] = value
    recipe = Recipe(name=name, **settings)
    for field in ("steps", "pretrain_steps", "batch_size", "validate_every", "patience", "draws"):
        if getattr(recipe, field) < 1:
            raise ValueError(f"{field} must be at least 1; got {getattr(recipe, field)}.")
    if recipe.preprocessing not in PREPROCESSING:
        raise ValueError(
            f"preprocessing must be one of {', '.join(PREPROCESSING)}; got "
            f"{recipe.preprocessing!r}."
        )
    if recipe.warmup_steps < 0:
        raise ValueError(f"warmup_steps must be at least 0; got {recipe.warmup_steps}.")
    if recipe.learning_rate <= 0:
        raise ValueError(f"learning_rate must be positive; got {recipe.learning_rate}.")
    return recipe
