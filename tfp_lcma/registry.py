"""Everything that has a name, and where it is: known without importing any of it.

Models, the command line and tests read these tables. A new coupling, network, exit prior, model or
factorization is one file and one line here.
"""

import ast
import dataclasses
import difflib
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MODELS = {
    "real_nvp": "tfp_lcma.models.real_nvp:real_nvp",
    "glow": "tfp_lcma.models.glow:glow",
    "mar_scf": "tfp_lcma.models.mar_scf:mar_scf",
    "eiw_flow": "tfp_lcma.models.eiw_flow:eiw_flow",
    "residual_flow": "tfp_lcma.models.residual_flow:residual_flow",
    "jet": "tfp_lcma.models.jet:jet",
}
COUPLINGS = {
    "affine": "tfp_lcma.bijectors.transforms.affine:Affine",
    "sigmoid_affine": "tfp_lcma.bijectors.transforms.sigmoid_affine:SigmoidAffine",
    "additive": "tfp_lcma.bijectors.transforms.additive:Additive",
    "mixture_logistic": "tfp_lcma.bijectors.transforms.mixture_logistic:MixtureLogistic",
    "rational_quadratic": "tfp_lcma.bijectors.transforms.rational_quadratic:RationalQuadratic",
}
NETWORKS = {
    "residual": "tfp_lcma.networks.residual_network:Residual",
    "convolutional": "tfp_lcma.networks.convolutional_network:Convolutional",
    "gated": "tfp_lcma.networks.gated_network:Gated",
    "transformer": "tfp_lcma.networks.transformer_network:Transformer",
    "densenet": "tfp_lcma.networks.dense_network:DenseNet",
}
EXIT_PRIORS = {
    "standard_normal": "tfp_lcma.priors.standard_normal:StandardNormal",
    "conditional_gaussian": "tfp_lcma.priors.conditional_gaussian:ConditionalGaussian",
    "conditional_gaussian_least_squares": (
        "tfp_lcma.priors.conditional_gaussian:least_squares_gaussian"
    ),
    "channel_autoregressive": "tfp_lcma.priors.channel_autoregressive:ChannelAutoregressive",
}
PREPROCESSING = {
    "logit": "tfp_lcma.bijectors.preprocessing:LogitPreprocessing",
    "affine": "tfp_lcma.bijectors.preprocessing:AffinePreprocessing",
    "symmetric": "tfp_lcma.bijectors.preprocessing:SymmetricPreprocessing",
}
OPTIMIZERS = {
    "adam": "keras.optimizers:Adam",
    "adamax": "keras.optimizers:Adamax",
    "jet_adam": "tfp_lcma.models.optimizer:JetAdam",
}
DEQUANTIZATIONS = {
    "uniform": "tfp_lcma.density.dequantization:Uniform",
    "variational": "tfp_lcma.density.variational:Variational",
}

# What a factorization is chosen from.
NOTHING, SEED, IMAGES, FLOW, TRAINING = "nothing", "seed", "images", "flow", "training"


@dataclasses.dataclass(frozen=True)
class NamedFactorization:
    """A factorization that has a name.

    Attributes:
        phrase: what it is, in a few words.
        kind: its class in `tfp_lcma.factorizations`; None: nothing is factored out.
        source: what it is chosen from: NOTHING; SEED, drawn; IMAGES, the statistics of a flow that
            is initialised but not trained; FLOW, those of a pre-trained flow; TRAINING, the
            training of the very flow.
        options: arguments of its class.
    """

    phrase: str
    kind: str | None
    source: str = NOTHING
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def _of(source, kind, phrase, **options) -> NamedFactorization:
    return NamedFactorization(phrase, kind, source, options)


