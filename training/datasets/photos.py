"""Colour crops of the photographs inside the scikit-image and scikit-learn wheels."""

from pathlib import Path

import numpy as np

from training.datasets.split import Dataset, Split

# Name, side, number of the scene. A scene is on one side only; the two views of the stereo pair
# are one scene. Validation and test show natural scenes: those are what a reader cares for.
_PHOTOGRAPHS = (
    ("astronaut", "train", 0),
    ("chelsea", "train", 1),
    ("hubble", "train", 2),
    ("tissue", "train", 3),
    ("retina", "train", 4),
    ("rocket", "train", 5),
    ("motorcycle_left", "train", 6),
    ("motorcycle_right", "train", 6),
    ("flower", "validation", 7),
    ("china", "test", 8),
    ("coffee", "test", 9),
)
_CROPS = {"train": 20_000, "validation": 1_000, "test": 2_000}
# Averaging at least 2x2 pixels removes most traces of JPEG compression and demosaicking.
_FACTORS = (2, 3, 4)


def load_photos(name: str, size: int, limit: int | None = None) -> Dataset:
    """Returns random crops: 20,000 train, 1,000 validation, 2,000 test.

    Read this as a set of textures. Behind the crops are ten scenes only, seven to train on, one
    to validate on, two to test on: crops overlap, and a difference between two models on two
    scenes says little about photographs in general. `clusters` holds the number of the scene;
    there are no `labels`.

    A crop is drawn from a photograph, a reduction factor (2, 3 or 4, block means) and a place,
    each uniformly, always by the same random stream.

    Args:
        name: name of the data set.
        size: side of a crop in pixels.
        limit: keeps at most this many crops on each side: the first ones.

    Returns:
        The data set, 256 intensities.
    """
    photographs = _read_photographs()
    sides = []
    for stream, (side, count) in enumerate(_CROPS.items()):
        members = [(photo, scene) for photo, its_side, scene in _PHOTOGRAPHS if its_side == side]
        pyramids = [[_reduce(photographs[photo], f) for f in _FACTORS] for photo, _ in members]
        # The stream of RandomState is frozen; those of newer generators may change with NumPy.
        random = np.random.RandomState(stream)
        images, chosen = _draw_crops(pyramids, size, min(count, limit or count), random)
        sides.append(Split(images, np.array([scene for _, scene in members])[chosen]))
    return Dataset(name, *sides)


def _draw_crops(
    pyramids: list[list[np.ndarray]], size: int, count: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Returns uint8 crops [count, size, size, 3] and the photograph of each, int [count]."""
    images = np.empty((count, size, size, 3), np.uint8)
    chosen = np.empty(count, np.int64)
    for i in range(count):
        chosen[i] = random.randint(len(pyramids))
        photograph = pyramids[chosen[i]][random.randint(len(_FACTORS))]
        top = random.randint(photograph.shape[0] - size + 1)
        left = random.randint(photograph.shape[1] - size + 1)
        images[i] = photograph[top : top + size, left : left + size]
    return images, chosen


def _reduce(photograph: np.ndarray, factor: int) -> np.ndarray:
    """Returns the means of factor x factor blocks; an incomplete last block is dropped."""
    height, width = (side // factor for side in photograph.shape[:2])
    blocks = photograph[: height * factor, : width * factor].reshape(
        height, factor, width, factor, 3
    )
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def _read_photographs() -> dict[str, np.ndarray]:
    """Returns the photographs by name, uint8 [H, W, 3]."""
    from sklearn.datasets import load_sample_image

    # Outside its circle the retina's picture is black; this is the square inside the circle.
    retina = _read_shipped("retina.jpg", "retina")[214:1197, 214:1197]
    left, right, _ = _read_shipped("motorcycle_left.png", "stereo_motorcycle")
    return {
        "astronaut": _read_shipped("astronaut.png", "astronaut"),
        "chelsea": _read_shipped("chelsea.png", "chelsea"),
        "coffee": _read_shipped("coffee.png", "coffee"),
        "hubble": _read_shipped("hubble_deep_field.jpg", "hubble_deep_field"),
        "tissue": _read_shipped("ihc.png", "immunohistochemistry"),
        "retina": retina,
        "rocket": _read_shipped("rocket.jpg", "rocket"),
        "motorcycle_left": left,
        "motorcycle_right": right,
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
    }


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
