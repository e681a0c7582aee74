"""Served files have the pixels that they have in training, to the last bit, or none."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.image_files import SIZE, damaged, jpegs, pngs, unlike
from tfp_lcma.serving.encoded import FilePixels, decode_images
from tfp_lcma.training.data.pixels import PixelSettings, UnreadableImageError, read_pixels

# What is not read in a graph, by the names of `pngs`.
DEEP, SHALLOW_KEYS = "16 bits", [f"grey, {bits} bits, transparent" for bits in (1, 2, 4)]
READ = {
    name: file
    for name, file in (pngs() | jpegs()).items()
    if DEEP not in name and name not in SHALLOW_KEYS
}
NOT_READ = {name: file for name, file in pngs().items() if name not in READ} | unlike()


@pytest.fixture(scope="module")
def decode():
    """A function from settings and files to pixels and flags, traced once for settings."""
    traced = {}

    def decoded(settings, files):
        if settings not in traced:
            traced[settings] = tf.function(
                lambda files: decode_images(files, settings),
                input_signature=[tf.TensorSpec((None,), tf.string)],
                autograph=False,
            )
        return tuple(value.numpy() for value in traced[settings](tf.constant(list(files))))

    return decoded


SETTINGS = [FilePixels(SIZE, SIZE, 1, 17, 3), FilePixels(SIZE, SIZE, 3, 256)]


def of_training(file, settings):
    """The laboratory's pixels of a file; None if it refuses it."""
    try:
        return read_pixels(file, PixelSettings(**vars(settings)))
    except UnreadableImageError:
        return None


@pytest.mark.parametrize("settings", SETTINGS, ids=["grey", "colour"])
def test_files_have_the_pixels_of_training(settings, decode):
    pixels, readable = decode(settings, READ.values())
    for name, file, got, found in zip(READ, READ.values(), pixels, readable, strict=True):
        assert found, name
        np.testing.assert_array_equal(got, of_training(file, settings), err_msg=name)


def test_files_that_the_graph_reads_otherwise_or_not_are_not_readable(decode):
    files = NOT_READ | damaged()
    good = READ["colour, 8 bits"]
    pixels, readable = decode(SETTINGS[1], [good, *files.values(), good])
    assert dict(zip(files, readable[1:-1], strict=True)) == dict.fromkeys(files, False)
    assert readable[0] and readable[-1]
    for row in (0, -1):
        np.testing.assert_array_equal(pixels[row], of_training(good, SETTINGS[1]))


@pytest.mark.parametrize("settings", SETTINGS, ids=["grey", "colour"])
def test_a_damaged_file_has_the_pixels_of_training_or_none(settings, decode):
    random = np.random.default_rng(0)
    files = []
    for file in READ.values():
        for _ in range(4):
            bytes_ = bytearray(file)
            bytes_[random.integers(2, len(file))] = random.integers(256)
            files.append(bytes(bytes_[: random.integers(8, 5 * len(file))]))
    pixels, readable = decode(settings, files)
    compared = 0
    for file, got, found in zip(files, pixels, readable, strict=True):
        expected = of_training(file, settings) if found else None
        # Pillow refuses a file for a checksum of metadata, which are not looked at here.
        if expected is not None:
            np.testing.assert_array_equal(got, expected)
            compared += 1
    assert compared > 50


def test_files_of_the_model_are_described_by_the_model():
    assert FilePixels.of_model((4, 6, 3), 17, None) == FilePixels(4, 6, 3, 17, 128)
    given = PixelSettings(4, 6, 3, 17, background=7).to_config()
    assert FilePixels.of_model((4, 6, 3), 17, given) == FilePixels(**given)
    assert FilePixels.of_model((4, 6, 2), 17, None) is None


@pytest.mark.parametrize(
    ("channels", "given", "message"),
    [
        (1, {"height": 5}, "pixels must agree with the model's .*got {'height': 5}"),
        (1, {"bins": 256}, "pixels must agree"),
        (1, {"gamma": 2}, "pixels must agree"),
        (1, {"background": 256}, "a background from 0 to 255"),
        (1, {"background": None}, "a background from 0 to 255"),
        (2, {"height": 4}, "pixels must be None for a model whose images are neither grey"),
    ],
)
def test_settings_that_are_not_the_models_are_refused(channels, given, message):
    with pytest.raises(ValueError, match=message):
        FilePixels.of_model((4, 4, channels), 17, given)
