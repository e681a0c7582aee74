"""Every kind of flow, small and fully built: `test_contract.py` runs over this list.

A new bijector is tested by adding a line to `FLOWS`, a step that is repeated by adding one to
`STEPS`.
"""

import functools

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tfp_lcma.bijectors import (
    ActNorm,
    AffinePreprocessing,
    BatchNorm,
    ChannelHalf,
    Coupling,
    FlowBijector,
    FlowChain,
    Halves,
    Identity,
    ImageConditioned,
    InvertibleConvolution,
    LogitPreprocessing,
    Mask,
    Patches,
    Permutation,
    Repeated,
    ResidualBlock,
    Rotation,
    Squeeze,
    SymmetricPreprocessing,
    Unsqueeze,
    VariablePermutation,
    Whitening,
    checkerboard,
)
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.bijectors.transforms import (
    Additive,
    MixtureLogistic,
    RationalQuadratic,
    Scalar,
    SigmoidAffine,
)
from tfp_lcma.density import noise_flow
from tfp_lcma.factorizations import (
    Channel,
    Checkerboard,
    EntropyInformed,
    Factorization,
    Haar,
    KarhunenLoeve,
    LearnedConvolution,
    LikelihoodContribution,
    OnlineLikelihoodContribution,
    RandomInBlock,
    Whitened,
)
from tfp_lcma.factorizations.entropy_shuffles import (
    CouplingShuffle,
    FrozenShuffle,
    InvariantShuffle,
)
from tfp_lcma.factorizations.published_shuffle import PublishedShuffle
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks import (
    Convolutional,
    DenseNet,
    Gated,
    ImageFeatures,
    LipschitzNetwork,
    Residual,
    Transformer,
)
from tfp_lcma.priors import ChannelAutoregressive, ConditionalGaussian, ExitPrior
from tfp_lcma.priors.channel_autoregressive import ChannelAutoregressiveExit
from tfp_lcma.priors.conditional_gaussian import GaussianExit
from tfp_lcma.testing.inputs import Given, data, move_weights

SHAPE = (4, 4, 2)


# --- what a user writes ---


@keras.saving.register_keras_serializable(package="tests")
class TopRow(Factorization):
    """The upper row of every block stays, the lower is factored out."""

    def __init__(self, flipped=False):
        super().__init__()
        self.flipped = flipped

    def get_config(self):
        return {"flipped": self.flipped}

    def bijector(self, level, view_shape):
        h, w, entries = view_shape
        order = np.arange(entries).reshape(-1, 2, 2)
        if self.flipped:
            order = order[:, ::-1]
        first = np.arange(0, h * w * entries, entries).reshape(h, w, 1)
        return Permutation(first + order.transpose(1, 0, 2).ravel())


@keras.saving.register_keras_serializable(package="tests")
class ShiftByKept(FlowBijector):
    """An exit map that depends on what stays: z = (x - mean(kept)) * exp(tanh(scale))."""

    def __init__(self, event_shape, dtype="float32", name=None):
        self._layer = keras.layers.Dense(1, use_bias=False, dtype=dtype)
        self._layer.build((None, 1))
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)

    def get_config(self):
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def _shift_and_log_scale(self, x, kept):
        shift = 0.0 if kept is None else tf.reduce_mean(kept, axis=-1, keepdims=True)
        return shift + tf.zeros_like(x), tf.tanh(self._layer.kernel.value) + tf.zeros_like(x)

    def carry_inverse(self, x, log_det, context):
        shift, log_scale = self._shift_and_log_scale(x, context.kept)
        return (x - shift) * tf.exp(log_scale), log_det.plus(log_scale)

    def carry_forward(self, z, log_det, context):
        shift, log_scale = self._shift_and_log_scale(z, context.kept)
        return z * tf.exp(-log_scale) + shift, log_det.plus(-log_scale)


@keras.saving.register_keras_serializable(package="tests")
class ShiftedExits(ExitPrior):
    """The exit prior around `ShiftByKept`."""

    def get_config(self):
        return {}

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        return ShiftByKept(leaving_shape, dtype)


