"""LogDetCollector gathers what a hand computation gathers; ImageSummary draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.fields import level_indices, view
from tests.toys import fitted, pictures, tiny_flow, tiny_model, trained, trained_split
from tfp_lcma import FlowModel, LogDetCollector, LogDetStatistics, channel_choices, noise
from tfp_lcma.bijectors import ActNorm, FlowChain, Identity, Squeeze
from tfp_lcma.factorizations import Checkerboard, ExitPrice, LikelihoodContribution
from tfp_lcma.keras_model import ImageSummary
from tfp_lcma.multi_scale import MultiScale

COUNT, SEED = 100, 5
IMAGES = pictures(COUNT, seed=1)


@pytest.fixture(scope="module")
def statistics():
    return LogDetCollector(seed=SEED, batch_size=32).collect(trained(), IMAGES)


def preprocessed(model, images):
    """Images dequantised as the collector does, in the flow's domain, and their log-dets."""
    x, _ = model.density.dequantized(tf.constant(images), noise.seed_pair(SEED))
    return model.preprocessing.inverse_and_event_log_det(x)


def up_to(flow, level):
    """The part of a flow without a split from the image to the end of a level."""
    parts = [flow.flows[0]]
    for above in range(level):
        parts += [Squeeze(flow.flows[above].event_shape), flow.flows[above + 1]]
    return FlowChain(parts)


def by_hand(level):
    """Activations and event log-dets at the end of a level, in image coordinates, float64."""
    part = up_to(trained().flow, level)
    y, _ = preprocessed(trained(), IMAGES)
    results = [tensor.numpy().astype(np.float64) for tensor in part.inverse_and_event_log_det(y)]
    index = part.route(np.arange(16).reshape(4, 4, 1)).ravel()
    in_image = []
    for result in results:
        flat = np.empty((COUNT, 16))
        flat[:, index] = result.reshape(COUNT, 16)
        in_image.append(flat.reshape(COUNT, 4, 4, 1))
    return in_image


def assert_equal_statistics(first, second, rtol=1e-5, atol=1e-5):
    for name in ("log_det", "mean", "variance", "log_density"):
        np.testing.assert_allclose(
            getattr(first, name), getattr(second, name), rtol=rtol, atol=atol, err_msg=name
        )
    for name in ("level_index", "block_covariance", "activations"):
        for one, other in zip(getattr(first, name), getattr(second, name), strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=name)
    assert first.count == second.count


# --- what is gathered ---


