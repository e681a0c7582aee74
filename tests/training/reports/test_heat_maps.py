"""An image and its map, side by side."""

import numpy as np
import pytest
from PIL import Image

from tfp_lcma.training.reports.pictures import save_heat_map

IMAGE = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)


def test_the_map_is_bright_where_values_are_high(tmp_path):
    values = np.zeros((4, 4))
    values[:2] = 1.0
    save_heat_map(tmp_path / "map.png", IMAGE, values, bins=17)
    with Image.open(tmp_path / "map.png") as picture:
        pixels = np.asarray(picture).astype(int)
    assert pixels.shape == (128, 340, 3)
    # Every pixel of the image is a square of 32, white being the highest intensity.
    np.testing.assert_array_equal(pixels[::32, :128:32, 0], np.rint(IMAGE[..., 0] * (255 / 16)))
    assert pixels[:64, 128:256].min() > pixels[64:, 128:256].max()


def test_a_map_of_one_value_is_drawn(tmp_path):
    save_heat_map(tmp_path / "map.png", IMAGE, np.full((4, 4), 3.0))
    with Image.open(tmp_path / "map.png") as picture:
        assert len(set(np.asarray(picture)[:, 128:256, 0].ravel())) == 1


def test_the_scale_goes_from_the_lowest_colour_to_the_highest_beside_its_numbers(tmp_path):
    save_heat_map(tmp_path / "map.png", IMAGE, np.linspace(0, 5, 16).reshape(4, 4))
    with Image.open(tmp_path / "map.png") as picture:
        pixels = np.asarray(picture).astype(int)
    bar, text = pixels[:, 264:276], pixels[:, 276:]
    brightness = bar.sum(axis=(1, 2))
    assert (np.diff(brightness) <= 0).all() and brightness[0] > 5 * brightness[-1]
    dark = np.flatnonzero((text < 100).any(axis=(1, 2)))
    assert dark[0] < 10 and dark[-1] > 118, "numbers stand at both ends"


def test_a_map_of_another_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"values must have shape \[4, 4\]; got \[4, 5\]"):
        save_heat_map(tmp_path / "map.png", IMAGE, np.zeros((4, 5)))
