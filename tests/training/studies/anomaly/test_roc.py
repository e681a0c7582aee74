"""The area under the ROC curve is scikit-learn's; its error is that of repeated experiments."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfp_lcma.training.studies.anomaly.roc import roc_auc


@pytest.mark.parametrize("levels", [3, 1000])
def test_area_is_that_of_scikit_learn_ties_included(levels):
    random = np.random.default_rng(levels)
    inliers, outliers = random.integers(0, levels, 80), random.integers(levels // 5, levels + 1, 50)
    expected = roc_auc_score([0] * 80 + [1] * 50, np.concatenate([inliers, outliers]))
    assert roc_auc(inliers, outliers).value == pytest.approx(expected, abs=1e-12)


def experiments(draw, count=400):
    """Areas and stated errors of one experiment, repeated with fresh images."""
    random = np.random.default_rng(0)
    found = np.array([roc_auc(*draw(random)) for _ in range(count)])
    return found[:, 0].std(ddof=1), found[:, 1].mean()


def independent(random):
    return random.normal(size=60), random.normal(0.7, 2.0, size=40), None, None


def paired(random):
    """Every outlier is one of the inliers, corrupted."""
    inliers = random.normal(size=50)
    clusters = np.arange(50)
    return inliers, inliers + random.normal(0.7, 0.3, size=50), clusters, clusters


def crops(random):
    """Outliers come from twelve photographs."""
    clusters = np.repeat(np.arange(12), 10)
    outliers = 0.7 + random.normal(size=12)[clusters] + random.normal(0, 0.3, size=120)
    return random.normal(size=100), outliers, None, -1 - clusters


@pytest.mark.parametrize("draw", [independent, paired, crops])
def test_standard_error_is_the_spread_of_repeated_experiments(draw):
    spread, stated = experiments(draw)
    assert stated == pytest.approx(spread, rel=0.15)


def test_error_without_the_clusters_would_be_another():
    """That the clusters matter above: without them the error is off by far more than that."""
    paired_data, crops_data = (draw(np.random.default_rng(0)) for draw in (paired, crops))
    assert roc_auc(*paired_data[:2]).standard_error > 1.5 * roc_auc(*paired_data).standard_error
    assert roc_auc(*crops_data[:2]).standard_error < 0.7 * roc_auc(*crops_data).standard_error


def test_scores_apart_have_area_one_and_no_visible_error():
    assert roc_auc([0.0, 1.0], [2.0]) == (1.0, 0.0)
    assert roc_auc([2.0], [0.0, np.inf]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("scores", "message"), [(([], [1.0]), "got 0 and 1"), (([np.nan], [1.0]), "got NaN")]
)
def test_missing_scores_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        roc_auc(*scores)
