"""Records what small flows compute with weights by formula, in float64: `python record.py`.

Written to `values.npz` beside this file:

| array | shape | |
|---|---|---|
| `cases` | `[cases]` | their names |
| `paths` | bytes of JSON | see below |
| `<case>/log_prob` | `[3]` | of `formula.images`, behind `LogitPreprocessing` of 256 bins |
| `<case>/latents`, `/log_det` | `[3, h, w, c]` | of the flow alone, at the preprocessed images |
| `<case>/samples`, `/sample_log_det` | `[3, h, w, c]` | of the flow alone, at `formula.latents` |
| `<case>/gradients` | `[weights, 2]` | of mean log_prob; one row of projections a weight |
| `<case>/exit_map` | `[h, w, c]` | the level at which each dimension leaves |
| `<case>/training_log_prob` | `[3]` | batch normalisation alone: of one pass with `training=True` |
| `<case>/training_gradients` | `[weights, 2]` | of its mean |
| `<case>/training_statistics` | `[n]` | all running statistics after it, end to end |

`paths` holds, for every case by name: "shapes", of every weight that has a
formula; "integers", the shapes of those that have none and are left alone;
"gradients", the path of each row of gradients, without the weights that have no
gradient (those of routers); "statistics", the paths of the running statistics
in their order.

A weight's path is "level{l}/{place}/...", "order{l}/..." between levels, or
"exit{l}/...", where l counts levels from the finest and the place is

| model | place |
|---|---|
| glow, mar_scf, eiw_flow | step{k}/actnorm, step{k}/convolution, step{k}/coupling |
| real_nvp | checkerboard{k}/coupling, checkerboard{k}/norm, channel{k}/coupling, channel{k}/norm |
| residual_flow | step{k}/actnorm, step{k}/residual |

with k counting within the level. Then follow the attributes that lead to the
weight: those of the one Keras layer of the part or, where a part has several,
`network`, `head` (the affine map's), `mixture`, `routers/0`, `routers/1` first.
A residual block has "residual/network/...". Leading underscores are left out.

Of RealNVP's channel couplings channel0 and channel2 keep the first half and
channel1 the second; with `first_parity=1` channel0 and channel2 keep the second
half and channel1 the first. The checkerboard couplings keep parities 0, 1, 0
(0, 1, 0, 1 at the last level), each the other one with `first_parity=1`. All
couplings of the other models keep the first half.
"""

import json
import pathlib
import sys
from collections.abc import Callable, Iterator

import formula
import keras
import numpy as np
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tfp_lcma import bijectors, factorizations
from tfp_lcma.bijectors import FlowBijector, FlowChain, LogitPreprocessing, MultiScale, Squeeze
from tfp_lcma.factorizations import Channel, Checkerboard, EntropyInformed, RandomInBlock
from tfp_lcma.models import eiw_flow, glow, mar_scf, real_nvp, residual_flow
from tfp_lcma.priors import ChannelAutoregressive, ConditionalGaussian, StandardNormal

SMALL, LARGE = (4, 4, 2), (8, 8, 1)


# The flows.


def _real_nvp(shape=SMALL, **arguments) -> MultiScale:
    own = {"levels": 2, "width": 4, "blocks": 1, "factorization": Checkerboard()}
    own |= {"exit_prior": StandardNormal(), "dtype": "float64"}
    return real_nvp(shape, **own | arguments)


def _deep_real_nvp(factorization) -> MultiScale:
    return _real_nvp(LARGE, levels=3, width=6, widen=False, factorization=factorization)


def _glow(shape=SMALL, **arguments) -> MultiScale:
    own = {"levels": 2, "steps": 2, "width": 8, "factorization": Channel()}
    own |= {"exit_prior": ConditionalGaussian(), "dtype": "float64"}
    return glow(shape, **own | arguments)


def _mar_scf(coupling, **arguments) -> MultiScale:
    own = {"levels": 2, "steps": 2, "width": 8, "coupling": coupling, "blocks": 2}
    own |= {"hidden": 3, "kernel": (3, 1), "dilation": (2, 1), "factorization": Channel()}
    own |= {"exit_prior": None, "dtype": "float64"}
    # Large enough for more than one position at the last level, else attention does nothing.
    return mar_scf(LARGE, **own | arguments)


def _eiw_flow(shuffle) -> MultiScale:
    return eiw_flow(
        SMALL,
        levels=2,
        steps=2,
        width=8,
        coupling="affine",
        factorization=EntropyInformed(shuffle),
        exit_prior=ConditionalGaussian(),
        dtype="float64",
    )