@keras.saving.register_keras_serializable(package="tests")
class Leaky(FlowBijector):
    """z = x exp(tanh(scale)) where x > 0, else x; with a scale per channel."""

    def __init__(self, event_shape, dtype="float32"):
        self._scale = keras.layers.EinsumDense("bc,c->bc", event_shape[-1], dtype=dtype)
        self._scale.build((None, event_shape[-1]))
        super().__init__(event_shape, dtype=dtype, layers=[self._scale])

    def _log_slope(self, x):
        return tf.where(x > 0, tf.tanh(self._scale.kernel.value), tf.zeros((), x.dtype))

    def carry_inverse(self, x, log_det, context):
        return x * tf.exp(self._log_slope(x)), log_det.plus(lambda: self._log_slope(x))

    def carry_forward(self, z, log_det, context):
        return z * tf.exp(-self._log_slope(z)), log_det.plus(lambda: -self._log_slope(z))

    def get_config(self):
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}


@keras.saving.register_keras_serializable(package="tests")
class Ours(keras.layers.Layer):
    """A network that a user wrote, of one convolution; it may be conditioned on two numbers."""

    def __init__(self, outputs, dtype="float64", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.outputs = outputs
        self.conv = keras.layers.Conv2D(outputs, 3, padding="same", dtype=self.dtype_policy)
        self.dense = keras.layers.Dense(outputs, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.built = True

    def call(self, inputs, training=False):
        return tf.sin(self.conv(inputs))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.outputs)

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs}


@keras.saving.register_keras_serializable(package="tests")
class OursGivenTwoNumbers(Ours):
    """The same, conditioned on two numbers."""

    def build(self, input_shape):
        self.dense.build((None, 2))
        super().build(input_shape)

    def call(self, inputs, condition, training=False):
        return tf.sin(self.conv(inputs) + self.dense(condition)[:, None, None])


@keras.saving.register_keras_serializable(package="tests")
def shift_and_scale(raw):
    """The bijector of single numbers that two outputs of a network are turned into."""
    scale = tfp.bijectors.Scale(tf.exp(tf.tanh(raw[..., 1])))
    return tfp.bijectors.Chain([tfp.bijectors.Shift(raw[..., 0]), scale])


# --- parts ---


def coupling(partition, dtype, transform=None, network=None, conditions=None):
    """A coupling, affine and with a small network if nothing else is said."""
    network = network or Residual(4, 1)
    return Coupling(partition, network, transform, conditions=conditions, dtype=dtype)


def arbitrary_mask(shape):
    """A mask that is neither a checkerboard nor a half of the channels."""
    return np.random.default_rng(3).random(shape) < 0.4


def shuffled(shape, within_channels):
    """Indices of a permutation, either the same for all pixels or across the image."""
    random = np.random.default_rng(4)
    if within_channels:
        first = np.arange(0, np.prod(shape), shape[-1]).reshape(*shape[:2], 1)
        return first + np.roll(np.arange(shape[-1]), 1)
    return random.permutation(np.prod(shape)).reshape(shape)


def chain(dtype, shape=SHAPE):
    """A chain in which moves of dimensions stand between maps of their values."""
    return FlowChain(
        [
            ActNorm(shape, dtype=dtype),
            coupling(checkerboard(shape, 0), dtype),
            Permutation(shuffled(shape, within_channels=False)),
            coupling(checkerboard(shape, 1), dtype),
            ActNorm(shape, dtype=dtype),
        ]
    )


def nested_chain(dtype):
    """A chain of chains whose latent has another shape than the image."""
    inner = FlowChain([Squeeze(SHAPE), coupling(ChannelHalf((2, 2, 8)), dtype), Unsqueeze(SHAPE)])
    move = Permutation(shuffled(SHAPE, within_channels=False))
    return FlowChain([move, FlowChain([inner, ActNorm(SHAPE, dtype=dtype)]), Squeeze(SHAPE)])


