"""From an image file to the pixels of a data set: the same for training, scoring and serving."""

import contextlib
import dataclasses
import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

# What Pillow may open; some of its other readers start programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_MODES = {1: "L", 3: "RGB"}
# Telephones take 200 million; a small file may stand for more than memory holds.
MOST_PIXELS = 2**28
if Image.MAX_IMAGE_PIXELS is not None:
    # Pillow warns beyond this, naming no file, and, beyond twice this, refuses.
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, MOST_PIXELS)
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Of images that have more, one is decoded at a time.
_LARGE_PIXELS = 2**25
_LARGE = threading.Lock()


class UnreadableImageError(ValueError):
    """A file that is no image, is damaged, or holds what cannot be made pixels of.

    Attributes:
        reason: What is wrong with it, without its name.
    """

    def __init__(self, which: str, reason: str):
        """Says what is wrong with which image."""
        super().__init__(f"cannot read {which}: {reason}.")
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class PixelSettings:
    """What is made of an image file, whatever its size and colours.

    ```none
    upright -> 8 bits -> on the background -> grey or colour -> resized and cropped -> intensities
    ```

    An image is turned upright as its EXIF orientation says; of 16 bits the high 8 are taken, and an
    image that has nothing in them is refused. It is
    laid on a grey background where it is transparent. It is resized, bilinearly over the area that
    a new pixel covers, until it fills height and width, and cropped to its middle; an image that
    has the size already keeps its pixels. Black becomes 0 and white `bins - 1`. Gamma and colour
    profiles are ignored. Of an animation, the first frame is taken.

    Attributes:
        height: Of the result, in pixels.
        width: Of the result, in pixels.
        channels: 1 for grey, 3 for colour.
        bins: Number of intensities, 2 to 256.
        background: Grey behind transparent pixels, 0 (black) to 255 (white).
    """

    height: int
    width: int
    channels: int
    bins: int = 256
    background: int = 128

    def __post_init__(self) -> None:
        """Checks the values."""
        limits = {"height": (1, None), "width": (1, None), "bins": (2, 256), "background": (0, 255)}
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or value < least or (most is not None and value > most):
                wanted = f"at least {least}" if most is None else f"from {least} to {most}"
                raise ValueError(f"{name} must be a whole number {wanted}; got {value!r}.")
        if self.channels not in _MODES:
            raise ValueError(
                f"channels must be 1 (grey) or 3 (colour) to read files; got {self.channels!r}."
            )

    def to_config(self) -> dict[str, int]:
        """Returns the settings as JSON holds them."""
        return dataclasses.asdict(self)

    @classmethod
    def usual(cls, event_shape: tuple[int, int, int], bins: int) -> "PixelSettings | None":
        """Returns what is made of files for images of a shape; None if they are not grey or RGB."""
        height, width, channels = event_shape
        return cls(height, width, channels, bins) if channels in _MODES else None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "PixelSettings":
        """Returns the settings of `to_config`.

        Raises:
            ValueError: If something is missing, unknown or out of range.
        """
        try:
            return cls(**config)
        except TypeError as error:
            names = ", ".join(field.name for field in dataclasses.fields(cls))
            raise ValueError(f"pixels must be an object of {names}; got {config!r}.") from error


