"""The convolutional LSTM, against one written by hand."""

import keras
import numpy as np
import pytest

from tests.processor import computes_in_bfloat16
from tests.seeds import seed_initializers
from tfp_lcma.networks import ConvLSTM, ConvLSTMCell
from tfp_lcma.testing.compare import close


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolve(x, kernel, dilation):
    """A "same" convolution of one image `[height, width, channels]`, entry by entry."""
    out = np.zeros((*x.shape[:2], kernel.shape[-1]))
    reach = kernel.shape[0] // 2
    for row, column in np.ndindex(*x.shape[:2]):
        for dy, dx in np.ndindex(*kernel.shape[:2]):
            r, c = row + dilation * (dy - reach), column + dilation * (dx - reach)
            if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
                out[row, column] += x[r, c] @ kernel[dy, dx]
    return out


def step(x, hidden, memory, kernel, bias, dilation):
    """One step of one cell on one image."""
    gates = convolve(np.concatenate([x, hidden], axis=-1), kernel, dilation) + bias
    take, keep, show, candidate = np.split(gates, 4, axis=-1)
    memory = sigmoid(keep) * memory + sigmoid(take) * np.tanh(candidate)
    return sigmoid(show) * np.tanh(memory), memory


def network(channels_in=2, **options):
    """A small one, its weights drawn anew."""
    seed_initializers(0)
    lstm = ConvLSTM(3, **{"dtype": "float64", **options})
    lstm.build((None, None, None, channels_in))
    random = np.random.default_rng(1)
    lstm.set_weights([0.5 * random.normal(size=v.shape) for v in lstm.weights])
    return lstm


@pytest.mark.parametrize("dilation", [1, 2])
def test_steps_are_those_of_a_convolutional_lstm(dilation):
    lstm = network(depth=2, dilation=dilation)
    inputs = np.random.default_rng(2).normal(size=(3, 2, 4, 5, 2))  # [steps, batch, ...]
    states = lstm.start(inputs[0])
    got = []
    for x in inputs:
        output, states = lstm(x, states)
        got.append(output)
    for image in range(2):
        by_hand = [(np.zeros((4, 5, 3)), np.zeros((4, 5, 3)))] * 2
        for moment, x in enumerate(inputs[:, image]):
            for layer, cell in enumerate(lstm.cells):
                x, memory = step(x, *by_hand[layer], *cell.get_weights(), dilation)
                by_hand[layer] = (x, memory)
            close(got[moment][image], x, 1e-12, f"output {moment}")
        for state, expected in zip(states, by_hand, strict=True):
            close(state[0][image], expected[0], 1e-12, "h")
            close(state[1][image], expected[1], 1e-12, "c")


def test_dilation_reaches_into_the_state():
    cell = network(depth=1, dilation=2).cells[0]
    nothing, dot = np.zeros((1, 5, 5, 3)), np.zeros((1, 5, 5, 3))
    dot[0, 2, 2] = 1
    moved = (
        cell(nothing[..., :2], (dot, nothing))[0] - cell(nothing[..., :2], (nothing, nothing))[0]
    )
    reached = np.abs(moved[0]).max(-1) > 0
    assert reached.tolist() == [[r % 2 == c % 2 == 0 for c in range(5)] for r in range(5)]


@pytest.mark.parametrize(("forget_bias", "kept"), [(0.0, 0.5), (1.0, sigmoid(1.0))])
def test_forget_bias_says_how_much_memory_an_untrained_cell_keeps(forget_bias, kept):
    cell = ConvLSTMCell(2, forget_bias=forget_bias, dtype="float64")
    cell.build((None, None, None, 1))
    cell.kernel.assign(np.zeros(cell.kernel.shape))
    memory = np.random.default_rng(3).normal(size=(1, 3, 3, 2))
    _, (_, left) = cell(np.zeros((1, 3, 3, 1)), (np.zeros((1, 3, 3, 2)), memory))
    close(left, kept * memory, 1e-12, "what is left")


def test_it_comes_back_from_its_configuration():
    lstm = network(kernel_size=5, dilation=2, depth=2, forget_bias=1.0)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(lstm))
    assert copy.get_config() == lstm.get_config()
    copy.set_weights(lstm.get_weights())
    x = np.random.default_rng(4).normal(size=(1, 4, 4, 2))
    close(copy(x, copy.start(x))[0], lstm(x, lstm.start(x))[0], 1e-12, "output of the copy")


@computes_in_bfloat16
def test_bfloat16_computes_in_it_and_learns_in_float32():
    coarse, fine = network(dtype="mixed_bfloat16"), network(dtype="float32")
    x = np.random.default_rng(5).normal(size=(1, 4, 4, 2)).astype(np.float32)
    output, states = coarse(x, coarse.start(x))
    assert {t.dtype.name for pair in states for t in pair} == {"bfloat16"}
    assert {v.dtype for v in coarse.weights} == {"float32"}
    expected = fine(x, fine.start(x))[0]
    assert 0 < np.abs(np.asarray(output, np.float32) - expected).max() < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 2}, "kernel_size must be odd, so that the kernel has a middle; got 2"),
        ({"dilation": 0}, "dilation must be a whole number >= 1; got 0"),
        ({"depth": 0}, "depth must be a whole number >= 1; got 0"),
        ({"channels": 1.5}, "channels must be a whole number >= 1; got 1.5"),
    ],
)
def test_sizes_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ConvLSTM(**{"channels": 3, **options})
