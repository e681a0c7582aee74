"""Small pictures, flows and models that the tests of the package's upper half share."""

import functools

import keras
import numpy as np

from tfp_lcma import FlowModel
from tfp_lcma.bijectors import ActNorm, Coupling, FlowChain, Mask, checkerboard_mask
from tfp_lcma.factorizations import Checkerboard
from tfp_lcma.multi_scale import MultiScale, level_shapes
from tfp_lcma.networks.condition import ConditionBias

SHAPE = (4, 4, 1)
DIMENSIONS = 16


def pictures(count, shape=SHAPE, seed=0, bins=256):
    """Four intensities, repeated block by block, under a little noise: uint8, easy to learn."""
    tile = np.array([[0.2, 0.6], [0.4, 0.75]])[..., None]
    height, width, channels = shape
    pattern = bins * np.tile(tile, (-(-height // 2), -(-width // 2), channels))[:height, :width]
    noise = np.random.default_rng(seed).normal(0, bins / 30, (count, *shape))
    return np.clip(pattern + noise, 0, bins - 1).astype(np.uint8)


def tiny_flow(
    shape=SHAPE,
    levels=2,
    factorization=None,
    exit_prior=None,
    norm=ActNorm,
    regularizer=None,
    dtype="float32",
    memory="keep",
):
    """Two normalised couplings a level, each with one convolution: a second to trace and train."""
    flows = []
    for level, level_shape in enumerate(level_shapes(shape, levels, factorization)):
        parts = []
        for parity in (0, 1):
            network = keras.layers.Conv2D(
                2 * level_shape[-1],
                3,
                padding="same",
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.02, seed=level),
                kernel_regularizer=regularizer,
                dtype=dtype,
            )
            board = Mask(checkerboard_mask(level_shape, parity))
            parts += [norm(level_shape, dtype=dtype), Coupling(board, network, dtype=dtype)]
        flows.append(FlowChain(parts))
    return MultiScale(flows, factorization, exit_prior, memory=memory)


def tiny_model(bins=256, optimizer=None, run_eagerly=False, **flow):
    """A compiled model, never trained; run eagerly, a few steps cost less than a trace."""
    model = FlowModel(tiny_flow(**flow), bins=bins)
    optimizer = optimizer or keras.optimizers.Adam(0.02)
    model.compile(optimizer=optimizer, jit_compile=False, run_eagerly=run_eagerly)
    return model


class ByClass(keras.layers.Layer):
    """Parameters from the pixels that are kept and the class."""

    conditions = 2

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.convolution = keras.layers.Conv2D(outputs, 1)
        self.bias = ConditionBias(outputs, self.conditions)

    def build(self, input_shape):
        self.convolution.build(input_shape)
        self.built = True

    def compute_output_shape(self, input_shape):
        return self.convolution.compute_output_shape(input_shape)

    def call(self, kept, condition, training=False):
        return self.convolution(kept) + self.bias(condition)


def flow_of_classes(norm=ActNorm, network=ByClass):
    """One coupling given one of two classes: what is quickest to call and to trace."""
    return FlowChain([norm(SHAPE), Coupling(checkerboard_mask(SHAPE, 0), network)])


def model_of_classes(norm=ActNorm, optimizer=None, **compiled):
    """A compiled model of that flow."""
    model = FlowModel(flow_of_classes(norm))
    optimizer = optimizer or keras.optimizers.SGD(1e-3, momentum=0.9)
    model.compile(optimizer=optimizer, **compiled)
    return model


class Batches(keras.utils.PyDataset):
    """Batches, one after the other."""

    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def fitted(model, images=None, epochs=2, **kwargs):
    """Trains in a fixed order of batches; returns the history."""
    images = pictures(128) if images is None else images
    if not isinstance(images, np.ndarray):
        return model.fit(images, epochs=epochs, shuffle=False, verbose=0, **kwargs).history
    return model.fit(
        images, epochs=epochs, batch_size=32, shuffle=False, verbose=0, **kwargs
    ).history


@functools.cache
def training():
    """A trained model without a split, and its history; tests must not change it."""
    model = tiny_model()
    return model, fitted(model, pictures(256), epochs=6)


def trained():
    """That model alone."""
    return training()[0]


@functools.cache
def trained_split():
    """A trained model in which half is factored out early; tests must not change it."""
    model = tiny_model(factorization=Checkerboard())
    fitted(model, pictures(256), epochs=4)
    return model