def residual_block(dtype, shape=(3, 4, 2), log_det="exact", **options):
    """A residual block with a small network."""
    # A strong contraction, to be inverted in few steps, of norms found in few rounds.
    network = LipschitzNetwork(4, 0.3, iterations=3, dtype=dtype)
    return ResidualBlock(shape, network, log_det=log_det, dtype=dtype, **options)


def multi_scale(dtype, factorization, exit_prior=None, shape=(4, 4, 1), levels=3, memory="keep"):
    """A multi-scale flow with an actnorm and, where there is room, a coupling at every level."""

    def flow(shape):
        board = shape[0] * shape[1] > 1
        partition = checkerboard(shape, 0) if board else ChannelHalf(shape)
        return FlowChain([ActNorm(shape, dtype=dtype), coupling(partition, dtype)])

    flows = [flow(shape) for shape in level_shapes(shape, levels, factorization)]
    return MultiScale(flows, factorization, exit_prior, memory=memory)


def random_scores(levels, shape, seed=0):
    """Scores per dimension such as a pre-trained flow yields."""
    return np.random.default_rng(seed).normal(size=(levels, *shape))


def variable_permutation(shape):
    """A permutation that differs from position to position, held in a variable."""
    permutation = VariablePermutation(shape)
    permutation.assign(np.argsort(np.random.default_rng(2).random(shape), axis=-1))
    return permutation


def rotation(size, seed=0):
    """A random orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


IMAGE = np.random.default_rng(5).normal(size=(4, 4, 1))


def image_conditioned(dtype):
    """A coupling of a squeezed image, given the features of another."""
    half = coupling(ChannelHalf((2, 2, 8)), dtype, network=Convolutional(4), conditions=(2, 2, 3))
    features = ImageFeatures((4, 4, 1), width=3, blocks=1, squeezed=True, dtype=dtype)
    return ImageConditioned(half, features, (4, 4, 1))


# --- steps that are repeated ---


def glow_step(dtype, shape=(2, 3, 4)):
    """Glow's step."""
    return FlowChain(
        [
            ActNorm(shape, dtype=dtype),
            InvertibleConvolution(shape, dtype=dtype),
            coupling(ChannelHalf(shape), dtype, network=Convolutional(4)),
        ]
    )


def board_step(dtype, parity, norm=ActNorm, network=None):
    """RealNVP's step."""
    board = checkerboard(SHAPE, parity)
    return FlowChain([coupling(board, dtype, network=network), norm(SHAPE, dtype=dtype)])


def residual_step(dtype, seed, log_det="exact"):
    """The step of a residual flow."""
    shape = (2, 2, 2)
    block = residual_block(dtype, shape, log_det, seed=seed)
    return FlowChain([ActNorm(shape, dtype=dtype), block])


def exchanging_step(dtype):
    """A step that moves either half in turn, where a map stands by."""
    maps = np.linspace(-1, 1, 6).reshape(2, 3, 1)
    half = ChannelHalf((2, 3, 4), exchange=True, maps=maps)
    return coupling(half, dtype, network=Convolutional(4))


def half_step(dtype, of_channels):
    """Jet's step: one half of the channels or of the positions moves the other."""
    index = np.arange(24).reshape(2, 3, 4)
    halves = np.roll(index, 1, axis=-1).reshape(6, 2, 2).swapaxes(0, 1) if of_channels else index
    half = Halves(halves.reshape(2, 3, 4))
    return coupling(half, dtype, SigmoidAffine(), Convolutional(4))


def jet(dtype, **options):
    """Jet on four patches, a half of whose dimensions is factored out."""
    small = {"patch": 2, "levels": 2, "couplings": 2, "width": 4, "blocks": 1, "heads": 2}
    return lcma.models.jet((4, 4, 1), **small | options, dtype=dtype)