def _residual_flow(factorization) -> MultiScale:
    return residual_flow(
        SMALL,
        levels=2,
        steps=2,
        width=4,
        factorization=factorization,
        exit_prior=StandardNormal(),
        log_det="exact",
        dtype="float64",
    )


def _online() -> MultiScale:
    """A flow whose splits are as if half way through the choice: `formula.block_order`."""
    flow = _deep_real_nvp(factorizations.OnlineLikelihoodContribution())
    for level, order in enumerate(flow.orders):
        permutation = order.bijectors[-1]
        permutation.assign(formula.block_order(level, permutation.event_shape))
    return flow


CASES: dict[str, Callable[[], MultiScale]] = {
    "real_nvp": lambda: _real_nvp(LARGE, blocks=2),
    "real_nvp nobody leaves": lambda: _real_nvp(LARGE, levels=3, factorization=None),
    "real_nvp batch norm": lambda: _real_nvp(normalization="batch"),
    "real_nvp not widened": lambda: _real_nvp(widen=False),
    "real_nvp position-aware": lambda: _real_nvp(
        LARGE, levels=3, factorization=RandomInBlock(seed=1), position_aware=True
    ),
    "real_nvp first parity": lambda: _real_nvp(first_parity=1),
    "real_nvp additive": lambda: _real_nvp(coupling="additive"),
    "real_nvp mixture_logistic": lambda: _real_nvp(coupling="mixture_logistic"),
    "real_nvp classes": lambda: _real_nvp(conditions=3),
    "real_nvp vector": lambda: _real_nvp(conditions=(2,)),
    "real_nvp ConditionalGaussian": lambda: _real_nvp(exit_prior=ConditionalGaussian()),
    "real_nvp ConditionalGaussian classes": lambda: _real_nvp(
        exit_prior=ConditionalGaussian(), conditions=3
    ),
    "factorization Checkerboard": _real_nvp,
    "factorization ComplementCheckerboard": lambda: _real_nvp(
        factorization=factorizations.ComplementCheckerboard()
    ),
    "factorization Channel": lambda: _real_nvp(factorization=Channel()),
    "factorization Random": lambda: _real_nvp(factorization=factorizations.Random(seed=1)),
    "factorization RandomChannels": lambda: _real_nvp(
        factorization=factorizations.RandomChannels(seed=1)
    ),
    "factorization RandomInBlock": lambda: _deep_real_nvp(RandomInBlock(seed=1)),
    "factorization Haar": lambda: _real_nvp(factorization=factorizations.Haar()),
    "factorization LearnedConvolution": lambda: _real_nvp(
        factorization=factorizations.LearnedConvolution(dtype="float64")
    ),
    "factorization LikelihoodContribution": lambda: _deep_real_nvp(
        factorizations.LikelihoodContribution(formula.scores(3, LARGE))
    ),
    "factorization LikelihoodGain": lambda: _deep_real_nvp(
        factorizations.LikelihoodGain(formula.scores(3, LARGE), "low")
    ),
    "factorization ExitPrice": lambda: _deep_real_nvp(
        factorizations.ExitPrice(formula.prices(3, LARGE))
    ),
    "factorization KarhunenLoeve": lambda: _deep_real_nvp(
        factorizations.KarhunenLoeve(formula.rotations(3, LARGE), across_channels=True)
    ),
    "factorization RotatedExitPrice": lambda: _real_nvp(
        factorization=factorizations.RotatedExitPrice(
            formula.rotations(2, SMALL), across_channels=True
        )
    ),
    "factorization OnlineLikelihoodContribution": _online,
    "glow": lambda: _glow(LARGE, levels=3),
    "glow nobody leaves": lambda: _glow(factorization=None),
    "glow additive": lambda: _glow(coupling="additive"),
    "glow mixture_logistic": lambda: _glow(coupling="mixture_logistic"),
    "glow plain convolution": lambda: _glow(convolution="plain"),
    "glow classes": lambda: _glow(conditions=3),
    "glow vector": lambda: _glow(conditions=(2,)),
    "glow StandardNormal": lambda: _glow(exit_prior=StandardNormal()),
    "glow ConditionalGaussian": _glow,
    "glow ChannelAutoregressive": lambda: _glow(
        exit_prior=ChannelAutoregressive(hidden=3, kernel=3, dilation=1)
    ),
    "mar_scf affine": lambda: _mar_scf("affine"),
    "mar_scf mixture_logistic": lambda: _mar_scf("mixture_logistic"),
    "mar_scf classes": lambda: _mar_scf("mixture_logistic", conditions=3),
    "eiw_flow invariant": lambda: _eiw_flow("invariant"),
    "eiw_flow frozen": lambda: _eiw_flow("frozen"),
    "eiw_flow coupling": lambda: _eiw_flow("coupling"),
    "residual_flow": lambda: _residual_flow(None),
    "residual_flow Haar": lambda: _residual_flow(factorizations.Haar()),
}