FACTORIZATIONS = {
    "lcma": _of(FLOW, "LikelihoodContribution", "LCMA, as published"),
    "lcma-low": _of(FLOW, "LikelihoodContribution", "LCMA, halves exchanged", keep="low"),
    "lcma-raster": _of(
        FLOW, "LikelihoodContribution", "LCMA, raster order in a half", order="raster"
    ),
    "lcma-level": _of(
        FLOW, "LikelihoodContribution", "LCMA, one order a level", granularity="level"
    ),
    "lcma-channel": _of(
        FLOW, "LikelihoodContribution", "LCMA, one order a channel", granularity="channel"
    ),
    "lcma-view": _of(
        FLOW,
        "LikelihoodContribution",
        "LCMA, the better half of all channels",
        granularity="channel",
        pooling="view",
    ),
    "lcma-view-position": _of(
        FLOW,
        "LikelihoodContribution",
        "LCMA, the better half of all channels per position",
        pooling="view",
    ),
    "lcma-pair-pooling": _of(
        FLOW, "LikelihoodContribution", "LCMA, the better of each row", pooling="pair"
    ),
    "lcma-parity-centred": _of(
        FLOW, "LikelihoodContribution", "LCMA, mean score of each parity removed", centred=True
    ),
    "lcma-scale-invariant": _of(
        FLOW, "LikelihoodContribution", "LCMA, scale-invariant scores", scores="scale_invariant"
    ),
    "lcma-per-level-scores": _of(
        FLOW, "LikelihoodContribution", "LCMA, log-det of the level alone", scores="level"
    ),
    "likelihood-gain": _of(FLOW, "LikelihoodGain", "most still to gain stays"),
    "exit-price": _of(FLOW, "ExitPrice", "cheapest pair of a block is factored out"),
    "exit-price-level": _of(
        FLOW, "ExitPrice", "cheapest pair of a level is factored out", granularity="level"
    ),
    "exit-price-greedy": _of(
        FLOW, "GreedyExitPrice", "cheapest of all channels of a block or patch are factored out"
    ),
    "exit-price-greedy-level": _of(
        FLOW,
        "GreedyExitPrice",
        "cheapest of all channels, one order a level, are factored out",
        granularity="level",
    ),
    "exit-price-level-images": _of(
        IMAGES, "ExitPrice", "cheapest pair of a level, by the images", granularity="level"
    ),
    "karhunen-loeve": _of(FLOW, "KarhunenLoeve", "principal axes, high variance stays"),
    "karhunen-loeve-negentropy": _of(
        FLOW, "KarhunenLoeve", "principal axes, high negentropy stays", keep="negentropy"
    ),
    "karhunen-loeve-across": _of(
        FLOW,
        "KarhunenLoeve",
        "principal axes, across channels, high variance stays",
        across_channels=True,
    ),
    "karhunen-loeve-across-negentropy": _of(
        FLOW,
        "KarhunenLoeve",
        "principal axes, across channels, high negentropy stays",
        across_channels=True,
        keep="negentropy",
    ),
    "karhunen-loeve-images": _of(
        IMAGES, "KarhunenLoeve", "principal axes, of the images, high variance stays"
    ),
    "karhunen-loeve-across-images": _of(
        IMAGES,
        "KarhunenLoeve",
        "principal axes, of the images across channels, high variance stays",
        across_channels=True,
    ),
    "rotated-exit-price": _of(
        FLOW, "RotatedExitPrice", "components that share least are factored out"
    ),
    "rotated-exit-price-images": _of(
        IMAGES, "RotatedExitPrice", "components of the images that share least are factored out"
    ),
    "online-lcma": _of(TRAINING, "OnlineLikelihoodContribution", "chosen while training, LCMA"),
    "online-exit-price-level": _of(
        TRAINING,
        "OnlineLikelihoodContribution",
        "chosen while training, exit price",
        rule="exit_price",
        granularity="level",
    ),
    "checkerboard": _of(NOTHING, "Checkerboard", "RealNVP's split"),
    "complement": _of(NOTHING, "ComplementCheckerboard", "the other diagonal stays"),
    "channel": _of(NOTHING, "Channel", "Glow's split, and JetFormer's on patches"),
    "random": _of(SEED, "Random", "random halves of everything"),
    "random-channels": _of(SEED, "RandomChannels", "a random half of the channels"),
    "random-in-block": _of(SEED, "RandomInBlock", "random pixels of a block"),
    "haar": _of(NOTHING, "Haar", "mean, horizontal stay", keep=("mean", "horizontal")),
    "haar-vertical": _of(NOTHING, "Haar", "mean, vertical stay", keep=("mean", "vertical")),
    "haar-diagonal": _of(NOTHING, "Haar", "mean, diagonal stay", keep=("mean", "diagonal")),
    "learned-convolution": _of(
        NOTHING, "LearnedConvolution", "1x1 convolution learned with the flow"
    ),
    "whitened": _of(
        NOTHING, "Whitened", "1x1 convolution learned with the flow, from a whitening on"
    ),
    "entropy-informed": _of(
        NOTHING, "EntropyInformed", "EIW-Flow's, channels of least learned weight are factored out"
    ),
    "entropy-informed-invariant": _of(
        NOTHING,
        "EntropyInformed",
        "most Gaussian channels of an image are factored out",
        router="invariant",
    ),
    "entropy-informed-frozen": _of(
        NOTHING,
        "EntropyInformed",
        "most Gaussian channels of all images are factored out",
        router="frozen",
    ),
    "entropy-informed-coupling": _of(
        NOTHING,
        "EntropyInformed",
        "most Gaussian channels in either half of the channels are factored out",
        router="coupling",
    ),
    "none": _of(NOTHING, None, "nothing is factored out before the end"),
}