@pytest.mark.parametrize("level", [0, 1])
def test_means_and_variances_of_every_level_equal_a_hand_computation(level, statistics):
    activation, log_det = by_hand(level)
    assert np.ptp(log_det.mean(axis=0)) > 0.01
    np.testing.assert_allclose(statistics.log_det[level], log_det.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(statistics.mean[level], activation.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(statistics.variance[level], activation.var(axis=0), rtol=1e-4)
    assert statistics.count == COUNT


@pytest.fixture(scope="module")
def of_three_levels():
    """A model of three levels, and the activations at the end of each over 300 images."""
    model = tiny_model(shape=(8, 8, 1), levels=3)
    images = pictures(300, shape=(8, 8, 1))
    model.initialize(images)
    y = model.flow.inverse_by_level(preprocessed(model, images)[0])[2]
    activations = [record.activation.numpy().astype(np.float64) for record in y]
    gathered = LogDetCollector(seed=SEED, batch_size=100).collect(model, images)
    return gathered, activations


@pytest.mark.parametrize("level", [0, 1])
def test_block_covariance_equals_numpys(level, of_three_levels):
    gathered, activations = of_three_levels
    blocks = view(activations[level])
    assert len(gathered.block_covariance) == 2
    covariance = gathered.block_covariance[level]
    assert covariance.dtype == np.float64
    assert covariance.shape == (*blocks.shape[1:], blocks.shape[-1])
    for row, column in np.ndindex(blocks.shape[1:3]):
        expected = np.cov(blocks[:, row, column], rowvar=False, bias=True)
        np.testing.assert_allclose(covariance[row, column], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", [0, 1])
def test_activations_of_the_first_256_images_are_kept(level, of_three_levels):
    gathered, activations = of_three_levels
    assert len(gathered.activations) == 2
    assert gathered.activations[level].dtype == np.float32
    np.testing.assert_allclose(gathered.activations[level], activations[level][:256], atol=1e-5)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_level_index_leads_from_a_levels_entries_to_the_image(level, of_three_levels):
    gathered, activations = of_three_levels
    index = gathered.level_index[level]
    assert np.array_equal(index, level_indices((8, 8, 1), 3)[level])
    variance = gathered.variance[level].ravel()[index]
    np.testing.assert_allclose(variance, activations[level].var(axis=0), rtol=1e-4, atol=1e-6)


def test_pair_of_a_gaussian_field_that_shares_least_is_factored_out_in_pictures_of_it():
    """The lower row of every block is noise; the upper row's pixels are nearly equal."""
    random = np.random.default_rng(0)
    images = 128 + 20 * random.normal(size=(1500, 4, 4, 1))
    images[:, ::2, 1::2] = images[:, ::2, ::2] + 5 * random.normal(size=(1500, 2, 2, 1))
    model = FlowModel(MultiScale([Identity((4, 4, 1)), Identity((2, 2, 4))]))
    model.initialize(np.clip(images, 0, 255).astype(np.uint8))
    statistics = LogDetCollector().collect(model, np.clip(images, 0, 255).astype(np.uint8))
    exit_map = tiny_flow(factorization=ExitPrice(statistics)).exit_map[..., 0]
    assert exit_map.tolist() == [[1] * 4, [0] * 4] * 2


def test_log_density_sums_to_mean_log_prob_without_the_preprocessings_log_det(statistics):
    log_det = preprocessed(trained(), IMAGES)[1].numpy().sum(axis=(1, 2, 3))
    expected = (trained().log_prob(IMAGES, seed=SEED) - log_det).mean()
    np.testing.assert_allclose(statistics.log_density.sum(), expected, rtol=1e-5)
    density = trained().event_log_prob(IMAGES, seed=SEED).mean(axis=0)
    np.testing.assert_allclose(
        statistics.log_density,
        density - preprocessed(trained(), IMAGES)[1].numpy().mean(axis=0),
        atol=1e-4,
    )


def test_dimensions_that_are_factored_out_have_no_statistics_at_deeper_levels():
    flow = trained_split().flow
    statistics = LogDetCollector().collect(trained_split(), IMAGES)
    assert np.isfinite(statistics.log_det[0]).all()
    for values in (statistics.log_det, statistics.mean, statistics.variance):
        np.testing.assert_array_equal(np.isnan(values[1]), flow.exit_map == 0)
    assert np.isfinite(statistics.log_density).all()


def test_sums_are_kept_in_double_precision():
    """In single precision the variance would drown in the square of the mean."""
    flow = MultiScale([FlowChain([ActNorm((4, 4, 1))])])
    model = FlowModel(flow)
    model.initialize(IMAGES)
    flow.trainable_variables[0].assign_add([3000.0])
    statistics = LogDetCollector(batch_size=COUNT).collect(model, IMAGES)
    scale = float(
        tf.exp(flow.flows[0].bijectors[0].inverse_event_log_det_jacobian(IMAGES * 0.0))[0, 0, 0, 0]
    )
    y = preprocessed(model, IMAGES)[0].numpy().astype(np.float64)
    seeded = LogDetCollector(seed=SEED).collect(model, IMAGES)
    np.testing.assert_allclose(seeded.variance[0], y.var(axis=0) * scale**2, rtol=0.05)
    for values in (statistics.log_det, statistics.mean, statistics.variance):
        assert values.dtype == np.float64
    assert statistics.mean.min() > 1000


@pytest.mark.parametrize("batch_size", [1, 33, 1000])
def test_batch_size_does_not_matter(batch_size, statistics):
    again = LogDetCollector(seed=SEED, batch_size=batch_size).collect(trained(), IMAGES)
    assert_equal_statistics(again, statistics)


def test_the_seed_is_that_of_the_dequantisation(statistics):
    again = LogDetCollector(seed=SEED, batch_size=32).collect(trained(), IMAGES)
    np.testing.assert_array_equal(again.mean, statistics.mean)
    other = LogDetCollector(seed=SEED + 1, batch_size=32).collect(trained(), IMAGES)
    assert np.all(other.mean != statistics.mean)


def test_statistics_are_saved_whole(tmp_path, statistics):
    collector = LogDetCollector(seed=SEED, batch_size=32)
    collector.collect(trained(), IMAGES)
    collector.save(tmp_path / "statistics.npz")
    assert_equal_statistics(LogDetStatistics.load(tmp_path / "statistics.npz"), statistics, 0, 0)


# --- during fit ---


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return IMAGES[32 * index : 32 * (index + 1)]


@pytest.mark.parametrize(
    "data",
    [lambda: IMAGES[:96], lambda: tf.data.Dataset.from_tensor_slices(IMAGES).batch(32), Batches],
    ids=["array", "dataset", "PyDataset"],
)
def test_the_collector_sees_the_training_images_at_the_end_of_fit(data):
    model, collector = tiny_model(run_eagerly=True), LogDetCollector(images=96, seed=SEED)
    fitted(model, data(), epochs=1, callbacks=[collector])
    expected = LogDetCollector(seed=SEED).collect(model, IMAGES[:96])
    assert_equal_statistics(collector.statistics, expected)


def test_no_more_images_are_looked_at_than_asked_for():
    model, collector = tiny_model(run_eagerly=True), LogDetCollector(images=20, seed=SEED)
    fitted(model, IMAGES[:96], epochs=1, callbacks=[collector])
    assert collector.statistics.count == 20
    chosen = np.sort(np.random.default_rng(SEED).permutation(96)[:20])
    expected = LogDetCollector(seed=SEED).collect(model, IMAGES[chosen])
    assert_equal_statistics(collector.statistics, expected)


def test_statistics_make_a_factorization_that_makes_a_multi_scale_flow_that_learns():
    collector = LogDetCollector(seed=SEED)
    collector.collect(trained(), IMAGES)
    factorization = collector.factorization()
    assert factorization == LikelihoodContribution(collector.statistics)
    assert collector.factorization(keep="low") == LikelihoodContribution(
        collector.statistics, keep="low"
    )
    model = tiny_model(factorization=factorization, run_eagerly=True)
    assert (model.flow.exit_map == 0).sum() == 8
    # In every block the dimensions that stay have the higher log-dets.
    scores = collector.statistics.log_det[0]
    for row in (0, 2):
        for column in (0, 2):
            block = np.s_[row : row + 2, column : column + 2, 0]
            stays = model.flow.exit_map[block] == 1
            assert scores[block][stays].min() >= scores[block][~stays].max()
    history = fitted(model, pictures(64), epochs=2)
    assert history["loss"][-1] < history["loss"][0]


# --- what is refused ---


def test_flow_that_is_split_already_is_refused_before_training():
    model = tiny_model(factorization=Checkerboard())
    with pytest.raises(ValueError, match=r"a flow without a split.*split by Checkerboard\(\)"):
        fitted(model, IMAGES, callbacks=[LogDetCollector()])
    assert model.optimizer.iterations == 0


def test_statistics_before_training_are_refused():
    with pytest.raises(ValueError, match=r"no statistics yet: pass it to fit\(callbacks="):
        _ = LogDetCollector().statistics


def test_a_flow_without_levels_is_refused():
    model = FlowModel(ActNorm((4, 4, 1)))
    with pytest.raises(ValueError, match=r"flow must be a MultiScale.*got ActNorm"):
        LogDetCollector().collect(model, IMAGES)


@pytest.mark.parametrize("name", ["images", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_counts_that_are_none_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1; got {value}"):
        LogDetCollector(**{name: value})


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[:0], "images must hold at least one image; got none"),
        (IMAGES[..., 0], r"images must have shape \[n, 4, 4, 1\]; got \[100, 4, 4\]"),
    ],
)
def test_images_of_the_wrong_shape_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        LogDetCollector().collect(trained(), images)


def test_images_that_look_scaled_are_warned_of():
    scaled = pictures(4) / 255
    with pytest.warns(UserWarning, match="images look scaled") as caught:
        LogDetCollector().collect(trained(), scaled)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="images look scaled"):
        channel_choices(trained_split(), scaled)


# --- pictures ---


def test_image_summary_writes_its_pictures_from_the_first_epoch_on_every_so_many(tmp_path):
    drawn = []

    def draw(model):
        drawn.append(model)
        return np.full((2, 3, 3), 128, np.uint8)

    model = tiny_model(levels=1, run_eagerly=True)
    summary = ImageSummary(tmp_path, {"grey": draw}, every=2)
    # What Keras' TensorBoard(update_freq=n) does between the steps that it records.
    with tf.summary.record_if(False):
        fitted(model, pictures(32), epochs=4, callbacks=[summary])
    assert drawn == [model, model]
    (path,) = tmp_path.glob("events*")
    written = [
        (event.step, value.tag, value.tensor.string_val[:2])
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]
    assert written == [(1, "grey", [b"3", b"2"]), (3, "grey", [b"3", b"2"])]
