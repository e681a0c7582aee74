"""A recipe: everything that defines a run but its seed and its folder, checked."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfp_lcma import registry
from tfp_lcma.training.recipes.checks import SettingError, check_at_least, check_kind, check_name

if TYPE_CHECKING:
    import keras

    import tfp_lcma as lcma
    from tfp_lcma.multi_scale import MultiScale
    from tfp_lcma.training.data import Dataset

# Options of a model that a recipe may name by a string.
_NAMED_OPTIONS = {
    "coupling": registry.COUPLINGS,
    "network": registry.NETWORKS,
    "exit_prior": registry.EXIT_PRIORS,
}
# Options of a model that are not a recipe's business.
_GIVEN = ("factorization", "conditions", "regularizer", "dtype")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that defines a run but its seed and its folder.

    ```python
    from tfp_lcma.training.recipes import load_recipe

    recipe = load_recipe("digits", "glow", steps=100, width=16)
    ```

    Attributes:
        name: what the recipe is put together from: DATA-MODEL.
        source: data set, by its name or by the path of its images.
        model: one of `tfp_lcma.registry.MODELS`.
        flow: options of that model, `levels` among them.
        steps: most steps of training.
        pretrain_steps: most steps of pre-training, for factorizations chosen from data.
        batch_size: images a step.
        learning_rate: the optimiser's, after warm-up.
        validate_every: steps between two looks at the validation split.
        patience: looks without improvement before training stops.
        draws: dequantisation draws an image in the final evaluation.
        optimizer: one of `tfp_lcma.registry.OPTIMIZERS`.
        warmup_steps: steps over which the learning rate rises from 0.
        decay: whether it then falls to 0 along a half cosine, over the phase's steps.
        global_clipnorm: bound on the gradient's norm; None: no bound.
        l2: L2 penalty on what the model's `regularizer` is for; 0: none.
        preprocessing: one of `tfp_lcma.registry.PREPROCESSING`, from intensities to the flow's
            domain.
        dequantization: one of `tfp_lcma.registry.DEQUANTIZATIONS`, what makes whole intensities
            continuous.
        flip: whether training images are flipped left to right at random.
        image_size: side of the images, where the data set leaves it open.
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
    dequantization: str = "uniform"
    flip: bool = False
    image_size: int | None = None

    def __post_init__(self):
        for name, (kind, optional) in KINDS.items():
            value = getattr(self, name)
            if not (optional and value is None):
                check_kind(dotted(name), value, kind)
        for name in ("steps", "pretrain_steps", "batch_size", "validate_every", "patience"):
            check_at_least(dotted(name), getattr(self, name), 1)
        check_at_least("evaluation.draws", self.draws, 1)
        check_at_least("training.warmup_steps", self.warmup_steps, 0)
        if self.image_size is not None:
            check_at_least("data.image_size", self.image_size, 1)
        if not self.learning_rate > 0:
            raise SettingError(
                "training.learning_rate", f"must be positive; got {self.learning_rate}."
            )
        if self.global_clipnorm is not None and not self.global_clipnorm > 0:
            raise SettingError(
                "training.global_clipnorm", f"must be positive; got {self.global_clipnorm}."
            )
        if not self.l2 >= 0:
            raise SettingError("training.l2", f"must be at least 0; got {self.l2}.")
        check_name("model.name", self.model, registry.MODELS)
        check_name("training.optimizer", self.optimizer, registry.OPTIMIZERS)
        check_name("training.preprocessing", self.preprocessing, registry.PREPROCESSING)
        check_name("training.dequantization", self.dequantization, registry.DEQUANTIZATIONS)
        options = model_options(self.model)
        for name, value in self.flow.items():
            if name not in options:
                listed = ", ".join(registry.nearest_first(name, options))
                raise SettingError(
                    f"model.{name}", f"is no setting of {self.model}; it has {listed}."
                )
            if name in _NAMED_OPTIONS and isinstance(value, str):
                check_name(f"model.{name}", value, _NAMED_OPTIONS[name])
        for name in ("levels", "steps", "width", "blocks", "patch", "couplings", "heads"):
            if name in self.flow:
                check_kind(f"model.{name}", self.flow[name], int)
                check_at_least(f"model.{name}", self.flow[name], 1)
        if "levels" not in self.flow:
            raise SettingError("model.levels", "must be given.")

    @property
    def levels(self) -> int:
        """Levels of the flow."""
        return self.flow["levels"]

    @property
    def patch(self) -> int | None:
        """Side of the patches of a flow on patches; None: it halves the images at every level."""
        return self.flow.get("patch")

    def check_size(self, height: int, width: int) -> None:
        """Checks that images can be halved as often as the levels ask, or cut into patches.

        Raises:
            SettingError: they cannot.
        """
        if self.patch is not None:
            if height % (2 * self.patch) or width % (2 * self.patch):
                raise SettingError(
                    "model.patch",
                    f"must make an even number of patches of either side of the images, {height}×"
                    f"{width} pixels; got {self.patch}.",
                )
            return
        divisor = 2 ** (self.levels - 1)
        if height % divisor or width % divisor:
            own = "" if self.image_size is None else "; --image-size can be such a number"
            raise SettingError(
                "model.levels",
                f"must fit the images: {height}×{width} pixels cannot have {self.levels} levels, "
                f"for which height and width must be divisible by {divisor}{own}.",
            )

    def takes(self, option: str) -> bool:
        """Says whether the recipe's model has an option of that name."""
        return option in registry.arguments_of(registry.MODELS[self.model])

    def load_dataset(self, **where) -> "Dataset":
        """Loads the recipe's data: `data_dir`, `limit` and `labels` of `data.load`."""
        from tfp_lcma.training.data import load

        return load(self.source, image_size=self.image_size, **where)

    def build_flow(self, event_shape, factorization, **options) -> "MultiScale":
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
        settings = {**self.flow, **options}
        if isinstance(settings.get("exit_prior"), str):
            settings["exit_prior"] = registry.load(registry.EXIT_PRIORS[settings["exit_prior"]])()
        if self.l2:
            import keras

            settings["regularizer"] = keras.regularizers.L2(self.l2)
        model = registry.load(registry.MODELS[self.model])
        return model(event_shape, factorization=factorization, **settings)

    def build_model(self, flow: "MultiScale", bins: int, seed: int) -> "lcma.FlowModel":
        """Returns the flow as a model of images of so many intensities, not yet compiled."""
        import tfp_lcma as lcma

        part = registry.load(registry.PREPROCESSING[self.preprocessing])
        preprocessing = part(flow.event_shape, bins=bins, dtype=flow.dtype)
        noise = registry.load(registry.DEQUANTIZATIONS[self.dequantization])()
        return lcma.FlowModel(flow, preprocessing=preprocessing, dequantization=noise, seed=seed)

    def build_optimizer(self, steps: int) -> "keras.optimizers.Optimizer":
        """Returns the optimiser with the recipe's schedule for a phase of `steps` steps."""
        from tfp_lcma.models.optimizer import warmed_up

        return warmed_up(
            self.optimizer,
            self.learning_rate,
            warmup_steps=self.warmup_steps,
            steps=steps if self.decay else None,
            global_clipnorm=self.global_clipnorm,
        )

    def replaced(self, **changes) -> "Recipe":
        """Returns the recipe with other settings, by their short names; None leaves one.

        Args:
            **changes: settings of training, or options of the model.

        Raises:
            SettingError: there is no such setting, or one is out of range.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        fields = {name: given.pop(name) for name in [*given] if name in KINDS}
        return dataclasses.replace(self, flow={**self.flow, **given}, **fields)


# Where a setting stands in a file, if not under training.
TABLE_OF = {"source": "data", "image_size": "data", "draws": "evaluation"}


def _kinds() -> dict[str, tuple[type, bool]]:
    """Returns the type of every setting but those of the model, and whether it may be None."""
    found = {}
    for name, kind in typing.get_type_hints(Recipe).items():
        if name not in ("name", "model", "flow"):
            optional = isinstance(kind, types.UnionType)
            found[name] = (kind.__args__[0] if optional else kind, optional)
    return found


# Types of the settings, and whether they may be None.
KINDS = _kinds()


def model_options(model: str) -> list[str]:
    """Returns the options of a model that a recipe may set."""
    arguments = registry.arguments_of(registry.MODELS[model])
    return [name for name in arguments if name not in _GIVEN]


# Settings that have an option of their own on the command line.
_FLAGS = {
    "data.source": "--data",
    "data.image_size": "--image-size",
    "model.name": "--model",
    "training.steps": "--steps",
}


def flag_of(setting: str) -> str:
    """Returns what the command line calls a setting, or a run's option."""
    if "." in setting:
        return _FLAGS.get(setting, f"--set {setting}")
    return f"--{setting.replace('_', '-')}"


def dotted(name: str) -> str:
    """Returns the name of a setting as it stands in a file, `table.key`."""
    return f"{TABLE_OF.get(name, 'training')}.{name}"
