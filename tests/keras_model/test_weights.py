"""How much an image counts: weights of rows and of classes, of any shape and from anywhere."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import SHAPE, pictures
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import ActNorm

COUNT, BATCH = 16, 10
IMAGES, LABELS = pictures(COUNT), np.arange(COUNT) % 3
WEIGHT = np.linspace(0, 2, COUNT).astype(np.float32)
FORMS = {
    "[n]": lambda w: w,
    "[n, 1]": lambda w: w[:, None],
    "float64": lambda w: w.astype(np.float64),
    "whole numbers": lambda w: np.round(w).astype(np.int32),
    "booleans": lambda w: w > 1,
    "a list": lambda w: w.tolist(),
    "a tensor": lambda w: tf.constant(w[:, None]),
    "none": lambda w: None,
}


class Batches(keras.utils.PyDataset):
    def __init__(self, *parts):
        super().__init__()
        self.parts = parts

    def __len__(self):
        return -(-COUNT // BATCH)

    def __getitem__(self, index):
        rows = slice(BATCH * index, BATCH * (index + 1))
        return tuple(None if part is None else np.asarray(part)[rows] for part in self.parts)


def dataset(images, labels, weight):
    if labels is None:
        data = tf.data.Dataset.from_tensor_slices((images, weight)).batch(BATCH)
        return data.map(lambda image, weight: (image, None, weight))
    return tf.data.Dataset.from_tensor_slices((images, labels, weight)).batch(BATCH)


SOURCES = {
    "dataset": dataset,
    "PyDataset": Batches,
    "generator": lambda *parts: (batch for batch in Batches(*parts)),
}


@pytest.fixture(scope="module")
def model():
    model = FlowModel(ActNorm(SHAPE))
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    model.initialize(IMAGES)
    return model


@pytest.fixture(scope="module")
def training_log_prob(model):
    """What each image costs in the first epoch of a training that changes nothing."""
    costs = []
    model.optimizer.build(model.trainable_variables)
    for step in range(len(Batches())):
        model.optimizer.iterations.assign(step)
        batch = tf.constant(IMAGES[BATCH * step : BATCH * (step + 1)])
        costs.append(model(batch, training=True).numpy())
    return np.concatenate(costs)


def losses(model, make, **arguments):
    """Loss and bits of an epoch of training, and those of evaluation."""
    model.optimizer.iterations.assign(0)
    history = model.fit(*make(), shuffle=False, verbose=0, **arguments).history
    trained = {name: values[0] for name, values in history.items()}
    return trained, model.evaluate(*make(), return_dict=True, verbose=0, **arguments)


def assert_weighted(model, training_log_prob, found, weight):
    weight = np.ones(COUNT) if weight is None else np.asarray(weight, np.float64).ravel()
    for log_prob, result in zip((training_log_prob, model.log_prob(IMAGES)), found, strict=True):
        np.testing.assert_allclose(result["loss"], -np.mean(weight * log_prob), rtol=1e-5)
        bits = np.average(model.density.to_bits(log_prob), weights=weight)
        np.testing.assert_allclose(result["bits_per_dimension"], bits, rtol=1e-5)


@pytest.mark.parametrize("labels", [None, LABELS], ids=["no labels", "labels"])
@pytest.mark.parametrize("shape", FORMS.values(), ids=FORMS)
def test_weights_of_arrays_weigh_the_loss_and_the_bits(model, training_log_prob, shape, labels):
    weight = shape(WEIGHT)
    found = losses(model, lambda: (IMAGES, labels), sample_weight=weight, batch_size=BATCH)
    assert_weighted(model, training_log_prob, found, weight)


@pytest.mark.parametrize("labels", [None, LABELS], ids=["no labels", "labels"])
@pytest.mark.parametrize("shape", ["[n]", "[n, 1]"])
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_weights_of_batches_weigh_alike(model, training_log_prob, source, shape, labels):
    weight = FORMS[shape](WEIGHT)
    found = losses(model, lambda: (source(IMAGES, labels, weight),))
    assert_weighted(model, training_log_prob, found, weight)


def test_weights_of_validation_data_weigh_alike_with_and_without_labels(model):
    values = [
        model.fit(IMAGES, validation_data=(IMAGES, y, WEIGHT[:, None]), verbose=0).history
        for y in (None, LABELS)
    ]
    expected = -np.mean(WEIGHT * model.log_prob(IMAGES))
    for history in values:
        np.testing.assert_allclose(history["val_loss"][0], expected, rtol=1e-5)


def test_weights_follow_their_images_out_of_a_validation_split(model):
    weight = np.where(np.arange(COUNT) < COUNT // 2, 1.0, 3.0)
    history = model.fit(
        IMAGES, sample_weight=weight, validation_split=0.5, batch_size=BATCH, verbose=0
    ).history
    expected = -3 * model.log_prob(IMAGES[COUNT // 2 :]).mean()
    np.testing.assert_allclose(history["val_loss"][0], expected, rtol=1e-5)
    held_in = -model.log_prob(IMAGES[: COUNT // 2]).mean()
    np.testing.assert_allclose(history["loss"][0], held_in, rtol=0.05)


def test_weights_of_one_batch_weigh_alike(model):
    expected = -np.mean(WEIGHT * model.log_prob(IMAGES))
    for labels in (None, LABELS):
        for weight in (WEIGHT, WEIGHT[:, None]):
            found = model.test_on_batch(IMAGES, labels, weight)[0]
            np.testing.assert_allclose(found, expected, rtol=1e-5)


# --- classes ---

CLASS_WEIGHT = {0: 3.0, 1: 0.5}  # the third class counts once
BY_CLASS = np.array([3.0, 0.5, 1.0])[LABELS]
LABELLED = {
    "arrays": lambda: (IMAGES, LABELS),
    "a list": lambda: (IMAGES, LABELS.tolist()),
    "a column": lambda: (IMAGES, LABELS[:, None]),
    "one-hot": lambda: (IMAGES, np.eye(3)[LABELS]),
    "dataset": lambda: (tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(BATCH),),
    "dictionaries": lambda: (
        tf.data.Dataset.from_tensor_slices({"image": IMAGES, "label": LABELS}).batch(BATCH),
    ),
    "PyDataset": lambda: (Batches(IMAGES, LABELS),),
    "generator": lambda: ((batch for batch in Batches(IMAGES, LABELS)),),
}


@pytest.mark.parametrize("make", LABELLED.values(), ids=LABELLED)
def test_weights_of_classes_weigh_the_loss(model, training_log_prob, make):
    data = make()
    model.optimizer.iterations.assign(0)
    options = {"batch_size": BATCH} if len(data) == 2 else {}
    history = model.fit(
        *data, class_weight=CLASS_WEIGHT, shuffle=False, verbose=0, **options
    ).history
    expected = -np.mean(BY_CLASS * training_log_prob)
    np.testing.assert_allclose(history["loss"][0], expected, rtol=1e-5)


# --- what is refused ---


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(1), r"sample_weight must have shape \[16\] or \[16, 1\]; got \[1\]"),
        (np.ones((1, COUNT)), r"sample_weight must have shape .* got \[1, 16\]"),
        (np.ones((COUNT, 2)), r"sample_weight must have shape .* got \[16, 2\]"),
        (1.0, r"sample_weight must have shape .* got \[\]"),
        (WEIGHT * np.nan, "sample_weight must hold finite numbers; got NaN or infinity"),
        (np.full(COUNT, "1"), "sample_weight must hold finite numbers; got dtype <U1"),
    ],
)
def test_other_weights_are_refused_by_name(model, weight, message):
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            use(IMAGES, sample_weight=weight, verbose=0)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_other_weights_in_batches_are_refused_by_name(model, source):
    with pytest.raises(ValueError, match=r"sample_weight must have shape \[n\] or \[n, 1\]; got"):
        model.fit(source(IMAGES, LABELS, np.ones((COUNT, 2))), verbose=0)
    with pytest.raises(ValueError, match=r"^sample_weight must hold finite numbers; got dtype"):
        model.fit(source(IMAGES, LABELS, np.full(COUNT, "1")), verbose=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((IMAGES,), "class_weight must go with labels .* got no labels"),
        ((Batches(IMAGES),), "class_weight must go with labels .* got no labels"),
        (({"image": IMAGES, "sample_weight": WEIGHT},), "sample_weight must stand beside a dict"),
        ((IMAGES, LABELS, WEIGHT), "class_weight must go .* without sample_weight; got both"),
        ((Batches(IMAGES, LABELS, WEIGHT),), "without sample_weight; got both"),
    ],
    ids=["arrays", "batches", "in a dictionary", "both of arrays", "both of batches"],
)
def test_weights_of_classes_without_labels_or_beside_weights_of_rows_are_refused(
    model, data, message
):
    named = dict(zip(("x", "y", "sample_weight"), data, strict=False))
    with pytest.raises(ValueError, match=message):
        model.fit(**named, class_weight=CLASS_WEIGHT, verbose=0)


def test_weights_of_classes_that_are_no_dictionary_are_refused(model):
    with pytest.raises(ValueError, match=r"class_weight must be a dictionary .* got list"):
        model.fit(IMAGES, LABELS, class_weight=[1.0, 2.0], verbose=0)


@pytest.mark.parametrize(
    "item", [(0, "3"), (0, None), (0, np.nan), (0, [1, 2]), ("0", 3.0), (0.5, 3.0)]
)
@pytest.mark.parametrize("make", [LABELLED["arrays"], LABELLED["dataset"]])
def test_weights_of_classes_that_are_none_are_refused(model, make, item):
    must = (
        r"^class_weight must be a dictionary of finite weights by the number of the class; got \{"
    )
    with pytest.raises(ValueError, match=must):
        model.fit(*make(), class_weight=dict([item]), verbose=0)


def test_labels_that_are_no_numbers_have_no_weights(model):
    names = LABELS.astype(str)
    data = tf.data.Dataset.from_tensor_slices((IMAGES, names)).batch(BATCH)
    for given in ((IMAGES, names), (data,)):
        with pytest.raises(ValueError, match=r"^y must hold numbers of classes, to go with class"):
            model.fit(*given, class_weight=CLASS_WEIGHT, verbose=0)


def test_weights_and_labels_beside_batches_are_refused(model):
    with pytest.raises(ValueError, match="sample_weight must come in the batches of x"):
        model.fit(Batches(IMAGES), sample_weight=WEIGHT, verbose=0)
    with pytest.raises(ValueError, match="y must come in the batches of x, a Batches"):
        model.evaluate(Batches(IMAGES), LABELS, verbose=0)


def test_labels_of_another_number_than_the_images_are_refused(model):
    with pytest.raises(ValueError, match="y must hold a label for each of 16 images; got 15"):
        model.fit(IMAGES, LABELS[1:], verbose=0)
