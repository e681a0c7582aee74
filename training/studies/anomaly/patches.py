"""Images with a foreign patch, and where it is."""

import dataclasses
from collections.abc import Callable

import numpy as np

# Side of a patch, as a share of the image's.
_SIDE = 3 / 8
_TRIES = 100


# Arrays have no single truth value, hence no generated ==.
@dataclasses.dataclass(frozen=True, eq=False)
class Pasted:
    """Images with a patch each.

    Attributes:
        kind: what the patches are made of.
        images: uint8 [n, H, W, C].
        masks: bool [n, H, W], true inside the patch.
        originals: the images before that.
    """

    kind: str
    images: np.ndarray
    masks: np.ndarray
    originals: np.ndarray


def paste(images: np.ndarray, bins: int, seed: int) -> list[Pasted]:
    """Pastes a square patch of every kind into every image, at a random place.

    A patch is drawn again until at least half of its pixels differ from what they cover: black
    pasted onto black is not there to be found. An image for which none of 100 draws does so is
    left out.

    The last kind is a control: nothing is pasted, and the masks are those of the first kind. A map
    that finds these prefers the places of patches, whatever is there.

    Args:
        images: uint8 [n, H, W, C], at least two.
        bins: number of intensities.
        seed: of places and contents.

    Returns:
        For every kind the images that have a patch.

    Raises:
        ValueError: no image takes a patch.
    """
    pasted = [
        _paste(images, bins, kind, np.random.default_rng([seed, number]))
        for number, kind in enumerate(_CONTENTS)
    ]
    first = pasted[0]
    return [*pasted, Pasted("nothing (control)", first.originals, first.masks, first.originals)]


def patch_side(event_shape: tuple[int, int, int]) -> int:
    """Returns the side of the patches for images of a shape, in pixels."""
    return max(round(_SIDE * min(event_shape[:2])), 2)


def _paste(images, bins, kind, random):
    side = patch_side(images.shape[1:])
    pasted, masks, taken = [], [], []
    for i in range(len(images)):
        for _ in range(_TRIES):
            content = _CONTENTS[kind](images, i, side, bins, random)
            place = _square(images.shape[1:], side, random)
            if (content != images[i][place]).any(axis=-1).mean() < 0.5:
                continue
            image, mask = images[i].copy(), np.zeros(images.shape[1:3], bool)
            image[place], mask[place] = content, True
            pasted.append(image)
            masks.append(mask)
            taken.append(i)
            break
    if not pasted:
        raise ValueError(f"no image takes a patch of kind {kind!r}: they are all alike.")
    return Pasted(kind, np.stack(pasted), np.stack(masks), images[taken])


def _square(shape, side, random):
    top, left = (random.integers(size - side + 1) for size in shape[:2])
    return np.s_[top : top + side, left : left + side]


def _from_another(images, i, side, bins, random):
    other = (i + random.integers(1, len(images))) % len(images)
    return images[other][_square(images.shape[1:], side, random)]


def _noise(images, i, side, bins, random):
    return random.integers(0, bins, (side, side, images.shape[-1])).astype(np.uint8)


def _constant(images, i, side, bins, random):
    color = random.integers(0, bins, images.shape[-1]).astype(np.uint8)
    return np.tile(color, (side, side, 1))


_CONTENTS: dict[str, Callable[..., np.ndarray]] = {
    "another test image": _from_another,
    "uniform noise": _noise,
    "one colour": _constant,
}
