"""Every kind of flow, small and fully built: `test_contract.py` runs over this list.

A new bijector is tested by adding a line to `FLOWS`.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.bijectors import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    AffinePreprocessing,
    BatchNorm,
    CouplingShuffle,
    FlowBijector,
    FlowChain,
    FrozenShuffle,
    Identity,
    InvariantShuffle,
    InvertibleConvolution,
    LogitPreprocessing,
    MixtureLogisticCoupling,
    MultiScale,
    Permutation,
    ResidualBlock,
    Rotation,
    Squeeze,
    Unsqueeze,
    VariablePermutation,
    channel_mask,
    checkerboard_mask,
    level_shapes,
)
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
)
from tfp_lcma.networks import GatedNetwork, LipschitzNetwork, ResidualNetwork
from tfp_lcma.priors import ChannelAutoregressive, ConditionalGaussian, ExitPrior
from tfp_lcma.priors.channel_autoregressive import ChannelAutoregressiveExit
from tfp_lcma.priors.conditional_gaussian import GaussianExit

SHAPE = (4, 4, 2)


def coupling(mask, dtype, kind=AffineCoupling):
    """An affine coupling with a small network."""
    mask = np.asarray(mask)
    half = any(
        mask.shape[-1] % 2 == 0 and np.array_equal(mask, channel_mask(mask.shape, keep))
        for keep in ("first", "second")
    )
    network = ResidualNetwork(
        filters=mask.shape[-1] * (1 if half else 2),
        width=4,
        blocks=1,
        context=None if half else mask[..., :1],
        dtype=dtype,
    )
    return kind(mask, network, dtype=dtype)


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
            coupling(checkerboard_mask(shape, 0), dtype),
            Permutation(shuffled(shape, within_channels=False)),
            coupling(checkerboard_mask(shape, 1), dtype),
            ActNorm(shape, dtype=dtype),
        ]
    )


def nested_chain(dtype):
    """A chain of chains whose latent has another shape than the image."""
    inner = FlowChain(
        [Squeeze(SHAPE), coupling(channel_mask((2, 2, 8), "first"), dtype), Unsqueeze(SHAPE)]
    )
    return FlowChain(
        [chain(dtype), FlowChain([inner, ActNorm(SHAPE, dtype=dtype)]), Squeeze(SHAPE)]
    )


def multi_scale(dtype, factorization, exit_prior=None, shape=(4, 4, 1), levels=3):
    """A multi-scale flow with an actnorm and, where there is room, a coupling at every level."""

    def flow(shape):
        parts = [ActNorm(shape, dtype=dtype)]
        if shape[0] * shape[1] > 1:
            parts.append(coupling(checkerboard_mask(shape, 0), dtype))
        else:
            parts.append(coupling(channel_mask(shape, "first"), dtype))
        return FlowChain(parts)

    shapes = level_shapes(shape, levels, splits=factorization is not None)
    return MultiScale([flow(shape) for shape in shapes], factorization, exit_prior)


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


@keras.saving.register_keras_serializable(package="tests")
class TopRow(Factorization):
    """What a user writes: the upper row of every block goes on, the lower leaves."""

    def __init__(self, flipped=False):
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
    """An exit map that depends on what goes on: z = (x - mean(kept)) * exp(tanh(scale))."""

    def __init__(self, event_shape, dtype="float32", name=None):
        self._layer = keras.layers.Dense(1, use_bias=False, dtype=dtype)
        self._layer.build((None, 1))
        super().__init__(event_shape, dtype=dtype, layers=[self._layer], name=name)

    def get_config(self):
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def _shift_and_log_scale(self, x, condition):
        kept, _ = condition
        shift = 0.0 if kept is None else tf.reduce_mean(kept, axis=-1, keepdims=True)
        return shift + tf.zeros_like(x), tf.tanh(self._layer.kernel.value) + tf.zeros_like(x)

    def inverse_and_event_log_det(self, x, condition=(None, None), training=False):
        shift, log_scale = self._shift_and_log_scale(x, condition)
        return (x - shift) * tf.exp(log_scale), log_scale

    def forward_and_event_log_det(self, z, condition=(None, None), training=False):
        shift, log_scale = self._shift_and_log_scale(z, condition)
        return z * tf.exp(-log_scale) + shift, -log_scale


@keras.saving.register_keras_serializable(package="tests")
class ShiftedExits(ExitPrior):
    """The exit prior a user writes around `ShiftByKept`."""

    def get_config(self):
        return {}

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        return ShiftByKept(leaving_shape, dtype)


@keras.saving.register_keras_serializable("tests")
class Given(FlowBijector):
    """A conditional flow under one condition, the same for all images."""

    def __init__(self, flow, condition):
        super().__init__(flow.event_shape, dtype=flow.dtype)
        self.flow, self._condition = flow, tf.constant(condition)

    def _told(self, x):
        rank = self._condition.shape.rank
        return tf.tile(self._condition[None], [tf.shape(x)[0]] + rank * [1])

    def inverse_and_event_log_det(self, x, condition=None, training=False):
        return self.flow.inverse_and_event_log_det(x, self._told(x), training)

    def forward_and_event_log_det(self, z, condition=None, training=False):
        return self.flow.forward_and_event_log_det(z, self._told(z), training)

    def get_config(self):
        return {"flow": self.flow, "condition": self._condition.numpy()}


FLOWS = {
    "Identity": lambda dtype: Identity(SHAPE),
    "ActNorm": lambda dtype: ActNorm(SHAPE, dtype=dtype),
    "BatchNorm": lambda dtype: BatchNorm(SHAPE, dtype=dtype),
    "AffineCoupling (checkerboard)": lambda dtype: coupling(checkerboard_mask(SHAPE, 0), dtype),
    "AffineCoupling (channel)": lambda dtype: coupling(channel_mask(SHAPE, "second"), dtype),
    "AffineCoupling (arbitrary mask)": lambda dtype: coupling(arbitrary_mask((3, 4, 3)), dtype),
    "AdditiveCoupling": lambda dtype: AdditiveCoupling(
        channel_mask(SHAPE, "first"), ResidualNetwork(1, 4, 1, dtype=dtype), dtype=dtype
    ),
    "MixtureLogisticCoupling (channel, gated network)": lambda dtype: MixtureLogisticCoupling(
        channel_mask((3, 4, 4), "second"),
        GatedNetwork(22, width=4, blocks=1, heads=2, dtype=dtype),
        components=3,
        dtype=dtype,
    ),
    "MixtureLogisticCoupling (checkerboard)": lambda dtype: MixtureLogisticCoupling(
        checkerboard_mask(SHAPE, 0),
        ResidualNetwork(28, width=4, blocks=1, dtype=dtype),
        components=4,
        dtype=dtype,
    ),
    "GaussianExit (nothing goes on)": lambda dtype: GaussianExit(SHAPE, None, dtype=dtype),
    "ChannelAutoregressiveExit (nothing goes on)": lambda dtype: ChannelAutoregressiveExit(
        (3, 4, 3), None, hidden=4, dilation=2, dtype=dtype
    ),
    "Squeeze": lambda dtype: Squeeze(SHAPE),
    "Unsqueeze": lambda dtype: Unsqueeze(SHAPE),
    "Permutation (within channels)": lambda dtype: Permutation(shuffled((2, 3, 4), True)),
    "Permutation (anywhere)": lambda dtype: Permutation(shuffled((2, 3, 4), False)),
    "Rotation": lambda dtype: Rotation((2, 3, 4), rotation(4)),
    "InvertibleConvolution": lambda dtype: InvertibleConvolution((2, 3, 4), dtype=dtype),
    "InvertibleConvolution (plain)": lambda dtype: InvertibleConvolution(
        (2, 3, 4), parameterization="plain", dtype=dtype
    ),
    "ResidualBlock": lambda dtype: ResidualBlock(
        (3, 4, 2), LipschitzNetwork(4, dtype=dtype), log_det="exact", dtype=dtype
    ),
    "VariablePermutation": lambda dtype: variable_permutation((2, 3, 4)),
    "InvariantShuffle": lambda dtype: InvariantShuffle((2, 3, 4)),
    "FrozenShuffle": lambda dtype: FrozenShuffle((2, 3, 4), steps=3),
    "CouplingShuffle": lambda dtype: CouplingShuffle((2, 3, 8), reverse=True),
    "LogitPreprocessing": lambda dtype: LogitPreprocessing(SHAPE, dtype=dtype),
    "AffinePreprocessing": lambda dtype: AffinePreprocessing(SHAPE, bins=17, dtype=dtype),
    "FlowChain": chain,
    "FlowChain (nested)": nested_chain,
    "MultiScale (nobody leaves)": lambda dtype: multi_scale(dtype, None),
    "MultiScale (checkerboard)": lambda dtype: multi_scale(dtype, Checkerboard()),
    "MultiScale (channel)": lambda dtype: multi_scale(dtype, Channel(), shape=SHAPE, levels=2),
    "MultiScale (LCMA)": lambda dtype: multi_scale(
        dtype, LikelihoodContribution(random_scores(3, (4, 4, 1)))
    ),
    "MultiScale (Haar)": lambda dtype: multi_scale(dtype, Haar(), levels=2),
    "MultiScale (Karhunen-Loeve)": lambda dtype: multi_scale(
        dtype, KarhunenLoeve([rotation(4), rotation(8)], across_channels=True)
    ),
    "MultiScale (learned convolution)": lambda dtype: multi_scale(
        dtype, LearnedConvolution(dtype=dtype), levels=2
    ),
    "MultiScale (online)": lambda dtype: multi_scale(
        dtype, OnlineLikelihoodContribution(), shape=SHAPE, levels=2
    ),
    "MultiScale (entropy-informed)": lambda dtype: multi_scale(
        dtype, EntropyInformed(), shape=SHAPE, levels=2
    ),
    "MultiScale (a user's parts)": lambda dtype: multi_scale(dtype, TopRow(), ShiftedExits()),
    "MultiScale (conditional Gaussian)": lambda dtype: multi_scale(
        dtype, RandomInBlock(), ConditionalGaussian()
    ),
    "MultiScale (channel-autoregressive)": lambda dtype: multi_scale(
        dtype, Checkerboard(), ChannelAutoregressive(hidden=2, kernel=(3, 1)), levels=2
    ),
    "Glow": lambda dtype: lcma.models.glow((4, 4, 1), levels=2, steps=2, width=4, dtype=dtype),
    "Glow (additive, nobody leaves)": lambda dtype: lcma.models.glow(
        (2, 4, 3), levels=1, steps=1, width=4, coupling="additive", factorization=None, dtype=dtype
    ),
    "Glow (mixture of logistics)": lambda dtype: lcma.models.glow(
        (4, 4, 1), levels=2, steps=1, width=4, coupling="mixture_logistic", dtype=dtype
    ),
    "EIW-Flow": lambda dtype: lcma.models.eiw_flow(
        (4, 4, 1), levels=2, steps=1, width=8, dtype=dtype
    ),
    "mAR-SCF": lambda dtype: lcma.models.mar_scf(
        (4, 8, 1), levels=2, steps=1, width=4, blocks=1, hidden=2, dtype=dtype
    ),
    "Glow (of two numbers)": lambda dtype: Given(
        lcma.models.glow((2, 2, 1), levels=1, steps=1, width=4, conditions=(2,), dtype=dtype),
        [0.5, -1.0],
    ),
    "RealNVP (of a class)": lambda dtype: Given(
        lcma.models.real_nvp(
            (4, 4, 1),
            width=4,
            blocks=1,
            factorization=Checkerboard(),
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
        (4, 4, 1), steps=1, width=4, factorization=Haar(), log_det="exact", dtype=dtype
    ),
}


@functools.cache
def built(name: str, dtype: str) -> FlowBijector:
    """The flow called `name`, its numbers moved away from their start; one for all tests."""
    keras.utils.set_random_seed(0)
    flow = FLOWS[name](dtype)
    move_weights(flow, 0.2, seed=1)
    for seed in range(3):  # moves what training moves without a gradient
        flow.inverse_and_event_log_det(2 * data(flow, 16, seed) + 1, training=True)
    return flow


def move_weights(flow: FlowBijector, scale: float, seed: int) -> None:
    """Adds noise to everything a flow learns."""
    random = np.random.default_rng(seed)
    for variable in flow.trainable_variables:
        variable.assign_add(tf.cast(scale * random.normal(size=variable.shape), variable.dtype))


def data(flow: FlowBijector, batch: int, seed: int = 0) -> tf.Tensor:
    """A batch from the space that `flow` maps from: pixels where it preprocesses them."""
    random = np.random.default_rng(seed)
    shape = (batch, *flow.event_shape)
    bins = getattr(flow, "bins", None)
    x = random.normal(size=shape) if bins is None else bins * random.random(shape)
    return tf.constant(x, flow.dtype or tf.float64)


def latents(flow: FlowBijector, batch: int, seed: int = 0) -> tf.Tensor:
    """A batch of standard normal noise in the shape of the latents of `flow`."""
    shape = (batch, *flow.inverse_event_shape(flow.event_shape))
    z = np.random.default_rng(100 + seed).normal(size=shape)
    return tf.constant(z, flow.dtype or tf.float64)
