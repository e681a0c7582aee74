"""Colour crops of the photographs inside the scikit-image and scikit-learn wheels."""

from pathlib import Path

import numpy as np

from tfp_lcma.training.data.sources import Request
from tfp_lcma.training.data.split import Dataset, Split

_PHOTOGRAPHS = (
    "astronaut",
    "chelsea",
    "hubble",
    "tissue",
    "retina",
    "rocket",
    "motorcycle",
    "flower",
    "china",
    "coffee",
)
# Which part of its width every photograph gives to a side, from left to right.
_BANDS = {"train": (0.0, 0.5), "validation": (0.5, 0.75), "test": (0.75, 1.0)}
_CROPS = {"train": 20_000, "validation": 1_000, "test": 2_000}
# Averaging at least 2x2 pixels removes most traces of JPEG compression and demosaicking.
_FACTORS = (2, 3, 4)


def load_photos(request: Request) -> Dataset:
    """Returns random crops: 20,000 train, 1,000 validation, 2,000 test.

    Read this as a set of textures. Behind the crops are ten photographs only. The left half of
    each is trained on, the next quarter validated on, the last tested on: crops of one side
    overlap, those of two sides never do, and all sides show the same things. Whole photographs on
    one side would be so unlike the others that hardly anything but their colours were measured.
    A photograph too small for a crop in a band gives none. `clusters` holds the number of the
    photograph; there are no `labels`.

    A crop is drawn from a photograph, a reduction factor (2, 3 or 4, block means) and a place,
    each uniformly, always by the same random stream.

    Returns:
        The data set, 256 intensities.
    """
    size = request.size
    photographs = _read_photographs()
    sides = []
    for stream, (side, count) in enumerate(_CROPS.items()):
        pyramids = {}
        for number, photograph in enumerate(photographs):
            band = _band(photograph, *_BANDS[side])
            reduced = [_reduce(band, factor) for factor in _FACTORS]
            large = [part for part in reduced if min(part.shape[:2]) >= size]
            if large:
                pyramids[number] = large
        # The stream of RandomState is frozen; those of newer generators may change with NumPy.
        random = np.random.RandomState(stream)
        images, chosen = _draw_crops(
            list(pyramids.values()), size, min(count, request.limit or count), random
        )
        sides.append(Split(images, np.array(list(pyramids))[chosen]))
    return Dataset(request.name, *sides)


def _draw_crops(
    pyramids: list[list[np.ndarray]], size: int, count: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Returns uint8 crops [count, size, size, 3] and the pyramid of each, int [count]."""
    images = np.empty((count, size, size, 3), np.uint8)
    chosen = np.empty(count, np.int64)
    for i in range(count):
        chosen[i] = random.randint(len(pyramids))
        pyramid = pyramids[chosen[i]]
        photograph = pyramid[random.randint(len(pyramid))]
        top = random.randint(photograph.shape[0] - size + 1)
        left = random.randint(photograph.shape[1] - size + 1)
        images[i] = photograph[top : top + size, left : left + size]
    return images, chosen


def _band(photograph: np.ndarray, start: float, end: float) -> np.ndarray:
    """Returns the columns from one share of the width to another."""
    width = photograph.shape[1]
    return photograph[:, round(start * width) : round(end * width)]


def _reduce(photograph: np.ndarray, factor: int) -> np.ndarray:
    """Returns the means of factor x factor blocks; an incomplete last block is dropped."""
    height, width = (side // factor for side in photograph.shape[:2])
    blocks = photograph[: height * factor, : width * factor].reshape(
        height, factor, width, factor, 3
    )
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def _read_photographs() -> list[np.ndarray]:
    """Returns the photographs in the order of `_PHOTOGRAPHS`, uint8 [H, W, 3]."""
    from sklearn.datasets import load_sample_image

    photographs = {
        "astronaut": _read_shipped("astronaut.png", "astronaut"),
        "chelsea": _read_shipped("chelsea.png", "chelsea"),
        "coffee": _read_shipped("coffee.png", "coffee"),
        "hubble": _read_shipped("hubble_deep_field.jpg", "hubble_deep_field"),
        "tissue": _read_shipped("ihc.png", "immunohistochemistry"),
        # Outside its circle the picture is black; this is the square inside the circle.
        "retina": _read_shipped("retina.jpg", "retina")[214:1197, 214:1197],
        "rocket": _read_shipped("rocket.jpg", "rocket"),
        "motorcycle": _read_shipped("motorcycle_left.png", "stereo_motorcycle")[0],
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
    }
    return [photographs[name] for name in _PHOTOGRAPHS]


def _read_shipped(file: str, function: str):
    """Calls `skimage.data.<function>()`, having made sure that it has nothing to download."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    if not (folder / file).exists():
        raise FileNotFoundError(
            f"{file} is not in {folder}: the 'photos' data sets need the photographs of the "
            "scikit-image wheel. Reinstall it with: pip install --force-reinstall scikit-image"
        )
    return getattr(skimage.data, function)()
