"""Comparisons that say what was compared, by how much it is off, and where."""

import numpy as np
import tensorflow as tf

# What single precision is allowed where double precision is held to less.
SINGLE = 2e-4


def require(holds, what):
    """Raises an AssertionError that says `what` unless it holds."""
    if not holds:
        raise AssertionError(what)


def equal(got, expected, what):
    """Raises an AssertionError unless both are the same."""
    require(got == expected, f"{what}: {got}, expected {expected}")


def close(got, expected, tolerance, what):
    """Raises an AssertionError unless both agree, relative to the size of what is expected."""
    got, expected = np.asarray(got), np.asarray(expected)
    equal(got.shape, expected.shape, f"{what}: shape")
    require(np.isfinite(got).all(), f"{what}: not finite")
    error = np.abs(got - expected)
    bound = tolerance * (1 + np.max(np.abs(expected), initial=0.0))
    if np.max(error, initial=0.0) <= bound:
        return
    at = tuple(map(int, np.unravel_index(np.argmax(error), error.shape)))
    where = f" at {list(at)}" if at else ""
    raise AssertionError(
        f"{what}: off by {float(error[at]):.3g}, allowed {float(bound):.3g}; "
        f"{float(got[at]):.6g} in place of {float(expected[at]):.6g}{where}"
    )


def agree(got, expected, tolerance, what):
    """As `close`, by a tolerance for double precision; single precision is allowed `SINGLE`."""
    single = np.float32 in (np.asarray(got).dtype, np.asarray(expected).dtype)
    close(got, expected, max(tolerance, SINGLE) if single else tolerance, what)


def total(event_log_det):
    """The log-det of every image, `[batch]`, of one per dimension."""
    return tf.reduce_sum(event_log_det, axis=(1, 2, 3))
