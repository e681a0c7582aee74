"""The convolution that starts by whitening: exactly, in order, and from data that say little."""

import numpy as np
import pytest

from tests.checks import check_every_step_starts
from tests.seeds import seed_initializers
from tfp_lcma.bijectors import ActNorm, Context, FlowChain, Repeated, Whitening
from tfp_lcma.bijectors.whitening import whitening_matrix
from tfp_lcma.testing.compare import close

CHANNELS = 5
STARTING = Context(starting=True)


def correlated(count=40, seed=0):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(CHANNELS, CHANNELS))
    return random.normal(size=(count, 3, 4, CHANNELS)) @ mixing + 3


def started(x, dtype="float64"):
    flow = Whitening(x.shape[1:], dtype=dtype)
    assert not flow.is_initialized
    flow.inverse(x, context=STARTING)
    assert flow.is_initialized
    return flow


def covariance(x):
    return np.cov(np.reshape(x, (-1, x.shape[-1])).T, bias=True)


def test_the_start_s_images_have_identity_covariance():
    x = correlated()
    flow = started(x)
    close(covariance(flow.inverse(x)), np.eye(CHANNELS), 1e-6, "covariance")
    expected = -0.5 * np.linalg.slogdet(covariance(x))[1]
    close(flow.inverse_event_log_det_jacobian(x)[0, 0, 0], [expected / CHANNELS] * 5, 1e-6, "d")
    close(flow.forward(flow.inverse(x)), x, 1e-6, "round trip")


def test_components_go_from_the_largest_eigenvalue_to_the_smallest_with_definite_signs():
    x = correlated()
    matrix = whitening_matrix(x)
    lengths = np.linalg.norm(matrix, axis=0)
    close(lengths**-2.0, np.linalg.eigvalsh(covariance(x))[::-1], 1e-6, "eigenvalues")
    assert np.all(matrix[np.abs(matrix).argmax(axis=0), np.arange(CHANNELS)] > 0)
    close(started(x).inverse(x), x @ matrix, 1e-9, "z = x W")


def test_a_second_start_forgets_the_first():
    x, other = correlated(), correlated(seed=1)
    flow = started(other)
    flow.inverse(x, context=STARTING)
    close(flow.inverse(x), x @ whitening_matrix(x), 1e-9, "z")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e9])
def test_constant_channels_leave_a_matrix_that_is_inverted(dtype, scale):
    x = (scale * correlated()).astype(dtype)
    x[..., 1] = 7
    x[..., 3] = x[..., 2]
    flow = started(x, dtype)
    z, log_det = flow.inverse_and_event_log_det(x)
    assert np.isfinite(z).all() and np.isfinite(log_det).all()
    close(flow.forward(z), x, 1e-3 if dtype == "float32" else 1e-9, "round trip")


def test_directions_that_were_never_seen_have_the_smallest_variance_that_was():
    x = correlated()[:1, :1, :3]  # three rows say two directions
    values = np.linalg.norm(whitening_matrix(x), axis=0) ** -2.0
    seen = np.linalg.eigvalsh(covariance(x))[::-1][:2]
    close(values, [*seen, *[seen[1]] * 3], 1e-6, "eigenvalues")
    one_row = whitening_matrix(x[:, :, :1])
    close(one_row @ one_row.T, np.eye(CHANNELS), 1e-9, "of one row nothing is known")


def test_repeated_whitenings_start_one_after_the_other():
    def step():
        return FlowChain(
            [Whitening((3, 4, 2), dtype="float64"), ActNorm((3, 4, 2), dtype="float64")]
        )

    seed_initializers(0)
    flow = Repeated(step, 2)
    assert flow.start_images == Whitening((3, 4, 2)).start_images > 0
    check_every_step_starts(flow, [step(), step()])
