"""Image files to pixels, within a graph: those that `tfp-lcma` trains on, or none.

```none
file -> red, green, blue, alpha -> on the background -> grey or colour -> intensities
```

The laboratory reads files with Pillow. Here TensorFlow's own readers and whole-number arithmetic
give the same pixels to the last bit; a file of which they would make others is not readable.
"""

import dataclasses
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

# Channels of images that files are read as: grey and colour.
ENCODED_CHANNELS = (1, 3)

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_GREY, _PALETTE = b"\x00", b"\x03"
_WITH_ALPHA = (b"\x04", b"\x06")
# Metadata that may turn an image, or make it transparent; `\C` is any byte.
_KEYWORDS = r"(exif|xmp|transparency|XML:com\.adobe\.xmp|Raw profile type exif)"
_PNG_METADATA = rf"\C*(eXIf|[tiz][ET]Xt{_KEYWORDS}\x00)\C*"
_JPEG_METADATA = r"\C*(Exif\x00|tiff:Orientation)\C*"
_TRANSPARENCY = r"\C*tRNS\C*"
# Weights of red, green and blue in grey, and a half: ITU-R 601-2 in 16 bits, as in Pillow.
_LUMA, _HALF = (19595, 38470, 7471), 32768


@dataclasses.dataclass(frozen=True)
class FilePixels:
    """What is made of image files that have a model's size.

    Attributes:
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        channels: 1 for grey, 3 for colour.
        bins: Number of intensities: black is 0, white `bins - 1`.
        background: Grey behind transparent pixels, 0 (black) to 255 (white).
    """

    height: int
    width: int
    channels: int
    bins: int
    background: int = 128

    @classmethod
    def of_model(
        cls, event_shape: tuple[int, int, int], bins: int, given: Mapping[str, Any] | None
    ) -> "FilePixels | None":
        """Returns what is made of files for a model; None if its images are not grey or colour.

        Args:
            event_shape: Of the model.
            bins: Of the model.
            given: Any of the attributes; all but `background` must be those of the model.

        Raises:
            ValueError: If something else is given.
        """
        if event_shape[-1] not in ENCODED_CHANNELS:
            if given is not None:
                raise ValueError(
                    "pixels must be None for a model whose images are neither grey nor colour; "
                    f"got {dict(given)!r} for {event_shape[-1]} channels."
                )
            return None
        usual = dataclasses.asdict(cls(*event_shape, bins))
        settings = usual | dict(given or {})
        grey = settings["background"]
        whole = isinstance(grey, int) and not isinstance(grey, bool) and 0 <= grey <= 255
        if settings != usual | {"background": grey} or not whole:
            raise ValueError(
                f"pixels must agree with the model's {usual}, but for a background from 0 to 255; "
                f"got {dict(given or {})!r}."
            )
        return cls(**settings)