def read_pixels(
    file: str | os.PathLike[str] | bytes | BinaryIO, settings: PixelSettings
) -> np.ndarray:
    """Returns the pixels of a PNG, JPEG, WebP, BMP or GIF file of at most `MOST_PIXELS`.

    ```python
    read_pixels("cat.jpg", PixelSettings(32, 32, 3))  # uint8 [32, 32, 3]
    ```

    Args:
        file: Path of the file, its contents, or an open binary file.
        settings: What is made of it.

    Returns:
        uint8 `[height, width, channels]`, intensities from 0 to `bins - 1`.

    Raises:
        UnreadableImageError: Naming the file and what is wrong with it.
    """
    try:
        source = io.BytesIO(file) if isinstance(file, bytes) else file
        if isinstance(source, str | os.PathLike):
            found = os.stat(source)
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("it is no file")  # Opening a pipe would wait for its other end.
            if found.st_size == 0:
                raise ValueError("it is empty")
        elif file == b"":
            raise ValueError("it is empty")
        with _opened(source) as image:
            pixels = np.asarray(_fitted(image, settings))
    except UnidentifiedImageError as error:
        raise _unreadable(file, "it is no PNG, JPEG, WebP, BMP or GIF image") from error
    except Image.DecompressionBombError as error:
        raise _unreadable(file, f"it has more than {MOST_PIXELS:,} pixels") from error
    except Exception as error:
        # Pillow's readers raise whatever a damaged file leads them to.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise _unreadable(file, str(reason).rstrip(".") or type(error).__name__) from error
    if settings.bins < 256:
        pixels = np.rint(pixels * ((settings.bins - 1) / 255)).astype(np.uint8)
    return pixels.reshape(settings.height, settings.width, settings.channels)


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[ImageFile.ImageFile]:
    """Opens an image that is not too large; a large one when no other thread reads a large one."""
    with Image.open(source, formats=_FORMATS) as image:
        count = image.width * image.height
        if count > MOST_PIXELS:
            raise Image.DecompressionBombError
        with _LARGE if count > _LARGE_PIXELS else contextlib.nullcontext():
            yield image


def _fitted(image: ImageFile.ImageFile, settings: PixelSettings) -> Image.Image:
    """Returns the opened image in grey or colour, in the size that is asked for."""
    deep = any(";16" in str(tile[-1]) for tile in image.tile)
    upright = ImageOps.exif_transpose(image)
    if deep:
        _check_deep(upright)
    shown = _eight_bits(upright)
    if shown.has_transparency_data:
        grey = (settings.background,) * 3
        behind = Image.new("RGBA", shown.size, (*grey, 255))
        shown = Image.alpha_composite(behind, shown.convert("RGBA"))
    size = (settings.width, settings.height)
    return ImageOps.fit(shown.convert(_MODES[settings.channels]), size, Image.Resampling.BILINEAR)


def _check_deep(image: Image.Image) -> None:
    """Raises a ValueError if an image of 16 bits is black because it holds what 8 bits could."""
    bands = dict(zip(image.getbands(), np.atleast_2d(image.getextrema()).tolist(), strict=True))
    shape = bands.pop("A", [0, 0])
    highest = max(high for _, high in bands.values())
    # Of a grey, Pillow keeps all 16 bits; a black one may be black.
    black = 0 < highest < 256 if image.mode.startswith("I;16") else highest == 0
    if black and shape[0] == shape[1]:
        raise ValueError(
            "its 16-bit intensities are all below 256 of 65535, which is black; save them as 8 bits"
        )


def _eight_bits(image: Image.Image) -> Image.Image:
    """Returns greys of 16 bits as 8, which Pillow would clip at 255."""
    if not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image)
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    if "transparency" in image.info:
        grey.putalpha(Image.fromarray(values != image.info["transparency"]).convert("L"))
    return grey


def _unreadable(file, reason: str) -> UnreadableImageError:
    # An open file may be named by a number, too.
    name = getattr(file, "name", None) if hasattr(file, "read") else file
    which = f"image {os.fspath(name)!r}" if isinstance(name, str | os.PathLike) else "image"
    return UnreadableImageError(which, reason)


def warn_if_scaled(highest: Sequence[int], bins: int, what: str) -> None:
    """Warns if some images look scaled to [0, 1] before they were saved.

    Args:
        highest: The highest intensity of each image; that of a black one is 0.
        bins: Number of intensities; of fewer than a file has, 256, 1 is none too few.
        what: Where the images are, for the message.
    """
    scaled = sum(value == 1 for value in highest)
    if scaled and bins == 256:
        warnings.warn(
            f"{scaled} of {len(highest)} images in {what} look scaled: their intensities reach 1, "
            "where files hold 0 to 255. Multiply by 255 before you save them.",
            stacklevel=3,
        )
