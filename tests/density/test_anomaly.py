"""Anomaly scores and maps: what they are of, which way they point, what they refuse."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.toys import pictures, trained
from tfp_lcma import anomaly

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(0, 256, (3, 8, 8, 1)).astype(np.uint8)


def test_too_likely_is_as_untypical_as_too_unlikely():
    np.testing.assert_allclose(anomaly.typicality([1.0, 2.0, 3.5], 2.0), [1.0, 0.0, 1.5])


def test_headers_do_not_count_and_a_constant_image_is_simple():
    grey = np.arange(256, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    bits = anomaly.compressed_bits_per_dimension(grey)
    assert bits[0] == 0
    assert bits[1:].min() > 0 and bits.max() <= 8 * 4 / 64  # four bytes


def test_an_image_is_not_made_longer_than_its_pixels_are():
    few = NOISE % 17
    np.testing.assert_allclose(anomaly.compressed_bits_per_dimension(NOISE), 8)
    np.testing.assert_allclose(anomaly.compressed_bits_per_dimension(few, bins=17), np.log2(17))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_compressed_length_is_that_of_each_image_alone(channels):
    images = pictures(3, (16, 16, channels), bins=17)
    together = anomaly.compressed_bits_per_dimension(images)
    alone = [anomaly.compressed_bits_per_dimension(image[None])[0] for image in images]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(
        together, anomaly.compressed_bits_per_dimension(images.astype(np.float32) + 0.5)
    )
    assert together.min() > 0 and together.max() < 8


def test_of_two_images_that_the_flow_likes_alike_the_simpler_is_more_anomalous():
    images = np.concatenate([NOISE[:1], np.full((1, 8, 8, 1), 7, np.uint8)])
    noisy, simple = anomaly.complexity_corrected([3.0, 3.0], images)
    assert noisy == pytest.approx(3 - 8)
    assert simple > noisy


def test_map_sums_to_the_negative_log_probability():
    images = pictures(5, seed=2)
    found = anomaly.anomaly_map(trained().event_log_prob(images))
    assert found.shape == (5, 4, 4)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), -trained().log_prob(images), rtol=1e-5)


def test_map_is_highest_where_a_pixel_was_changed():
    images = pictures(32, seed=3)
    usual = trained().event_log_prob(pictures(64, seed=4)).mean(axis=0)
    places = RANDOM.integers(0, 4, (len(images), 2))
    for image, (row, column) in zip(images, places, strict=True):
        image[row, column] = 255 - image[row, column] // 4
    maps = anomaly.anomaly_map(trained().event_log_prob(images), usual)
    found = np.stack(np.unravel_index(maps.reshape(32, -1).argmax(axis=1), (4, 4)), axis=1)
    assert (found == places).all(axis=1).mean() > 0.6  # by chance 1 in 16


def test_usual_values_leave_an_empty_map_and_channels_add_up():
    log_prob = RANDOM.normal(size=(2, 4, 6, 3))
    np.testing.assert_allclose(anomaly.anomaly_map(log_prob), -log_prob.sum(axis=-1))
    np.testing.assert_allclose(anomaly.anomaly_map(log_prob[:1], log_prob[0]), 0, atol=1e-12)


def test_window_averages_over_the_pixels_that_there_are():
    log_prob = np.zeros((1, 5, 5, 1))
    log_prob[0, 0, 0], log_prob[0, 3, 3] = -4.0, -9.0
    found = anomaly.anomaly_map(log_prob, window=3)[0]
    assert found[0, 0] == 1.0  # the four pixels at the corner
    assert found[3, 3] == found[2, 2] == 1.0  # nine pixels
    np.testing.assert_allclose(anomaly.anomaly_map(np.ones((1, 5, 5, 1)), window=5), -1)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("typicality", ([[1.0]], 2.0), "bits_per_dimension must have 1 axes"),
        ("typicality", ([np.nan], 2.0), "bits_per_dimension must be finite"),
        ("typicality", ([1.0], [2.0]), "typical must have 0 axes"),
        ("complexity_corrected", ([1.0], NOISE), "must be as many; got 1 and 3"),
        ("compressed_bits_per_dimension", (NOISE[0],), "images must have shape"),
        ("compressed_bits_per_dimension", (NOISE.repeat(5, axis=-1),), "1 to 4 channels"),
        ("compressed_bits_per_dimension", (NOISE, 17), r"images must lie in \[0, 17\)"),
        ("anomaly_map", (np.ones((4, 4, 1)),), "event_log_prob must have 4 axes"),
        ("anomaly_map", (np.ones((1, 4, 4, 1)), np.ones((4, 4, 3))), "usual must have the shape"),
        ("anomaly_map", (np.ones((1, 4, 4, 1)), None, 2), "window must be odd; got 2"),
        ("anomaly_map", (np.ones((1, 4, 4, 1)), None, 0), "window must be a whole number >= 1"),
    ],
)
def test_other_arguments_are_refused_by_name(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(anomaly, function)(*arguments)


def test_documentation_runs_as_it_stands():
    page = Path(__file__).parents[2] / "docs" / "how_to" / "anomaly_scores.md"
    text = page.read_text(encoding="utf-8")
    names = {
        "model": trained(),
        "images": np.concatenate([pictures(20, seed=6), np.zeros((1, 4, 4, 1), np.uint8)]),
        "training_images": pictures(64),
        "validation_images": pictures(64, seed=5),
    }
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)
    assert names["flagged"][-1] and names["flagged"][:-1].mean() < 0.5
    assert names["where"].shape == (21, 4, 4)
    assert names["typicality"].shape == names["corrected"].shape == (21,)
