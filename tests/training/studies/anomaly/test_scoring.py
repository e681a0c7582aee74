"""What is usual comes from training images, and maps and scores agree."""

import numpy as np
import pytest

from tests.toys import pictures, trained
from tfp_lcma.training.studies.anomaly.scoring import WINDOWS, Scorer, map_name


@pytest.fixture(scope="module")
def scorer():
    return Scorer(trained(), pictures(64), draws=1, seed=3)


def test_typical_is_the_mean_of_training_images(scorer):
    bits = trained().bits_per_dimension(pictures(64), seed=3)
    assert scorer.typical == pytest.approx(bits.mean(), rel=1e-6)
    images = pictures(8, seed=1)
    scores = scorer.scores(images)
    expected = np.abs(trained().bits_per_dimension(images, seed=3) - scorer.typical)
    np.testing.assert_allclose(scores["typicality"], expected, atol=1e-6)


def test_usual_map_is_the_mean_of_training_images(scorer):
    """Of the training images themselves the maps cancel."""
    maps = scorer.maps(pictures(64))
    np.testing.assert_allclose(maps["flow, less the usual"].mean(axis=0), 0, atol=1e-5)
    assert np.abs(maps["flow"].mean(axis=0)).min() > 0.1


def test_gaussian_baseline_is_a_density_of_its_own_pixels(scorer):
    images = pictures(8, seed=1)
    score, found = scorer.scores(images)["pixel_gaussian"], scorer.maps(images)["pixel Gaussian"]
    np.testing.assert_allclose(score, found.mean(axis=(1, 2)) / np.log(2))
    training = pictures(64).astype(float)
    # The mean negative log-density of data under their own Gaussian is its entropy.
    variance = training.var(axis=0) + 1 / 12
    entropy = 0.5 * np.log(2 * np.pi * np.e * variance) - 1 / 24 / variance
    assert scorer.scores(pictures(64))["pixel_gaussian"].mean() == pytest.approx(
        entropy.mean() / np.log(2), rel=1e-6
    )


def test_every_map_comes_in_every_window(scorer):
    maps = scorer.maps(pictures(2))
    assert len(maps) == 4 * len(WINDOWS)
    for window in WINDOWS:
        assert maps[map_name("flow", window)].shape == (2, 4, 4)
    # A wider window varies less.
    spread = [maps[map_name("flow", window)].std() for window in WINDOWS]
    assert sorted(spread, reverse=True) == spread
