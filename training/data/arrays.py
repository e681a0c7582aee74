"""Images in a NumPy file."""

import io
import zipfile
from pathlib import Path

import numpy as np

from tfp_lcma.files import read_bytes
from tfp_lcma.training.data.split import Dataset, Split


def load_arrays(file: Path | str, *, seed: int = 0, limit: int | None = None) -> Dataset:
    """Returns the images of a .npz file in random order: 80% train, 10% validation, 10% test.

    ```python
    np.savez("images.npz", images=images, labels=labels)
    ```

    Args:
        file: A local path, or text like `gs://bucket/images.npz`. It holds `images`, uint8
            `[n, height, width, channels]`, and perhaps `labels`, whole numbers `[n]` from 0.
        seed: Of the order: another number is another split.
        limit: Keeps at most this many images on each side.

    Returns:
        The data set, 256 intensities.

    Raises:
        ValueError: If the file holds no such arrays, or fewer than 3 images.
    """
    try:
        with np.load(file if isinstance(file, Path) else io.BytesIO(read_bytes(file))) as arrays:
            images = arrays["images"]
            labels = arrays.get("labels")
    except (OSError, EOFError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{str(file)!r} must be a .npz file with an array `images`; {error}."
        ) from error
    try:
        whole = Split(images, labels=labels)
    except ValueError as error:
        raise ValueError(f"in {str(file)!r}, {error}") from error
    if len(whole) < 3:
        raise ValueError(
            f"{str(file)!r} must hold at least 3 images, one for each of train, validation and "
            f"test; got {len(whole)}."
        )
    # The stream of RandomState is frozen; those of newer generators may change with NumPy.
    order = np.random.RandomState(seed).permutation(len(whole))
    tenth = max(1, len(whole) // 10)
    members = np.split(order, [-2 * tenth, -tenth])
    return Dataset(Path(file).stem, *(whole.take(rows[:limit]) for rows in members))
