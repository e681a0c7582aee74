"""A value that makes no sense, at any place of any batch: it is refused, or its row is lost."""

import itertools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import SHAPE, Batches, model_of_classes, pictures
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import BatchNorm, FlowChain

BATCH, COUNT = 4, 12
IMAGES = pictures(COUNT).astype(np.float32)
LABELS = np.arange(COUNT) % 2
BAD = {
    "too bright": (300.0, None),
    "just too bright": (256.0, None),
    "negative": (-40.0, None),
    "NaN": (np.nan, None),
    "infinite": (np.inf, None),
    "no such class": (None, 2),
    "negative class": (None, -1),
}
bad_values = pytest.mark.parametrize(("value", "label"), BAD.values(), ids=BAD)
PLACES = [(0, 0), (3, 15), (5, 7), (11, 2)]  # row and number of the pixel


@pytest.fixture(scope="module")
def raising():
    """Models that can raise: run eagerly, and traced."""
    return {
        "eager": model_of_classes(BatchNorm, run_eagerly=True),
        "traced": model_of_classes(BatchNorm, jit_compile=False),
    }


@pytest.fixture(scope="module")
def compiled():
    """A model whose every step XLA compiles."""
    return model_of_classes(BatchNorm, jit_compile=True)


def spoilt(row, pixel, value, label):
    images, labels = IMAGES.copy(), LABELS.copy()
    if value is not None:
        images[row].flat[pixel] = value
    if label is not None:
        labels[row] = label
    return images, labels


def batches(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH, drop_remainder=True)


def state(model):
    variables = model.variables + model.optimizer.variables
    return [variable.numpy() for variable in variables]


# --- where a step can raise ---


def refusals(model, images, labels):
    """Calls of a model on data of which a value is bad, by the names that they have for it."""
    data, good = batches(images, labels), batches(IMAGES, LABELS)
    of_arrays = {"batch_size": BATCH, "verbose": 0}
    return [
        ("x", "y", lambda: model.fit(data, verbose=0)),
        ("x", "y", lambda: model.fit(images, labels, **of_arrays)),
        ("x", "y", lambda: model.evaluate(data, verbose=0)),
        ("x", "y", lambda: model.evaluate(images, labels, **of_arrays)),
        ("x", "the condition in x", lambda: model.predict(data, verbose=0)),
        ("x", "the condition in x", lambda: model.predict((images, labels), **of_arrays)),
        (
            "validation_data",
            "the labels of validation_data",
            lambda: model.fit(good, validation_data=data, verbose=0),
        ),
        (
            "validation_data",
            "the labels of validation_data",
            lambda: model.fit(good, validation_data=(images, labels), verbose=0),
        ),
        ("x", "y", lambda: model.train_on_batch(images, labels)),
        ("x", "y", lambda: model.test_on_batch(images, labels)),
        ("x", "the condition in x|y", lambda: model.predict_on_batch((images, labels))),
        ("x", "condition", lambda: model.log_prob(images, labels)),
    ]


@bad_values
@pytest.mark.parametrize("mode", ["eager", "traced"])
def test_bad_value_at_any_place_is_refused_by_the_name_of_its_argument(raising, mode, value, label):
    model, places = raising[mode], itertools.cycle(PLACES)
    for number in range(len(refusals(model, IMAGES, LABELS))):
        row, pixel = next(places)
        images_name, labels_name, ask = refusals(model, *spoilt(row, pixel, value, label))[number]
        if value is None:
            must = rf"({labels_name}) must lie in \[0, 2\), one of 2 classes; got"
            in_batch = rf" -?\d in row {row % BATCH} of a batch\."
        else:
            must = (
                rf"({images_name}) must (be finite|lie in \[0, 256\), one of 256 intensities); got"
            )
            at = f"{pixel // 4} {pixel % 4} 0"
            in_batch = rf" [-\w.]+ in row {row % BATCH} of a batch, at \[{at}\]\."
        # Whole arrays and the first batch are looked at before any step.
        with pytest.raises(ValueError, match=f"^{must}({in_batch}| values from| NaN or infinity)"):
            ask()
    assert all(np.isfinite(values).all() for values in state(model))
    assert model.skipped_steps == 0


@bad_values
def test_a_model_called_on_a_bad_value_refuses_it(raising, value, label):
    model = raising["traced"]
    images, labels = spoilt(5, 7, value, label)
    name = "condition" if value is None else "images"
    with pytest.raises(ValueError, match=f"{name} must lie in .* in row 5 of a batch"):
        model([images, labels])
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must lie in .* in row 5"):
        tf.function(model)([tf.constant(images), tf.constant(labels)])


