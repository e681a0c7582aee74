"""PNG and JPEG files in a request: looked at before TensorFlow decodes them."""

import io
import warnings

import numpy as np
from PIL import Image
from tfp_lcma.training.tryout.errors import RequestError
from tfp_lcma.training.tryout.model_card import ModelCard


def check_encoded(key: str, files: np.ndarray, card: ModelCard) -> None:
    """Checks that every file is a whole PNG or JPEG image of the event's size and intensities.

    The size is read from the header, so an image that is small as a file and
    vast once decoded is refused undecoded.

    Args:
        key: name of the input.
        files: the files' bytes, one a row.
        card: says the size and the intensities.

    Raises:
        RequestError: naming the row, what was expected and what came.
    """
    height, width, channels = card.event_shape
    wanted = f"a PNG or JPEG image of {width}×{height} pixels"
    for row, content in enumerate(files.ravel()):
        place = f"{key}[{row}] must be {wanted}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        except Exception as error:
            # Pillow's readers raise whatever a damaged header leads them to.
            raise RequestError(f"{place}; got {len(content)} bytes that are not.") from error
        if image.size != (width, height):
            raise RequestError(f"{place}; got one of {image.width}×{image.height}.")
        try:
            highest = np.asarray(image.convert("L" if channels == 1 else "RGB")).max()
        except Exception as error:
            raise RequestError(f"{place}; got a damaged or truncated file.") from error
        if highest >= card.bins:
            raise RequestError(
                f"{key}[{row}] must have intensities from 0 to {card.bins - 1}; got {highest}."
            )