def our_step(dtype):
    """A step of parts that a user wrote."""
    network = functools.partial(Ours, dtype=dtype)
    return FlowChain([Leaky(SHAPE, dtype), coupling(ChannelHalf(SHAPE), dtype, network=network)])


# Every entry makes the steps that are repeated, alike but for their constant arrays.
STEPS = {
    "Glow step": lambda dtype: [glow_step(dtype) for _ in range(2)],
    "checkerboards and actnorms": lambda dtype: [
        board_step(dtype, p, network=Convolutional(4)) for p in (0, 1)
    ],
    "checkerboards and batch norms": lambda dtype: [
        board_step(dtype, p, BatchNorm) for p in (0, 1)
    ],
    "residual blocks": lambda dtype: [residual_step(dtype, seed) for seed in range(2)],
    "mixtures of logistics": lambda dtype: [
        coupling(checkerboard(SHAPE, p), dtype, MixtureLogistic(2), Convolutional(4))
        for p in (0, 1)
    ],
    "exchanging halves": lambda dtype: [exchanging_step(dtype) for _ in range(3)],
    "a user's step": lambda dtype: [our_step(dtype) for _ in range(2)],
    "halves of channels and of positions": lambda dtype: [
        half_step(dtype, of_channels) for of_channels in (True, False)
    ],
    "permutations": lambda dtype: [
        FlowChain([ActNorm(SHAPE, dtype=dtype), Permutation(shuffled(SHAPE, False))])
        for _ in range(2)
    ],
}


def repeated(name, dtype, unroll=False, kind=Repeated):
    """The steps of an entry of `STEPS`, as one flow."""
    steps = STEPS[name](dtype)
    return kind(iter(steps).__next__, len(steps), unroll=unroll)


def steps_of(flow, name):
    """Makes the steps of a repeated flow once more, by themselves, with the flow's numbers."""
    steps = STEPS[name](flow.dtype.name)
    stacked = {of: variable.numpy() for of, variable in named_variables(flow).items()}
    for k, step in enumerate(steps):
        for of, variable in named_variables(step).items():
            variable.assign(stacked[of][k])
    return steps