@pytest.mark.parametrize("mode", ["eager", "traced"])
def test_weight_that_is_not_finite_is_refused(raising, mode):
    model, weights = raising[mode], np.ones(COUNT, np.float32)
    weights[7] = np.nan
    for ask in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"^sample_weight must be finite; got nan in row 3"):
            ask(batches(IMAGES, LABELS, weights), verbose=0)
    assert all(np.isfinite(values).all() for values in state(model))


def test_classes_that_are_no_whole_numbers_are_refused(raising):
    data = batches(IMAGES, LABELS.astype(np.float32))
    with pytest.raises(ValueError, match=r"y must lie in \[0, 2\).*; got dtype float32"):
        raising["eager"].evaluate(data, verbose=0)


# --- where XLA compiles a step, which cannot raise ---


def test_step_with_a_bad_row_changes_nothing_under_xla_and_is_counted(compiled):
    model = compiled
    first, second = slice(0, BATCH), slice(BATCH, 2 * BATCH)

    def step(images, labels):
        """What Keras does at every step: whole arrays are looked at before."""
        return model.train_function(iter([(images, labels)]))

    model.train_on_batch(IMAGES[first], LABELS[first])
    before, counted = state(model), model.skipped_steps
    for (value, label), (row, pixel) in itertools.product(BAD.values(), PLACES):
        images, labels = spoilt(row, pixel, value, label)
        batch = slice(row - row % BATCH, row - row % BATCH + BATCH)
        logs = step(images[batch], labels[batch])
        counted += 1
        assert model.skipped_steps == logs["skipped_steps"] == counted
        for mine, theirs in zip(state(model), before, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    step(IMAGES[second], LABELS[second])
    assert model.skipped_steps == counted
    assert any(np.any(mine != theirs) for mine, theirs in zip(state(model), before, strict=True))


def test_training_goes_on_around_a_bad_row_under_xla_and_says_so(compiled):
    class Rows(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.images, self.condition = self.model.training_rows(COUNT, seed=0)

    model, rows = compiled, Rows()
    images, labels = spoilt(5, 7, np.nan, None)
    labels[9] = 3
    with pytest.warns(UserWarning, match="2 training steps were left out"):
        history = model.fit(batches(images, labels), verbose=0, callbacks=[rows]).history
    assert np.isfinite(history["loss"]).all()
    assert history["skipped_steps"] == [model.skipped_steps]
    assert all(np.isfinite(values).all() for values in state(model))
    # What callbacks gather statistics from.
    sensible = np.delete(np.arange(COUNT), [5, 9])
    np.testing.assert_array_equal(rows.images, IMAGES[sensible])
    np.testing.assert_array_equal(rows.condition, LABELS[sensible])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(batches(IMAGES, LABELS), verbose=0, shuffle=False)


def test_bad_row_alone_is_nan_under_xla(compiled):
    model = compiled
    expected = model.predict(batches(IMAGES, LABELS), verbose=0)
    for (value, label), (row, pixel) in zip(BAD.values(), itertools.cycle(PLACES)):
        images, labels = spoilt(row, pixel, value, label)
        got = model.predict(batches(images, labels), verbose=0)
        others = np.arange(COUNT) != row
        assert np.isnan(got[row])
        np.testing.assert_array_equal(got[others], expected[others])
    assert np.isnan(model.evaluate(batches(images, labels), verbose=0)).all()


# --- images that look scaled ---


QUESTIONS = {
    "log_prob": lambda model, x: model.log_prob(x, 0),
    "bits_per_dimension": lambda model, x: model.bits_per_dimension(x, 0),
    "event_log_prob": lambda model, x: model.event_log_prob(x, 0),
    "class_probabilities": lambda model, x: model.class_probabilities(x),
    "encode": lambda model, x: model.encode(x, 0),
    "initialize": lambda model, x: model.initialize(x, LABELS),
    "interpolate": lambda model, x: model.interpolate(x, x, 0, steps=2),
    "evaluate": lambda model, x: model.evaluate(x, LABELS, verbose=0),
    "evaluate a data set": lambda model, x: model.evaluate(batches(x, LABELS), verbose=0),
    "predict a data set": lambda model, x: model.predict(batches(x, LABELS), verbose=0),
    "validation": lambda model, x: model.fit(
        batches(IMAGES, LABELS), epochs=2, verbose=0, shuffle=False, validation_data=(x, LABELS)
    ),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_images_scaled_to_the_unit_interval_are_asked_about_with_one_warning(raising, ask):
    model = raising["traced"]
    with pytest.warns(UserWarning) as caught:
        ask(model, IMAGES / 255)
    (warning,) = [w for w in caught if "look scaled" in str(w.message)]
    text = str(warning.message)
    assert f"values from {IMAGES.min() / 255:.4g} to {IMAGES.max() / 255:.4g}" in text
    assert "[0, 256)" in text


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_nothing_is_said_about_intensities_and_black_images(raising, ask):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*look scaled")
        ask(raising["traced"], IMAGES)
        ask(raising["traced"], 0 * IMAGES)


# --- rows of other numbers, and images of another rank ---


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("mode", ["eager", "traced"])
def test_labels_and_weights_of_another_number_than_a_later_batch_are_refused(raising, mode, count):
    model, weight = raising[mode], np.ones(BATCH, np.float32)
    good = IMAGES[:BATCH], LABELS[:BATCH], weight
    must = f"must hold a row for each of 4 images of a batch; got {count}"
    for bad, name in (
        ((IMAGES[:BATCH], LABELS[:count], weight), "y"),
        ((IMAGES[:BATCH], LABELS[:BATCH], weight[:count]), "sample_weight"),
    ):
        for ask in (model.fit, model.evaluate):
            with pytest.raises(ValueError, match=f"^{name} {must}"):
                ask(Batches(good, good, bad), verbose=0, **_in_order(ask))


def _in_order(ask):
    return {"shuffle": False} if ask.__name__ == "fit" else {}


def test_one_label_is_not_spread_over_a_batch_under_xla(compiled):
    compiled.train_on_batch(IMAGES[:BATCH], LABELS[:BATCH])
    before = state(compiled)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        compiled.train_function(iter([(IMAGES[:BATCH], LABELS[:1])]))
    for mine, theirs in zip(state(compiled), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_model_called_on_other_inputs_says_what_they_must_be(raising):
    model = raising["eager"]
    with pytest.raises(ValueError, match="inputs must be a pair of images and condition; got"):
        model(IMAGES[:2])
    with pytest.raises(ValueError, match="condition must hold a row for each of 4 images of a"):
        model([IMAGES[:4], LABELS[:1]])
    for ask in (
        lambda x: model([x, LABELS[:4]]),
        lambda x: model.density.log_prob(x, (0, 0), 0, 1),
    ):
        with pytest.raises(ValueError, match=r"images must be of shape \[batch, height, width"):
            ask(IMAGES[0])
    unconditional = FlowModel(FlowChain([BatchNorm(SHAPE)]))
    with pytest.raises(ValueError, match="inputs must be a batch of images; got list of 2"):
        unconditional([IMAGES, LABELS])


@pytest.mark.parametrize("made_of", [Batches, lambda *batches: iter(batches)])
def test_values_that_the_first_batch_s_type_would_change_are_refused(raising, made_of):
    first, model = (IMAGES[:BATCH].astype(np.uint8), LABELS[:BATCH]), raising["eager"]
    dark = (IMAGES[:BATCH] - 300, LABELS[:BATCH])
    with pytest.raises(ValueError, match=r"^x must be of one type in all .* got uint8, then"):
        model.evaluate(made_of(first, first, dark), verbose=0)
    with pytest.raises(ValueError, match=r"^y must be of one type in all .* got int64, then"):
        model.evaluate(made_of(first, first, (first[0], LABELS[:BATCH] + 0.5)), verbose=0)
    mixed = made_of(first, (IMAGES[BATCH : 2 * BATCH], LABELS[BATCH : 2 * BATCH].astype(np.int32)))
    expected = -model.log_prob(IMAGES[: 2 * BATCH], LABELS[: 2 * BATCH]).mean()
    np.testing.assert_allclose(model.evaluate(mixed, verbose=0)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_class_that_does_not_exist_has_no_density(raising, wrong):
    distribution = raising["eager"].distribution
    condition = np.where(np.arange(BATCH) == 1, wrong, LABELS[:BATCH])
    found = distribution.log_prob(IMAGES[:BATCH], condition=condition)
    expected = distribution.log_prob(IMAGES[:BATCH], condition=LABELS[:BATCH])
    assert np.isnan(found[1])
    np.testing.assert_allclose(found[::2], expected[::2], rtol=1e-6)
    assert np.isnan(distribution.sample(2, seed=0, condition=wrong)).any((1, 2, 3)).all()
