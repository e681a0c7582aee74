"""Where in its block each dimension stands, for networks that want to know."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations.factorization import Factorization


def offset_maps(factorization: Factorization, level: int, event_shape: Sequence[int]) -> np.ndarray:
    """Returns constant maps of the offsets of a level's entries within their blocks.

    A choice per position makes the place of an entry inside its block of
    `2**level` by `2**level` pixels vary from block to block, and hides the pixel
    grid from convolutions. These maps show it to them.

    ```python
    import tfp_lcma as lcma

    maps = lcma.factorizations.offset_maps(lcma.factorizations.Checkerboard(), 1, (8, 8, 1))
    maps.shape, maps[0, 0].tolist()  # ((4, 4, 4), [0.25, 0.75, 0.25, 0.75])
    ```

    Args:
        factorization: What stands between the levels.
        level: Index of the level.
        event_shape: Shape `(height, width, channels)` of the image.

    Returns:
        float32 `[h, w, 2c]`: vertical, then horizontal offsets of the level's c entries, as shares
        of the block's side, in (0, 1) for dimensions that are in their block.

    Raises:
        ValueError: If the factorization has not made its choice.
    """
    index = factorization.arriving(level, event_shape)
    rows, columns, _ = np.unravel_index(index, event_shape)
    size = 2**level
    block_rows, block_columns = np.indices(index.shape[:2])[..., None] * size
    offsets = [rows - block_rows, columns - block_columns]
    return ((np.concatenate(offsets, axis=-1) + 0.5) / size).astype(np.float32)