# Where each weight is.

Named = Iterator[tuple[str, keras.Variable]]
# Attributes by which Keras lists what other attributes hold.
_LISTS = {"_layers", "_trainable_variables", "_non_trainable_variables"}


def flow_weights(flow: MultiScale) -> Named:
    """Yields path and variable of every weight of a model's flow."""
    for level, chain in enumerate(flow.flows):
        for place, part in _places(chain):
            yield from _prefixed(f"level{level}/{place}", part_weights(part))
    for level, order in enumerate(flow.orders):
        yield from _prefixed(f"order{level}", part_weights(order))
    first = len(flow.flows) - len(flow.exits)
    for exit_, part in enumerate(flow.exits):
        yield from _prefixed(f"exit{first + exit_}", part_weights(part))


def _places(chain: FlowChain) -> Iterator[tuple[str, FlowBijector]]:
    """Yields the places of a level's parts that have weights."""
    actnorms = (bijectors.ActNorm, bijectors.BatchNorm)
    real_nvp_like = isinstance(chain.bijectors[0], bijectors.Coupling)
    kind, step = "checkerboard", -1
    for part in chain.bijectors:
        if isinstance(part, Squeeze):
            kind, step = "channel", -1
        # RealNVP's steps begin with a coupling, all others' with an actnorm.
        step += isinstance(part, bijectors.Coupling if real_nvp_like else actnorms)
        if real_nvp_like and isinstance(part, actnorms):
            yield f"{kind}{step}/norm", part
        elif isinstance(part, actnorms):
            yield f"step{step}/actnorm", part
        elif isinstance(part, bijectors.Coupling):
            yield f"{kind if real_nvp_like else 'step'}{step}/coupling", part
        elif isinstance(part, bijectors.InvertibleConvolution):
            yield f"step{step}/convolution", part
        elif isinstance(part, bijectors.ResidualBlock):
            yield f"step{step}/residual", part


def part_weights(part: FlowBijector) -> Named:
    """Yields path and variable of every weight of one part, as seen from it."""
    if isinstance(part, FlowChain):  # at most one member of an order or an exit has weights
        for member in part.bijectors:
            yield from part_weights(member)
    elif isinstance(part, bijectors.Coupling):
        yield from _prefixed("network", layer_weights(part._network))
        names = {"_head": "head", "_affine": "head", "_mixture": "mixture"}
        for attribute, name in names.items():
            if hasattr(part, attribute):
                yield from _prefixed(name, layer_weights(getattr(part, attribute)))
    elif isinstance(part, bijectors.ResidualBlock):
        yield from _prefixed("network", layer_weights(part.network))
    elif isinstance(part, bijectors.CouplingShuffle):
        for i, router in enumerate(part._routers):
            yield from _prefixed(f"routers/{i}", layer_weights(router))
    else:
        for layer in part.layers:
            yield from layer_weights(layer)


def layer_weights(layer: keras.layers.Layer) -> Named:
    """Yields path and variable of every weight of a Keras layer, by the attributes that lead there.

    An attribute `conv` with an attribute `_kernel` is "conv/kernel", the first
    of a list `inner` is "inner/0".
    """
    for attribute, held in vars(layer).items():
        if attribute not in _LISTS:
            yield from _prefixed(attribute.lstrip("_"), _held_weights(held))


def _held_weights(held) -> Named:
    if isinstance(held, keras.Variable):
        yield "", held
    elif isinstance(held, keras.layers.Layer):
        yield from layer_weights(held)
    elif isinstance(held, list | tuple):
        for i, one in enumerate(held):
            yield from _prefixed(str(i), _held_weights(one))


def _prefixed(prefix: str, weights: Named) -> Named:
    for path, variable in weights:
        yield f"{prefix}/{path}".rstrip("/"), variable