def load(path: str) -> Any:
    """Returns the object at `module:name`, importing the module."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def arguments_of(path: str) -> tuple[str, ...]:
    """Returns the names of a function's keyword-only arguments, read in its source: not imported.

    Args:
        path: `module:function`, a module of this package.
    """
    module, name = path.split(":")
    file = Path(__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return tuple(argument.arg for argument in node.args.kwonlyargs)
    raise ValueError(f"path must name a function of {file}; got {path!r}.")


def factorization(
    name: str, *, steps: int, seed: int, statistics: Any = None, **options: Any
) -> Any:
    """Returns the factorization of a name; None for "none".

    Args:
        name: one of `FACTORIZATIONS`.
        steps: of the training; a third of them go before a choice made while training.
        seed: of what is drawn.
        statistics: `LogDetStatistics`, for what is chosen from a flow or from the images.
        **options: arguments of its class beyond those of the name, such as `retained`.

    Raises:
        ValueError: there is none of that name.
    """
    check_name("factorization", name, FACTORIZATIONS)
    named = FACTORIZATIONS[name]
    if named.kind is None:
        return None
    kind = load(f"tfp_lcma.factorizations:{named.kind}")
    options = {**named.options, **options}
    if named.source in (FLOW, IMAGES):
        return kind(statistics, **options)
    if named.source == TRAINING:
        # A third of the training to measure by, two thirds to make use of it.
        return kind((max(steps // 3, 1),), seed=seed, **options)
    return kind(seed, **options) if named.source == SEED else kind(**options)


def nearest_first(name: str, names: Iterable[str]) -> list[str]:
    """Returns names, those most like the given one first, the others in their order."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return near + [other for other in names if other not in near]


def check_name(what: str, name: Any, names: Iterable[str], instead: str = "") -> None:
    """Raises a ValueError that lists all names, nearest first, unless the name is one of them.

    Args:
        what: the argument or flag.
        name: what was given for it.
        names: all that there are.
        instead: what else may stand there.
    """
    names = list(names)
    if name not in names:
        listed = ", ".join(nearest_first(str(name), names))
        either = f"{instead} or " if instead else ""
        raise ValueError(f"{what} must be {either}one of {listed}; got {name!r}.")