FLOWS = {
    "Identity": lambda dtype: Identity(SHAPE),
    "ActNorm": lambda dtype: ActNorm(SHAPE, dtype=dtype),
    "BatchNorm": lambda dtype: BatchNorm(SHAPE, dtype=dtype),
    "Coupling (checkerboard)": lambda dtype: coupling(checkerboard(SHAPE, 0), dtype),
    "Coupling (channel)": lambda dtype: coupling(ChannelHalf(SHAPE, "second"), dtype),
    "Coupling (channel, exchanging)": lambda dtype: coupling(
        ChannelHalf(SHAPE, "second", exchange=True), dtype
    ),
    "Coupling (arbitrary mask)": lambda dtype: coupling(arbitrary_mask((3, 4, 3)), dtype),
    "Coupling (additive)": lambda dtype: coupling(ChannelHalf(SHAPE), dtype, Additive()),
    "Coupling (rational quadratic)": lambda dtype: coupling(
        checkerboard((2, 4, 2), 1), dtype, RationalQuadratic(3, 2.0), Convolutional(4)
    ),
    "Coupling (a bijector of TFP)": lambda dtype: coupling(
        Mask(arbitrary_mask(SHAPE)), dtype, Scalar(shift_and_scale, 2)
    ),
    "Coupling (mixture of logistics, gated network)": lambda dtype: coupling(
        ChannelHalf((3, 4, 4), "second"), dtype, MixtureLogistic(3), Gated(4, 1, heads=2)
    ),
    "Coupling (mixture of logistics, checkerboard)": lambda dtype: coupling(
        checkerboard(SHAPE, 0), dtype, MixtureLogistic(4)
    ),
    "Coupling (transformer)": lambda dtype: coupling(
        ChannelHalf(SHAPE), dtype, network=Transformer(4, 1, heads=2, patch=2)
    ),
    "Coupling (dense network)": lambda dtype: coupling(
        ChannelHalf(SHAPE), dtype, network=DenseNet(4, depth=1)
    ),
    "Coupling (any half)": lambda dtype: coupling(Halves(shuffled(SHAPE, False)), dtype),
    "Coupling (sigmoid affine)": lambda dtype: coupling(ChannelHalf(SHAPE), dtype, SigmoidAffine()),
    "Coupling (a user's network)": lambda dtype: coupling(ChannelHalf(SHAPE), dtype, network=Ours),
    "Coupling (a user's network, of two numbers)": lambda dtype: Given(
        coupling(checkerboard(SHAPE, 0), dtype, network=OursGivenTwoNumbers, conditions=(2,)),
        [0.5, -1.0],
    ),
    "ImageConditioned (of an image)": lambda dtype: Given(image_conditioned(dtype), IMAGE),
    "noise flow (of an image)": lambda dtype: Given(
        noise_flow((2, 4, 1), steps=2, width=8, blocks=1, memory="invert", dtype=dtype),
        IMAGE[:2],
    ),
    "a user's flow": lambda dtype: Leaky(SHAPE, dtype),
    "GaussianExit (nothing stays)": lambda dtype: GaussianExit(SHAPE, None, dtype=dtype),
    "ChannelAutoregressiveExit (nothing stays)": lambda dtype: ChannelAutoregressiveExit(
        (2, 3, 3), None, hidden=2, dilation=2, dtype=dtype
    ),
    "Squeeze": lambda dtype: Squeeze(SHAPE),
    "Unsqueeze": lambda dtype: Unsqueeze(SHAPE),
    "Patches": lambda dtype: Patches((2, 6, 2), 2),
    "Permutation (within channels)": lambda dtype: Permutation(shuffled((2, 3, 4), True)),
    "Permutation (anywhere)": lambda dtype: Permutation(shuffled((2, 3, 4), False)),
    "Rotation": lambda dtype: Rotation((2, 3, 4), rotation(4)),
    "InvertibleConvolution": lambda dtype: InvertibleConvolution((2, 3, 4), dtype=dtype),
    "Whitening": lambda dtype: Whitening((2, 3, 4), dtype=dtype),
    "InvertibleConvolution (plain)": lambda dtype: InvertibleConvolution(
        (2, 3, 4), parameterization="plain", dtype=dtype
    ),
    "ResidualBlock": lambda dtype: residual_block(dtype),
    "VariablePermutation": lambda dtype: variable_permutation((2, 3, 4)),
    "PublishedShuffle": lambda dtype: PublishedShuffle((2, 3, 4)),
    "InvariantShuffle": lambda dtype: InvariantShuffle((2, 3, 4)),
    "FrozenShuffle": lambda dtype: FrozenShuffle((2, 3, 4), steps=3),
    "CouplingShuffle": lambda dtype: CouplingShuffle((2, 3, 8), reverse=True),
    "LogitPreprocessing": lambda dtype: LogitPreprocessing(SHAPE, dtype=dtype),
    "AffinePreprocessing": lambda dtype: AffinePreprocessing(SHAPE, bins=17, dtype=dtype),
    "SymmetricPreprocessing": lambda dtype: SymmetricPreprocessing(SHAPE, dtype=dtype),
    "FlowChain": chain,
    "FlowChain (nested)": nested_chain,
    "Repeated (in a chain of another shape)": lambda dtype: FlowChain(
        [Squeeze(SHAPE), Repeated(lambda: glow_step(dtype, (2, 2, 8)), 2), Unsqueeze(SHAPE)]
    ),
    "MultiScale (no split)": lambda dtype: multi_scale(dtype, None, levels=2),
    "MultiScale (checkerboard)": lambda dtype: multi_scale(dtype, Checkerboard()),
    "MultiScale (checkerboard, by inversion)": lambda dtype: multi_scale(
        dtype, Checkerboard(), levels=2, memory="invert"
    ),
    "MultiScale (no split, by inversion)": lambda dtype: multi_scale(
        dtype, None, levels=2, memory="invert"
    ),
    "MultiScale (channel)": lambda dtype: multi_scale(dtype, Channel(), shape=SHAPE, levels=2),
    "MultiScale (a quarter stays)": lambda dtype: multi_scale(
        dtype, Channel(retained=0.25), shape=SHAPE, levels=2
    ),
    "MultiScale (LCMA)": lambda dtype: multi_scale(
        dtype, LikelihoodContribution(random_scores(3, (4, 4, 1)))
    ),
    "MultiScale (Haar)": lambda dtype: multi_scale(dtype, Haar(), levels=2),
    "MultiScale (Karhunen-Loeve)": lambda dtype: multi_scale(
        dtype, KarhunenLoeve([rotation(4)], across_channels=True), levels=2
    ),
    "MultiScale (learned convolution)": lambda dtype: multi_scale(
        dtype, LearnedConvolution(dtype=dtype), levels=2
    ),
    "MultiScale (whitened, least-squares exits)": lambda dtype: multi_scale(
        dtype, Whitened(dtype=dtype), ConditionalGaussian("least_squares"), levels=2
    ),
    "MultiScale (online)": lambda dtype: multi_scale(
        dtype, OnlineLikelihoodContribution(), shape=SHAPE, levels=2
    ),
    "MultiScale (entropy-informed)": lambda dtype: multi_scale(
        dtype, EntropyInformed(), shape=SHAPE, levels=2
    ),
    "MultiScale (a user's parts)": lambda dtype: multi_scale(
        dtype, TopRow(), ShiftedExits(), levels=2
    ),
    "MultiScale (conditional Gaussian)": lambda dtype: multi_scale(
        dtype, RandomInBlock(), ConditionalGaussian(), levels=2
    ),
    "MultiScale (channel-autoregressive)": lambda dtype: multi_scale(
        dtype, Checkerboard(), ChannelAutoregressive(hidden=2, kernel=(3, 1)), levels=2
    ),
    "Glow": lambda dtype: lcma.models.glow((4, 4, 1), levels=2, steps=2, width=4, dtype=dtype),
    "Glow (additive, no split)": lambda dtype: lcma.models.glow(
        (2, 4, 3), levels=1, steps=1, width=4, coupling="additive", factorization=None, dtype=dtype
    ),
    "Glow (mixture of logistics)": lambda dtype: lcma.models.glow(
        (4, 4, 1), levels=2, steps=1, width=4, coupling="mixture_logistic", dtype=dtype
    ),
    "Glow (by inversion)": lambda dtype: lcma.models.glow(
        (4, 4, 1), levels=2, steps=2, width=4, memory="invert", unroll=False, dtype=dtype
    ),
    "EIW-Flow": lambda dtype: lcma.models.eiw_flow(
        (4, 4, 1), levels=2, steps=1, width=8, dtype=dtype
    ),
    "Jet": jet,
    "Jet (of two numbers)": lambda dtype: Given(
        jet(dtype, levels=1, conditions=(2,), memory="invert", unroll=False), [0.5, -1.0]
    ),
    "mAR-SCF": lambda dtype: lcma.models.mar_scf(
        (4, 4, 1), levels=1, steps=1, width=4, blocks=1, hidden=2, dtype=dtype
    ),
    "Glow (of two numbers)": lambda dtype: Given(
        lcma.models.glow(
            (2, 2, 1), levels=1, steps=1, width=4, conditions=(2,), memory="invert", dtype=dtype
        ),
        [0.5, -1.0],
    ),
    "RealNVP (of a class)": lambda dtype: Given(
        lcma.models.real_nvp(
            (2, 4, 1),
            levels=1,
            width=4,
            blocks=1,
            exit_prior=ConditionalGaussian(),
            conditions=3,
            dtype=dtype,
        ),
        2,
    ),
    "RealNVP (LCMA, position-aware)": lambda dtype: lcma.models.real_nvp(
        SHAPE,
        width=4,
        blocks=1,
        factorization=LikelihoodContribution(random_scores(1, SHAPE)),
        position_aware=True,
        dtype=dtype,
    ),
    "RealNVP (one level, batch norm)": lambda dtype: lcma.models.real_nvp(
        (2, 4, 1), levels=1, width=4, blocks=1, normalization="batch", dtype=dtype
    ),
    "residual flow (Haar)": lambda dtype: lcma.models.residual_flow(
        (4, 4, 1),
        steps=1,
        width=4,
        factorization=Haar(),
        coefficient=0.5,
        log_det="exact",
        dtype=dtype,
    ),
    "residual flow (of two numbers)": lambda dtype: Given(
        lcma.models.residual_flow(
            (2, 2, 1),
            levels=1,
            steps=2,
            width=4,
            coefficient=0.5,
            log_det="exact",
            conditions=(2,),
            memory="invert",
            dtype=dtype,
        ),
        [0.5, -1.0],
    ),
}
LOOPED = {f"Repeated ({name})": name for name in STEPS}
FLOWS |= {of: functools.partial(repeated, name) for of, name in LOOPED.items()}
# Unrolled, a graph is traced as steps run eagerly: those with weights and with state suffice.
UNROLLED = {
    f"Repeated ({name}, unrolled)": name for name in ("Glow step", "checkerboards and batch norms")
}
FLOWS |= {of: functools.partial(repeated, name, unroll=True) for of, name in UNROLLED.items()}
# Of these exactness is asked, and the conditions of those that have one, no more: every class
# that they hold stands elsewhere in the list.
ARRANGEMENTS = {
    name
    for name in FLOWS
    if name.startswith(
        ("MultiScale", "Glow", "EIW", "mAR", "RealNVP", "residual flow", "noise flow")
    )
} - {
    "Glow (of two numbers)",
    "MultiScale (a user's parts)",
    "MultiScale (checkerboard, by inversion)",
}
ARRANGEMENTS |= {
    "Coupling (arbitrary mask)",
    "Coupling (channel)",
    "Coupling (mixture of logistics, checkerboard)",
    "FlowChain",
    "Jet (of two numbers)",
    "Repeated (in a chain of another shape)",
    "Repeated (a user's step)",
    "Repeated (checkerboards and actnorms)",
    "Repeated (exchanging halves)",
    "Repeated (halves of channels and of positions)",
    "Repeated (permutations)",
}
CONDITIONAL = {
    name for name in FLOWS if name.endswith(("of two numbers)", "of a class)", "of an image)"))
}
# One of every way through the base class: without variables, with them, with state, a condition,
# a search, an order that depends on the image, another shape or domain, parts, loops.
WAYS = {
    "a user's flow",
    "ActNorm",
    "BatchNorm",
    "Coupling (a user's network, of two numbers)",
    "Coupling (checkerboard)",
    "FlowChain (nested)",
    "InvariantShuffle",
    "LogitPreprocessing",
    "MultiScale (checkerboard, by inversion)",
    "Permutation (anywhere)",
    "Repeated (checkerboards and batch norms)",
    "Repeated (Glow step)",
    "ResidualBlock",
    "Squeeze",
}


@functools.cache
def built(name: str, dtype: str) -> FlowBijector:
    """The flow called `name`, its numbers moved away from their start; one for all tests."""
    seed_initializers(0)
    return settled(FLOWS[name](dtype))


def settled(flow: FlowBijector) -> FlowBijector:
    """Moves a flow's numbers away from their start, those too that move without a gradient."""
    move_weights(flow, 0.2, seed=1)
    flags = {id(flag) for flag in flow.start_flags}
    fixed = [v for layer in flow.layers for v in layer.non_trainable_variables]
    moves = any(id(v) not in flags and not getattr(v, "is_constant", False) for v in fixed)
    for seed in range(3 if moves else 0):
        x = 2 * data(flow, 16, seed) + 1
        flow.inverse_and_event_log_det(x, context=lcma.bijectors.Context(training=True))
    return flow