def assign_by_formula(flow: MultiScale) -> dict[str, keras.Variable]:
    """Gives every weight of a flow its value by formula, but for integers.

    Returns:
        All weights by path.

    Raises:
        ValueError: If a weight of the flow's Keras layers was not found, or twice.
    """
    named = list(flow_weights(flow))
    found = sorted(id(variable) for _, variable in named)
    expected = sorted(id(variable) for layer in flow.layers for variable in layer.variables)
    if found != expected or len(dict(named)) != len(named):
        raise ValueError(f"flow has {len(expected)} weights; found {len(named)}.")
    for path, variable in named:
        if not _is_integer(variable):
            variable.assign(formula.value(path, variable.shape))
    return dict(named)


def _is_integer(variable: keras.Variable) -> bool:
    return "int" in variable.dtype


# What is recorded.


def record(flow: MultiScale) -> tuple[dict[str, np.ndarray], dict]:
    """Returns the arrays that a flow computes, and the paths of its weights."""
    weights = assign_by_formula(flow)
    preprocessing = LogitPreprocessing(flow.event_shape, bins=256, dtype="float64")
    distribution = lcma.FlowDistribution(FlowChain([preprocessing, flow]))
    images = tf.constant(formula.images(flow.event_shape))
    condition = formula.condition(len(images), flow.conditions)
    learned = {path: v for path, v in weights.items() if v.trainable}

    def log_prob_and_gradients(training):
        with tf.GradientTape() as tape:
            log_prob = distribution.log_prob(images, condition=condition, training=training)
            mean = tf.reduce_mean(log_prob)
        gradients = tape.gradient(mean, [v.value for v in learned.values()])
        known = [(p, g) for p, g in zip(learned, gradients, strict=True) if g is not None]
        rows = np.stack([formula.projections(gradient) for _, gradient in known])
        return log_prob, rows, [path for path, _ in known]

    log_prob, gradients, gradient_paths = log_prob_and_gradients(training=False)
    x = preprocessing.inverse(images)
    latents, log_det = flow.inverse_and_event_log_det(x, condition)
    samples, sample_log_det = flow.forward_and_event_log_det(
        tf.constant(formula.latents(flow.event_shape)), condition
    )
    arrays = {
        "log_prob": log_prob,
        "latents": latents,
        "log_det": log_det,
        "samples": samples,
        "sample_log_det": sample_log_det,
        "gradients": gradients,
        "exit_map": flow.exit_map.astype(np.int8),
    }
    shapes = {path: list(v.shape) for path, v in weights.items() if not _is_integer(v)}
    integers = {path: list(v.shape) for path, v in weights.items() if _is_integer(v)}
    paths = {"shapes": shapes, "integers": integers, "gradients": gradient_paths}
    statistics = {p: v for p, v in weights.items() if p.split("/")[-1] in ("mean", "variance")}
    if statistics:
        paths["statistics"] = list(statistics)
        log_prob, gradients, _ = log_prob_and_gradients(training=True)
        updated = np.concatenate([v.numpy() for v in statistics.values()])
        arrays |= {"training_log_prob": log_prob, "training_gradients": gradients}
        arrays["training_statistics"] = updated
    return {name: np.asarray(array) for name, array in arrays.items()}, paths


def main(path: str | pathlib.Path) -> None:
    """Records all cases in one file.

    Raises:
        ValueError: If something that was computed is not finite.
    """
    recorded, paths = {}, {}
    for case, build in CASES.items():
        seed_initializers(0)
        arrays, paths[case] = record(build())
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{case}: {name} must be finite.")
            recorded[f"{case}/{name}"] = array
        sums = np.abs(arrays["log_det"].sum(axis=(1, 2, 3)))
        largest = np.abs(arrays["latents"]).max(), np.abs(arrays["samples"]).max()
        print(
            f"{case:44} log p {arrays['log_prob'].mean():9.2f}  |log-det| {sums.max():7.2f}  "
            f"|z| {largest[0]:6.2f}  |x| {largest[1]:8.2f}  {len(arrays['gradients'])} gradients",
            flush=True,
        )
    recorded["cases"] = np.array(list(CASES))
    recorded["paths"] = np.frombuffer(json.dumps(paths).encode(), np.uint8)
    np.savez_compressed(path, **recorded)


if __name__ == "__main__":
    default = pathlib.Path(__file__).parent / "values.npz"
    main(sys.argv[1] if len(sys.argv) > 1 else default)
