"""The predictor that a Gaussian exit starts from, beside NumPy's least squares."""

import numpy as np

from tfp_lcma.priors.least_squares import predictor
from tfp_lcma.testing.compare import close


def images(count=30, channels=5, seed=0):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(channels, channels))
    return random.normal(size=(count, 4, 5, channels)) @ mixing + 2


def by_hand(kept, target):
    """Weights and residual of NumPy's least squares on patches with zeros beyond the border."""
    rows, targets = [], []
    for image, answers in zip(kept, target, strict=True):
        height, width, channels = image.shape
        padded = np.zeros((height + 2, width + 2, channels))
        padded[1:-1, 1:-1] = image
        for y in range(height):
            for x in range(width):
                rows.append([*padded[y : y + 3, x : x + 3].ravel(), 1.0])
                targets.append(answers[y, x])
    rows, targets = np.array(rows), np.array(targets)
    weights = np.linalg.lstsq(rows, targets, rcond=None)[0]
    return weights, targets - rows @ weights


def test_predictor_is_that_of_numpy_s_least_squares():
    x = images()
    kept, target = x[..., :2], x[..., 2:]
    weights, residual = by_hand(kept, target)
    found = predictor(kept, target)
    close(found.kernel, weights[:-1].reshape(3, 3, 2, 3), 1e-4, "kernel")
    close(found.bias, weights[-1], 1e-4, "bias")
    freedom = residual.shape[0] - weights.shape[0]
    close(found.deviation, np.sqrt((residual**2).sum(axis=0) / freedom), 1e-6, "deviation")


def test_inputs_that_are_constant_or_repeat_others_get_finite_weights():
    x = images()
    kept = np.concatenate([x[..., :1], x[..., :1], np.zeros_like(x[..., :1])], axis=-1)
    found = predictor(kept.astype("float32"), x[..., 1:])
    assert all(np.isfinite(part).all() for part in found)
    close(found.kernel[:, :, 0], found.kernel[:, :, 1], 1e-3, "shared alike")
    assert not found.kernel[:, :, 2].any()


def test_what_is_determined_leaves_no_deviation():
    x = images()
    found = predictor(x[..., :2], x[..., :2] @ np.array([[1.0], [-2.0]]))
    assert found.deviation.max() < 1e-3
    close(found.kernel[1, 1, :, 0], [1.0, -2.0], 1e-3, "the middle of the kernel")


def test_few_rows_give_means_and_deviations_alone():
    # 19 inputs; one image has 20 rows, two have 40.
    x = images()
    kept, target = x[..., :2], x[..., 2:]
    few, enough = predictor(kept[:1], target[:1]), predictor(kept[:2], target[:2])
    assert not few.kernel.any() and enough.kernel.all()
    close(few.bias, target[:1].mean(axis=(0, 1, 2)), 1e-12, "mean")
    close(few.deviation, target[:1].std(axis=(0, 1, 2)), 1e-12, "deviation")
