"""FID and KID: right on known distributions, and worse for worse images."""

import keras
import numpy as np
import pytest

from tests.eager import eagerly
from tfp_lcma.training.data import Dataset, Split, load
from tfp_lcma.training.studies.quality import (
    classifier,
    features,
    frechet_distance,
    kernel_distance,
    load_extractor,
    load_or_train,
    sample_quality,
    train_classifier,
)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def extractor(digits, tmp_path_factory):
    """A third of the usual training is enough for digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "_STEPS", 300)
        return load_or_train(tmp_path_factory.mktemp("quality") / "classifier.keras", digits)


@pytest.fixture
def short_training(monkeypatch):
    """Two steps, for which no graph is worth its while."""
    monkeypatch.setattr(classifier, "_STEPS", 2)
    with eagerly():
        yield


def toy_dataset(shape=(8, 8, 1), bins=256, **classes):
    """Noise images, 12 on each side; `classes` as `Split` takes them, for every side."""
    images = np.random.default_rng(0).integers(0, bins, (12, *shape), dtype=np.uint8)
    return Dataset("toy", *[Split(images, **classes)] * 3, bins=bins)


def normal(n, d, seed):
    return np.random.default_rng(seed).normal(size=(n, d))


# --- distances ---


def with_moments(mean, covariance, n=50):
    """Returns vectors of exactly these sample moments."""
    x = normal(n, len(mean), 0)
    x -= x.mean(axis=0)
    whitened = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return whitened @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_is_that_of_gaussians():
    rotation = np.linalg.qr(normal(3, 3, 1))[0]
    variances_a, variances_b = np.array([4.0, 1.0, 9.0]), np.array([1.0, 16.0, 0.25])
    mean_a, mean_b = np.array([1.0, -2.0, 0.5]), np.array([0.0, 0.0, 1.0])
    # Covariances that commute: the distance splits into the axes.
    a = with_moments(mean_a, rotation * variances_a @ rotation.T)
    b = with_moments(mean_b, rotation * variances_b @ rotation.T)
    expected = np.sum((mean_a - mean_b) ** 2) + np.sum(
        (np.sqrt(variances_a) - np.sqrt(variances_b)) ** 2
    )
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_covariances_that_do_not_commute():
    from scipy.linalg import sqrtm

    a, b = normal(40, 5, 0) @ normal(5, 5, 1), normal(60, 5, 2) @ normal(5, 5, 3) + 1
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2)
    expected += np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("n", [5, 200])  # fewer vectors than features, and more
def test_frechet_distance_of_a_set_from_itself_is_zero(n):
    x = 100 * normal(n, 64, 0)
    x[:, 7] = 0  # a feature that never fires
    assert 0 <= frechet_distance(x, x) < 1e-8
    assert 0 <= frechet_distance(x, x[::-1]) < 1e-8


def naive_kernel_distance(a, b):
    def kernel(x, y):
        return (x @ y / len(x) + 1) ** 3

    n, m = len(a), len(b)
    within_a = [kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j]
    within_b = [kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j]
    between = [kernel(x, y) for x in a for y in b]
    return np.mean(within_a) + np.mean(within_b) - 2 * np.mean(between)


def test_kernel_distance_is_the_unbiased_estimate(monkeypatch):
    from tfp_lcma.training.studies.quality import distances

    monkeypatch.setattr(distances, "_ROWS", 4)  # several blocks, the last one incomplete
    a, b = normal(9, 3, 0), normal(6, 3, 1) + 0.5
    assert kernel_distance(a, b) == pytest.approx(naive_kernel_distance(a, b), rel=1e-12)


def test_kernel_distance_is_zero_on_average_and_positive_for_a_shift():
    pairs = [(normal(100, 8, seed), normal(50, 8, 1000 + seed)) for seed in range(200)]
    same = np.array([kernel_distance(a, b) for a, b in pairs])
    shifted = np.array([kernel_distance(a, b + 0.5) for a, b in pairs])
    error = same.std() / np.sqrt(len(same))
    assert abs(same.mean()) < 4 * error
    assert same.min() < 0 < shifted.min()
    assert shifted.mean() > 100 * error


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 3)), np.zeros((2, 3)), r"at least 2; got \[1, 3\] and \[2, 3\]"),
        (np.zeros((2, 3)), np.zeros((2, 4)), r"got \[2, 3\] and \[2, 4\]"),
        (np.zeros((2, 3)), np.full((2, 3), np.nan), "must be finite; got 6"),
    ],
)
def test_distances_refuse_features_they_cannot_compare(distance, a, b, message):
    with pytest.raises(ValueError, match=message):
        distance(a, b)


# --- the small classifier ---


def test_the_classifier_of_digits_reads_digits(extractor, digits):
    assert extractor.accuracy > 0.95
    found = features(extractor, digits.train.images)
    assert found.shape == (len(digits.train), 64) and found.dtype == np.float64
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.2)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=0.2)


def test_quality_ranks_real_images_before_disturbed_ones_before_noise(extractor, digits):
    real = digits.test.images[:200]
    random = np.random.default_rng(0)
    disturbed = np.clip(real + random.integers(-4, 5, real.shape), 0, 16)
    noise = random.integers(0, 17, real.shape)
    reference = digits.validation.images
    quality = [sample_quality(extractor, x, reference) for x in (real, disturbed, noise)]
    for key in ("fid", "kid"):
        best, middle, worst = (q[key] for q in quality)
        assert best < middle < worst
    assert abs(quality[0]["kid"]) < 0.1 * quality[2]["kid"]
    assert (quality[0]["samples"], quality[0]["reference"]) == (200, 200)


def test_fractions_of_drawn_images_do_not_count(extractor, digits):
    images = digits.test.images[:20]
    drawn = images + np.random.default_rng(0).random(images.shape, np.float32) * 0.999
    np.testing.assert_array_equal(features(extractor, images), features(extractor, drawn))


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (16, 16, 3), (32, 32, 3)])
def test_classifier_takes_every_shape(shape, short_training):
    model = train_classifier(toy_dataset(shape, labels=np.arange(12) % 3))
    assert model.input_shape == (None, *shape) and model.output_shape == (None, 3)


def test_classifier_is_trained_once_and_then_read(tmp_path, short_training, monkeypatch):
    dataset = toy_dataset(labels=np.arange(12) % 2)
    path = tmp_path / "new folder" / "classifier.keras"
    first = load_or_train(path, dataset)
    assert list(path.parent.iterdir()) == [path]

    def train_again(*args):
        raise AssertionError("trained a second time")

    monkeypatch.setattr(classifier, "train_classifier", train_again)
    second = load_or_train(path, dataset)
    images = dataset.test.images
    np.testing.assert_array_equal(features(first, images), features(second, images))
    assert first.accuracy == second.accuracy


def test_without_labels_the_classifier_tells_clusters_apart(tmp_path, short_training):
    train, held_out = (
        Split(toy_dataset().train.images, clusters=np.arange(12) % 2 + start) for start in (0, 2)
    )
    dataset = Dataset("toy", train, held_out, held_out)
    # No validation image shows a scene of the training images.
    assert load_or_train(tmp_path / "classifier.keras", dataset).accuracy is None


@pytest.mark.parametrize(
    ("classes", "message"),
    [({}, "'toy' have neither"), ({"labels": np.zeros(12, int)}, "'toy' have one class")],
)
def test_classifier_needs_classes(classes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_or_train(tmp_path / "classifier.keras", toy_dataset(**classes))
    assert not list(tmp_path.iterdir())


def test_classifier_of_another_data_set_is_refused(tmp_path, short_training, digits):
    path = tmp_path / "classifier.keras"
    load_or_train(path, toy_dataset(labels=np.arange(12) % 2))
    with pytest.raises(ValueError, match=r"must hold the 'classifier_of_digits'; got .*of_toy"):
        load_or_train(path, digits)


# --- extractors of one's own, and what any extractor refuses ---


def save_network(path, shape, *layers):
    keras.Sequential([keras.Input(shape), *layers]).save(path)


def test_an_extractor_of_ones_own_sees_images_from_0_to_1(tmp_path):
    save_network(tmp_path / "own.keras", (8, 8, 1), keras.layers.Flatten())
    dataset = toy_dataset(bins=17)
    found = features(load_extractor(tmp_path / "own.keras", dataset), dataset.test.images)
    np.testing.assert_allclose(found, dataset.test.images.reshape(12, 64) / 16, rtol=1e-6)


def test_an_extractor_that_does_something_else_is_refused(tmp_path):
    path = tmp_path / "own.keras"
    expected = r"own\.keras must map images \[n, 8, 8, 1\] to \[n, d\]; "
    save_network(path, (8, 8, 3), keras.layers.Conv2D(2, 8), keras.layers.Flatten())
    with pytest.raises(ValueError, match=expected + "it cannot take them"):
        load_extractor(path, toy_dataset())
    save_network(path, (8, 8, 1), keras.layers.Conv2D(2, 3))
    with pytest.raises(ValueError, match=expected + r"for one image it gives \[1, 6, 6, 2\]"):
        load_extractor(path, toy_dataset())


@pytest.mark.parametrize("load", [load_extractor, load_or_train])
def test_files_that_hold_no_model_are_named(load, tmp_path):
    dataset = toy_dataset(labels=np.arange(12) % 2)
    with pytest.raises(ValueError, match=r"must end in \.keras; got .*own\.h5"):
        load(tmp_path / "own.h5", dataset)
    whole = tmp_path / "whole.keras"
    save_network(whole, (8, 8, 1), keras.layers.Flatten())
    for content in (b"", b"no model", whole.read_bytes()[:3000]):
        (tmp_path / "own.keras").write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot read a Keras model from .*own\.keras"):
            load(tmp_path / "own.keras", dataset)


def test_a_missing_extractor_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read a Keras model from .*own\.keras"):
        load_extractor(tmp_path / "own.keras", toy_dataset())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 8, 3)), r"shape \[n, 8, 8, 1\], n >= 1; got \[2, 8, 8, 3\]"),
        (np.zeros((0, 8, 8, 1)), r"got \[0, 8, 8, 1\]"),
        (np.full((2, 8, 8, 1), 17), r"must lie in \[0, 17\); got 17\.0\.\.17\.0"),
        (np.full((2, 8, 8, 1), -0.5), "got -1"),
        (np.full((2, 8, 8, 1), np.nan), r"got nan\.\.nan"),
    ],
)
def test_images_of_another_kind_are_refused(images, message, extractor):
    with pytest.raises(ValueError, match=message):
        features(extractor, images)
