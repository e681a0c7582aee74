"""The numbers of a run."""

import numpy as np
import pytest

from tfp_lcma.density import Uniform
from tfp_lcma.training.data import Split
from tfp_lcma.training.runs.evaluation import accuracy
from tfp_lcma.training.runs.evaluation import test_bits as bits_of_split


class FixedBits:
    """Stands for a model whose bits per dimension are known."""

    conditions = None
    dequantization = Uniform()

    def __init__(self, bits):
        self.bits = np.asarray(bits, float)

    def bits_per_dimension(self, images, condition, draws, seed):
        return self.bits


def split(count, clusters=None):
    return Split(np.zeros((count, 2, 2, 1), np.uint8), clusters)


def test_the_standard_error_is_the_textbook_one_for_independent_images():
    bits = np.random.default_rng(0).normal(3, 1, 50)
    result = bits_of_split(FixedBits(bits), split(50), draws=1, seed=0)
    assert result["bits_per_dimension"] == pytest.approx(bits.mean())
    assert result["standard_error"] == pytest.approx(bits.std(ddof=1) / np.sqrt(50))


def test_bits_are_said_to_be_a_bound_of_so_many_draws_of_which_noise():
    result = bits_of_split(FixedBits([3.0]), split(1), draws=5, seed=0)
    said = {name: result[name] for name in ("draws", "bound", "dequantization")}
    assert said == {"draws": 5, "bound": "upper", "dequantization": "uniform"}


def test_the_standard_error_is_taken_over_clusters():
    means = np.random.default_rng(1).normal(3, 1, 8)
    bits, clusters = np.repeat(means, 25), np.repeat(np.arange(8), 25)
    result = bits_of_split(FixedBits(bits), split(200, clusters), draws=1, seed=0)
    assert result["clusters"] == 8
    assert result["standard_error"] == pytest.approx(means.std(ddof=1) / np.sqrt(8))


def test_a_single_image_or_cluster_has_no_standard_error():
    one = bits_of_split(FixedBits([3.0]), split(1), draws=1, seed=0)
    together = bits_of_split(FixedBits([3.0, 4.0]), split(2, np.zeros(2, int)), draws=1, seed=0)
    model = FixedBits([3.0])
    model.class_probabilities = lambda images, seed: np.eye(2)[[0]]
    classified = accuracy(model, Split(np.zeros((1, 2, 2, 1), np.uint8), labels=np.array([0])), 0)
    assert one["bits_per_dimension"] == 3 and classified["accuracy"] == 1
    assert [found["standard_error"] for found in (one, together, classified)] == [None] * 3


def test_labels_are_told_to_a_model_that_is_conditioned_on_them():
    class Told(FixedBits):
        conditions = 3

        def bits_per_dimension(self, images, condition, draws, seed):
            return condition.astype(float)

        def class_probabilities(self, images, seed):
            return np.eye(3)[[0, 1, 1, 2]]

    labelled = Split(np.zeros((4, 2, 2, 1), np.uint8), labels=np.array([0, 1, 2, 2]))
    told = bits_of_split(Told(0.0), labelled, draws=1, seed=0)
    assert told["bits_per_dimension"] == pytest.approx(1.25)
    right = accuracy(Told(0.0), labelled, seed=0)
    assert right["accuracy"] == 0.75
    assert right["standard_error"] == pytest.approx(np.std([1, 1, 0, 1], ddof=1) / 2)