def decode_images(files: tf.Tensor, settings: FilePixels) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the pixels of PNG and JPEG files, and which of them could be read.

    Args:
        files: Contents of the files, strings `[n]`.
        settings: What is made of them.

    Returns:
        uint8 `[n, height, width, channels]`, and a boolean `[n]`: false where a file is damaged,
        of another size, or of a kind that is read otherwise than the laboratory does: 16 bits a
        channel, CMYK, with EXIF or XMP metadata, or transparent greys of less than 8 bits.
    """
    colours, readable = _read(files, settings)
    pixels = _over_grey(tf.cast(colours, tf.int32), settings.background)
    if settings.channels == 1:
        pixels = (tf.reduce_sum(pixels * _LUMA, axis=-1, keepdims=True) + _HALF) // 65536
    intensities = np.rint(np.arange(256) * ((settings.bins - 1) / 255)).astype(np.uint8)
    return tf.gather(intensities, pixels), readable


def _read(files: tf.Tensor, settings: FilePixels) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns red, green, blue and alpha, uint8 `[n, h, w, 4]`, and which files could be read."""
    rows, shape = tf.size(files), (settings.height, settings.width, 4)

    def read(row, content):
        is_png = _starts_with(content, _PNG)
        colours = tf.cond(
            is_png, lambda: _read_png(content, shape), lambda: _read_jpeg(content, shape)
        )
        return row, tf.ensure_shape(colours, shape)

    # A file at which a reader fails is left out, where in a plain map it would fail the request.
    read_ones = tf.data.Dataset.from_tensor_slices((tf.range(rows), files)).map(read)
    read_ones = read_ones.ignore_errors(log_warning=False)
    # One more row, since a batch must not be empty.
    last = tf.data.Dataset.from_tensors((rows, tf.zeros(shape, tf.uint8)))
    together = read_ones.concatenate(last).batch(tf.cast(rows, tf.int64) + 1)
    found, colours = together.get_single_element()
    places = found[:, None]
    all_rows = tf.scatter_nd(places, colours, (rows + 1, *shape))
    readable = tf.scatter_nd(places, tf.ones_like(found), (rows + 1,)) > 0
    return all_rows[:-1], readable[:-1]


def _read_png(content: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    # The header comes first: width, height, bits, type of colour.
    size = struct.pack(">II", shape[1], shape[0])
    bits, kind = tf.strings.substr(content, 24, 1), tf.strings.substr(content, 25, 1)
    before_pixels = tf.strings.regex_replace(content, r"IDAT\C*", "")
    transparent = tf.strings.regex_full_match(before_pixels, _TRANSPARENCY)
    deep, shallow = bits == b"\x10", bits != b"\x08"
    alike = (tf.strings.substr(content, 16, 8) == size) & ~deep & _lacks(content, _PNG_METADATA)
    # Pillow compares a transparent grey with what it has spread to 8 bits, libpng before.
    alike &= ~(transparent & shallow & (kind == _GREY))
    content = _only_if(alike, content)

    def opaque():
        # Asked for four channels, TensorFlow adds to less than 8 bits an alpha that is not full.
        return _with_alpha(tf.io.decode_png(content, channels=3))

    has_alpha = transparent | (kind == _WITH_ALPHA[0]) | (kind == _WITH_ALPHA[1])
    return tf.cond(has_alpha, lambda: tf.io.decode_png(content, channels=4), opaque)


def _read_jpeg(content: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    content = _only_if(_starts_with(content, _JPEG), content)
    size = tf.io.extract_jpeg_shape(content)
    same = tf.reduce_all(size[:2] == shape[:2])
    # Of four channels, CMYK, readers make colours in several ways.
    content = _only_if(same & (size[2] != 4) & _lacks(content, _JPEG_METADATA), content)
    colours = tf.io.decode_jpeg(
        content, channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=True
    )
    return _with_alpha(colours)


def _lacks(content: tf.Tensor, pattern: str) -> tf.Tensor:
    return ~tf.strings.regex_full_match(content, pattern)


def _starts_with(content: tf.Tensor, first: bytes) -> tf.Tensor:
    return tf.strings.substr(content, 0, len(first)) == first


def _only_if(alike: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.Assert(alike, ["no such image"])]):
        return tf.identity(content)


def _with_alpha(colours: tf.Tensor) -> tf.Tensor:
    return tf.concat([colours, tf.fill(tf.shape(colours[..., :1]), tf.constant(255, tf.uint8))], -1)


def _over_grey(colours: tf.Tensor, background: int) -> tf.Tensor:
    """Returns `[n, h, w, 3]`, whole numbers of 8 bits, laid on a grey as Pillow does."""
    opaque, alpha = colours[..., :3], colours[..., 3:]
    mixed = 128 * (opaque * alpha + background * (255 - alpha)) + 128 * 128
    # A division by 255, rounded as Pillow's shifts round it.
    return (mixed // 256 + mixed) // 32768
