"""What scores follow: rank correlations, and the table over seeds."""

import dataclasses

import numpy as np
import pytest

from tests.fields import statistics
from tfp_lcma.factorizations import view
from tfp_lcma.training.studies.compare.scores import rank_correlation, scores_table


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 100], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [5, 5, 5, 5], 0.0),
        ([1, 2, 3, 4], [0, 1, 1, 0], 0.0),
        # By hand: ranks 1 2 3 4 against 2.5 1 2.5 4, covariance 3/4, variances 5/4 and 9/8.
        ([1, 2, 3, 4], [7, 1, 7, 9], 0.75 / np.sqrt(1.25 * 1.125)),
    ],
)
def test_rank_correlation_is_spearmans_with_mean_ranks(one, other, expected):
    assert rank_correlation(np.array(one), np.array(other)) == pytest.approx(expected)


def test_table_tells_variance_from_masks(tmp_path):
    made = statistics((8, 8, 1), levels=2)
    rows = np.indices((8, 8))[0] % 2
    variance = np.stack([1.0 + rows[..., None]] * 2)
    twice = (np.indices((8, 8)).sum(axis=0) % 2)[..., None]
    for seed, log_det in ((0, -variance[0]), (3, twice.astype(float))):
        levels = np.stack([log_det, log_det])
        dataclasses.replace(made, log_det=levels).save(tmp_path / f"seed-{seed}-plain.npz")
        dataclasses.replace(made, variance=variance).save(tmp_path / f"seed-{seed}-untrained.npz")
    made.save(tmp_path / "seed-5-plain.npz")  # of images nothing was gathered
    assert scores_table(tmp_path).rows == [
        ["0", "-1.00", "-1.00", "+0.00"],
        ["3", "+0.00", "+0.00", "+1.00"],
    ]
    assert view(twice)[0, 0].tolist() == [0, 1, 1, 0]


def test_without_statistics_there_is_no_table(tmp_path):
    assert scores_table(tmp_path).rows == []
