"""Which two pixels of each 2x2 block a split keeps."""

import numpy as np

from tfp_lcma.factorizations import PAIRS


def kept_pairs(index: np.ndarray) -> np.ndarray | None:
    """Counts the blocks that keep each of `PAIRS`.

    Args:
        index: integers [h, w, 4c], which entry of the view each slot receives, as a flat index;
            the first half of every position stays.

    Returns:
        int [c, 6]: for every channel, blocks by pair; None unless two of every block stay.
    """
    entries = index.shape[-1]
    stays = np.zeros(index.size, bool)
    stays[index[..., : entries // 2].ravel()] = True
    blocks = stays.reshape(-1, entries // 4, 4)
    if (blocks.sum(axis=-1) != 2).any():
        return None
    return np.stack([blocks[..., list(pair)].all(axis=-1).sum(axis=0) for pair in PAIRS], axis=-1)
