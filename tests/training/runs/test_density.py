"""A run and its export answer alike, and say what files become."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.toys import pictures
from tests.training.toy_density import ToyDensity, write_export, write_run
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.runs.density import load_density
from tfp_lcma.training.runs.run_or_export import is_run

SHAPE, BINS, CLASSES = (4, 4, 1), 17, 3
PIXELS = PixelSettings(*SHAPE, BINS)
IMAGES = pictures(5, SHAPE, bins=BINS)


@pytest.fixture(scope="module")
def model():
    flow = lcma.models.glow(SHAPE, levels=1, steps=1, width=4, conditions=CLASSES)
    model = lcma.FlowModel(flow, bins=BINS, seed=5)
    model.initialize(IMAGES, np.arange(5) % CLASSES)
    # Away from the zeros that networks start with.
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "toy", model, PIXELS)


@pytest.fixture(scope="module")
def export(model, tmp_path_factory):
    return write_export(tmp_path_factory.mktemp("saved") / "toy", model, PIXELS)


@pytest.fixture(scope="module")
def densities(run, export):
    return load_density(run), load_density(export)


def test_both_say_what_the_model_is(densities):
    for density in densities:
        assert (density.event_shape, density.bins, density.conditions) == (SHAPE, BINS, CLASSES)
        assert density.pixels == PIXELS


def test_what_files_become_is_as_recorded_or_else_the_usual(model, tmp_path):
    black = PixelSettings(*SHAPE, BINS, background=0)
    for name, given, expected in (("black", black, black), ("usual", None, PIXELS)):
        assert load_density(write_run(tmp_path / name, model, given)).pixels == expected


@pytest.mark.parametrize("condition", [2, [0, 1, 2, 0, 1]])
@pytest.mark.parametrize("draws", [1, 3])
def test_both_score_as_the_model_does(condition, draws, densities, model):
    expected = model.log_prob(IMAGES, condition, draws, seed=7)
    for density in densities:
        got = density.log_prob(IMAGES, condition, draws, seed=7)
        np.testing.assert_allclose(got, expected, rtol=1e-5)
        bits = density.bits_per_dimension(IMAGES, condition, draws, seed=7)
        np.testing.assert_allclose(bits, -expected / (16 * np.log(2)), rtol=1e-5)


@pytest.mark.parametrize("draws", [1, 3])
def test_without_a_seed_noise_is_the_models_own_and_that_which_is_served(
    draws, densities, model, export
):
    expected = model.log_prob(IMAGES, 1, draws)
    assert np.abs(model.log_prob(IMAGES, 1, draws, seed=0) / expected - 1).max() > 1e-4
    shares = model.event_log_prob(IMAGES, 1)
    for density in densities:
        np.testing.assert_allclose(density.log_prob(IMAGES, 1, draws), expected, rtol=1e-5)
        bits = density.bits_per_dimension(IMAGES, 1, draws)
        np.testing.assert_allclose(bits, -expected / (16 * np.log(2)), rtol=1e-5)
        np.testing.assert_allclose(density.event_log_prob(IMAGES, 1), shares, rtol=1e-4, atol=1e-5)
    if draws == 1:
        served = tf.saved_model.load(str(export / "1")).signatures["log_prob"]
        answer = served(images=tf.constant(IMAGES), condition=tf.ones(len(IMAGES), tf.int32))
        np.testing.assert_allclose(answer["log_prob"], expected, rtol=1e-5)


def test_both_share_out_the_density_as_the_model_does(densities, model):
    expected = model.event_log_prob(IMAGES, 1, seed=7)
    for density in densities:
        got = density.event_log_prob(IMAGES, 1, seed=7)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_both_draw_the_same_images_however_many(densities):
    of_run, of_export = (density.sample(7, 1, temperature=0.7, seed=3) for density in densities)
    assert of_run.dtype == of_export.dtype == np.uint8 and of_run.max() < BINS
    first = densities[0].sample(3, 1, 0.7, seed=3)
    for mine, theirs in ((of_run, of_export), (first, of_run[:3])):
        # A number that lies on the edge of a whole one may be rounded to either side.
        assert np.abs(mine.astype(int) - theirs).max() <= 1
        assert (mine == theirs).mean() > 0.95
    assert not np.array_equal(densities[0].sample(7, 1, 0.7, seed=4), of_run)


def test_what_lies_beyond_black_and_white_is_black_and_white():
    class Beyond(ToyDensity):
        def _drawn(self, seeds, temperature, condition):
            return np.linspace(-20, 276, 64).reshape(1, *self.event_shape)

    values = Beyond().sample(1).ravel()
    assert (np.diff(values.astype(int)) >= 0).all()
    assert (values[0], values[-1]) == (0, 255)


@pytest.mark.parametrize("temperature", [-0.1, np.nan, np.inf])
def test_a_temperature_that_is_none_is_refused(temperature, densities):
    for density in densities:
        with pytest.raises(ValueError, match="temperature must be"):
            density.sample(1, 0, temperature)


def test_a_version_of_an_export_is_an_export_too(export, densities):
    got = load_density(export / "1").log_prob(IMAGES, 0)
    np.testing.assert_array_equal(got, densities[1].log_prob(IMAGES, 0))


def test_the_kind_of_a_folder_is_seen_from_its_files(run, export, tmp_path):
    assert is_run(run) and not is_run(export) and not is_run(export / "1")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"of a run, .* or of an export"):
            is_run(folder)


def test_a_damaged_export_is_named(export, tmp_path):
    copy = shutil.copytree(export / "1", tmp_path / "1")
    card = json.loads((copy / "assets.extra" / "model.json").read_text())
    del card["bins"]
    (copy / "assets.extra" / "model.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"model\.json must be the model card"):
        load_density(tmp_path)
    shutil.copy(export / "1" / "assets.extra" / "model.json", copy / "assets.extra")
    (copy / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot be loaded"):
        load_density(tmp_path)
