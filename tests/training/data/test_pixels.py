"""The one function from files to pixels: right values whatever a file is made of."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tfp_lcma.training.data import Dataset, Split
from tfp_lcma.training.data import pixels as module
from tfp_lcma.training.data.pixels import PixelSettings, UnreadableImageError, read_pixels

GREY, COLOUR = PixelSettings(8, 8, 1), PixelSettings(8, 8, 3)
SUFFIXES = ("PNG", "JPEG", "WEBP", "BMP", "GIF")


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def encoded(image, suffix="PNG", **options):
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, suffix, **options)
    return file.getvalue()


def chunk(name, content):
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(array, colour_type, extra=b""):
    """A PNG file of 8 or 16 bits, without help of the library that reads it."""
    height, width = array.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * array.itemsize, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(array.dtype.newbyteorder(">")).tobytes() for row in array)
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body


def test_pixels_of_a_file_of_the_right_size_are_unchanged():
    pixels = noise(8, 8, 3)
    np.testing.assert_array_equal(read_pixels(encoded(pixels), COLOUR), pixels)
    grey = noise(8, 8)
    np.testing.assert_array_equal(read_pixels(encoded(grey), GREY)[..., 0], grey)
    np.testing.assert_array_equal(
        read_pixels(encoded(grey), COLOUR), np.repeat(grey[..., None], 3, axis=-1)
    )


def test_a_path_contents_and_an_open_file_are_read_alike(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(encoded(noise(8, 8, 3)))
    expected = read_pixels(path, COLOUR)
    with path.open("rb") as file:
        others = [read_pixels(given, COLOUR) for given in (str(path), path.read_bytes(), file)]
    for pixels in others:
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_usual_formats_are_read(suffix, mode):
    image = Image.new(mode, (12, 8), 128 if mode == "L" else (128,) * 3)
    pixels = read_pixels(encoded(image, suffix), COLOUR)
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels.astype(int) - 128).max() <= 2


@pytest.mark.parametrize(
    ("size", "expected"), [((30, 10), (0, 255, 0)), ((10, 30), (0, 255, 0)), ((10, 10), None)]
)
def test_the_middle_of_the_longer_side_is_kept(size, expected):
    bands = np.zeros((*size[::-1], 3), np.uint8)
    third = max(size) // 3
    place = (slice(None), slice(third, 2 * third)) if size[0] > size[1] else slice(third, 2 * third)
    bands[place] = (0, 255, 0)
    pixels = read_pixels(encoded(bands), PixelSettings(10, 10, 3))
    # The filter reaches a little beyond the crop.
    if expected:
        assert (pixels[2:-2, 2:-2] == expected).all()
    else:
        np.testing.assert_array_equal(pixels, bands)


def test_a_smaller_image_is_the_mean_of_the_area_of_each_pixel():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    pixels = read_pixels(encoded(checks.astype(np.uint8)), GREY)
    assert np.abs(pixels.astype(int) - 127.5).max() < 2


def test_a_photograph_is_turned_upright():
    lying = np.zeros((8, 8, 3), np.uint8)
    lying[:, :4] = 255
    exif = Image.Exif()
    exif[274] = 6  # orientation: turn clockwise to see it upright
    pixels = read_pixels(encoded(Image.fromarray(lying), exif=exif), COLOUR)
    assert (pixels[:4] == 255).all() and (pixels[4:] == 0).all()


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
def test_of_16_bits_the_high_8_are_taken(colour_type, channels):
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8, channels)).astype(np.uint16)
    pixels = read_pixels(png(deep, colour_type), PixelSettings(8, 8, channels))
    np.testing.assert_array_equal(pixels, deep >> 8)


def test_a_gamma_chunk_changes_nothing():
    pixels = noise(8, 8)
    file = png(pixels, 0, chunk(b"gAMA", struct.pack(">I", 100_000)))
    np.testing.assert_array_equal(read_pixels(file, GREY)[..., 0], pixels)


def palette(pixels):
    image = Image.new("P", (8, 8))
    image.putpalette(bytes(range(256)) * 3)
    return encoded(image, transparency=0)


@pytest.mark.parametrize(
    "file",
    [
        encoded(np.dstack([noise(8, 8, 3), np.zeros((8, 8), np.uint8)])),
        encoded(Image.fromarray(noise(8, 8)).convert("LA").point(lambda value: value * 0)),
        palette(noise(8, 8)),
        encoded(Image.new("L", (8, 8), 5), transparency=5),
        encoded(np.dstack([noise(8, 8, 3), np.zeros((8, 8), np.uint8)]), "WEBP", lossless=True),
        png(np.full((8, 8), 500, np.uint16), 0, chunk(b"tRNS", struct.pack(">H", 500))),
    ],
    ids=["RGBA", "LA", "palette", "grey key", "WebP", "16-bit key"],
)
@pytest.mark.parametrize("background", [0, 128, 255])
def test_what_lies_under_transparent_pixels_is_never_seen(file, background):
    for channels in (1, 3):
        settings = PixelSettings(8, 8, channels, background=background)
        assert (read_pixels(file, settings) == background).all()


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_hidden_colours_change_nothing_in_any_image_of_any_size(seed, height, width):
    random = np.random.default_rng(seed)
    one, other = random.integers(0, 256, (2, height, width, 4), dtype=np.uint8)
    one[..., 3] *= random.integers(0, 2, (height, width), dtype=np.uint8)
    other[one[..., 3] > 0] = one[one[..., 3] > 0]
    other[..., 3] = one[..., 3]
    for channels in (1, 3):
        read = [read_pixels(encoded(a), PixelSettings(8, 8, channels)) for a in (one, other)]
        np.testing.assert_array_equal(*read)


def test_half_transparent_pixels_are_mixed_with_the_background():
    white = np.full((8, 8, 4), 255, np.uint8)
    white[..., 3] = 51  # a fifth
    pixels = read_pixels(encoded(white), PixelSettings(8, 8, 3, background=100))
    assert (pixels == 131).all()


@pytest.mark.parametrize("bins", [2, 17, 256])
def test_white_is_the_highest_intensity_and_shown_intensities_come_back(bins):
    intensities = np.arange(64).reshape(8, 8) % bins
    shown = np.rint(intensities * (255 / (bins - 1))).astype(np.uint8)
    pixels = read_pixels(encoded(shown), PixelSettings(8, 8, 1, bins))
    np.testing.assert_array_equal(pixels[..., 0], intensities)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_extreme_sizes_are_read(size):
    assert read_pixels(encoded(Image.new("RGB", size)), COLOUR).shape == (8, 8, 3)


@pytest.mark.parametrize(
    "content",
    [b"", b"no image at all", b"\x89PNG\r\n\x1a\n", encoded(noise(64, 64, 3))[:3000]],
    ids=["empty", "text", "signature only", "cut"],
)
def test_what_cannot_be_read_is_named(content, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=r"image '.*broken\.png'"):
        read_pixels(path, COLOUR)
    with path.open("rb") as file, pytest.raises(UnreadableImageError, match=r"broken\.png"):
        read_pixels(file, COLOUR)
    with tempfile.TemporaryFile() as numbered:
        for file in (content, io.BytesIO(content), numbered):
            with pytest.raises(UnreadableImageError, match="cannot read image: "):
                read_pixels(file, COLOUR)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"nowhere\.png'"):
        read_pixels(tmp_path / "nowhere.png", COLOUR)


@pytest.mark.parametrize("size", [(17_000, 16_000), (2**15, 2**15)])
def test_an_image_that_would_fill_the_memory_is_refused(size):
    header = struct.pack(">IIBBBBB", *size, 1, 0, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")
    with (
        warnings.catch_warnings(),
        pytest.raises(UnreadableImageError, match="more than 268,435,456 pixels"),
    ):
        warnings.simplefilter("ignore")
        read_pixels(file, GREY)


def test_an_image_that_is_refused_for_its_size_is_warned_of_by_nobody_else(tmp_path):
    # In a process of its own: pytest has its own filters of warnings.
    path = tmp_path / "huge.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 17_000, 16_000, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", b"")
    )
    code = (
        "from tfp_lcma.training.data.pixels import *\n"
        f"try: read_pixels({str(path)!r}, PixelSettings(8, 8, 1))\n"
        "except UnreadableImageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "" and "more than 268,435,456 pixels" in done.stdout


@pytest.mark.parametrize("kind", ["path", "contents"])
def test_an_empty_file_is_called_empty(kind, tmp_path):
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(UnreadableImageError) as caught:
        read_pixels(path if kind == "path" else b"", COLOUR)
    assert caught.value.reason == "it is empty"


@pytest.mark.filterwarnings("error")
def test_a_photograph_of_200_million_pixels_is_read():
    # One bit a pixel, so that it takes no time.
    white = encoded(Image.new("1", (16_320, 12_240), 1))
    assert (read_pixels(white, GREY) == 255).all()


def test_large_images_are_decoded_one_at_a_time(monkeypatch):
    entered = []

    class Lock(contextlib.nullcontext):
        def __enter__(self):
            entered.append(self)

    monkeypatch.setattr(module, "_LARGE", Lock())
    monkeypatch.setattr(module, "_LARGE_PIXELS", 64)
    for size in (8, 9):
        read_pixels(encoded(Image.new("L", (size, 8))), GREY)
    assert len(entered) == 1


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_without_waiting(kind, tmp_path):
    path = tmp_path / "image.png"
    os.mkdir(path) if kind == "folder" else os.mkfifo(path)
    with pytest.raises(UnreadableImageError, match="it is no file"):
        read_pixels(path, COLOUR)


@pytest.mark.parametrize("highest", [1, 16, 255])
def test_16_bits_that_hold_what_8_bits_could_are_refused(highest):
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * highest // 63
    full = np.full_like(deep, 65535)
    for channels, colour_type in (((deep,), 0), ((deep,) * 3, 2), ((deep, full), 4)):
        with pytest.raises(UnreadableImageError, match="all below 256 of 65535"):
            read_pixels(png(np.dstack(channels), colour_type), GREY)


def test_16_bits_may_be_black_where_that_is_seen():
    black, shape = np.zeros((8, 8), np.uint16), np.eye(8, dtype=np.uint16) * 65535
    assert not read_pixels(png(black, 0), GREY).any()
    pixels = read_pixels(png(np.dstack([black, shape]), 4), GREY)[..., 0]
    np.testing.assert_array_equal(pixels, np.where(np.eye(8), 0, 128))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("height", 0),
        ("width", 2.0),
        ("channels", 2),
        ("bins", 257),
        ("background", -1),
        ("bins", True),
    ],
)
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be .* got {value}"):
        PixelSettings(**{"height": 8, "width": 8, "channels": 3, name: value})


def test_settings_survive_their_config():
    settings = PixelSettings(8, 4, 1, 17, 255)
    assert PixelSettings.from_config(settings.to_config()) == settings


@pytest.mark.parametrize("config", [{"height": 8}, {**COLOUR.to_config(), "depth": 8}])
def test_a_config_of_something_else_is_refused(config):
    with pytest.raises(ValueError, match="pixels must be"):
        PixelSettings.from_config(config)


def test_a_data_set_says_how_files_become_its_images():
    side = Split(np.zeros((1, 8, 4, 1), np.uint8))
    assert Dataset("toy", side, side, side, bins=17).pixels == PixelSettings(8, 4, 1, 17)
    two_channels = Split(np.zeros((1, 8, 4, 2), np.uint8))
    assert Dataset("toy", two_channels, two_channels, two_channels).pixels is None
