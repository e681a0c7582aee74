"""Shifts, and scales below two."""

import numpy as np

from tfp_lcma.bijectors.transforms import SigmoidAffine
from tfp_lcma.testing.compare import close

TRANSFORM = SigmoidAffine()


def test_values_and_log_det_are_those_of_the_formula():
    random = np.random.default_rng(0)
    x, shift, raw = random.normal(size=(3, 1, 4, 4, 2))
    z, log_det = TRANSFORM.inverse(x, np.stack([shift, raw], axis=-1))
    scale = 2 / (1 + np.exp(-raw))
    close(z, (x + shift) * scale, 1e-12, "latents")
    close(log_det, np.log(scale), 1e-12, "log-det")


def test_huge_outputs_of_a_network_leave_all_numbers_finite():
    x, raw = np.ones((1, 1, 1, 2), np.float32), np.array([1e6, 80.0], np.float32)
    for sign in (1, -1e-4):
        parameters = np.stack([np.zeros(2, np.float32), sign * raw], axis=-1)[None, None, None]
        for value in TRANSFORM.inverse(x, parameters):
            assert np.isfinite(value).all()


def test_a_network_that_starts_at_zero_makes_it_the_identity():
    x = np.random.default_rng(1).normal(size=(1, 2, 2, 3))
    for value, expected in zip(
        TRANSFORM.inverse(x, np.zeros((1, 2, 2, 3, 2))), (x, np.zeros_like(x)), strict=True
    ):
        close(value, expected, 1e-15, "start")
