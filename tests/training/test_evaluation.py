"""The numbers of a run."""

import numpy as np
import pytest

from training.datasets import Split
from training.evaluation import test_bits as bits_of_split


class FixedBits:
    """Stands for a model whose bits per dimension are known."""

    def __init__(self, bits):
        self.bits = np.asarray(bits, float)

    def bits_per_dimension(self, images, draws, seed):
        return self.bits


def split(count, clusters=None):
    return Split(np.zeros((count, 2, 2, 1), np.uint8), clusters)


def test_the_standard_error_is_the_textbook_one_for_independent_images():
    bits = np.random.default_rng(0).normal(3, 1, 50)
    result = bits_of_split(FixedBits(bits), split(50), draws=1, seed=0)
    assert result["bits_per_dimension"] == pytest.approx(bits.mean())
    assert result["standard_error"] == pytest.approx(bits.std(ddof=1) / np.sqrt(50))


def test_the_standard_error_is_taken_over_clusters():
    means = np.random.default_rng(1).normal(3, 1, 8)
    bits, clusters = np.repeat(means, 25), np.repeat(np.arange(8), 25)
    result = bits_of_split(FixedBits(bits), split(200, clusters), draws=1, seed=0)
    assert result["clusters"] == 8
    assert result["standard_error"] == pytest.approx(means.std(ddof=1) / np.sqrt(8))
