"""Whatever brings the images, training, validation, evaluation and prediction read it alike."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import SHAPE, model_of_classes, pictures
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import ActNorm

COUNT, BATCH = 16, 8
STEPS = COUNT // BATCH
IMAGES, LABELS = pictures(COUNT), np.arange(COUNT) % 2


class Endless(keras.utils.PyDataset):
    """The same images over and over, in batches without an end."""

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        rows = slice(BATCH * (index % STEPS), BATCH * (index % STEPS + 1))
        return IMAGES[rows], LABELS[rows]


class Numbered(Endless):
    """A PyDataset that says how many batches it has, but has no length."""

    @property
    def num_batches(self):
        return STEPS


class Dictionaries(Numbered):
    def __getitem__(self, index):
        images, labels = super().__getitem__(index)
        return {"image": images, "label": labels}


def endless():
    return (Endless()[index] for index in itertools.count())


def without_shape(rank):
    """Images whose sides, or all of whose shape, TensorFlow does not know."""

    def unknown(image, label):
        return tf.ensure_shape(tf.numpy_function(lambda x: x, [image], tf.uint8), rank), label

    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).map(unknown).batch(BATCH)


def repeating_array():
    """A generator that fills the same array again and again."""
    batch = np.empty((BATCH, *SHAPE), np.uint8)
    for images, labels in endless():
        batch[:] = images
        yield batch, labels


dictionary = {"image": IMAGES, "label": LABELS}
SOURCES = {
    "unknown sides": lambda: without_shape((None, None, None)),
    "unknown rank": lambda: without_shape(None),
    "dictionaries": lambda: tf.data.Dataset.from_tensor_slices(dictionary).batch(BATCH),
    "endless dataset": lambda: (
        tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(BATCH).repeat()
    ),
    "endless PyDataset": Endless,
    "PyDataset without a length": Numbered,
    "PyDataset of dictionaries": Dictionaries,
    "generator": lambda: (Endless()[index] for index in range(STEPS)),
    "endless generator": endless,
    "generator of lists": lambda: (list(batch) for batch in endless()),
    "iterator": lambda: iter([Endless()[index] for index in range(STEPS)]),
}


@pytest.fixture(scope="module")
def plain():
    """A model that training leaves alone."""
    model = FlowModel(ActNorm(SHAPE))
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    model.initialize(IMAGES)
    return model


@pytest.fixture(scope="module")
def conditional():
    model = model_of_classes(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    model.initialize(IMAGES, LABELS)
    # What a class adds starts at zero: until it moves, a class makes no difference.
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.1 * random.normal(size=variable.shape))
    assert np.abs(model.log_prob(IMAGES, LABELS) - model.log_prob(IMAGES, 1 - LABELS)).max() > 1e-3
    return model


@pytest.fixture(scope="module")
def of_arrays(plain, conditional):
    """By the name of a model, what training on arrays costs, and each image."""
    costs = {}
    for name, model, conditions in (("plain", plain, ()), ("conditional", conditional, (LABELS,))):
        model.optimizer.iterations.assign(0)
        history = model.fit(IMAGES, LABELS, batch_size=BATCH, shuffle=False, verbose=0).history
        costs[name] = history["loss"][0], model.log_prob(IMAGES, *conditions)
    return costs


# A model without conditions reads what one with them reads, and leaves the labels: one of every
# kind of source is enough.
ALIKE = [("conditional", source) for source in SOURCES]
ALIKE += [("plain", source) for source in ("unknown rank", "endless PyDataset", "generator")]


@pytest.mark.parametrize(("name", "source"), ALIKE)
def test_data_is_read_alike_whatever_brings_it(name, source, of_arrays, request):
    model, make = request.getfixturevalue(name), SOURCES[source]
    trained, expected = of_arrays[name]
    model.optimizer.iterations.assign(0)
    history = model.fit(
        make(),
        steps_per_epoch=STEPS,
        validation_data=make(),
        validation_steps=STEPS,
        shuffle=False,
        verbose=0,
    ).history
    evaluated = model.evaluate(make(), steps=STEPS, verbose=0)[0]
    predicted = model.predict(make(), steps=STEPS, verbose=0)
    np.testing.assert_allclose(history["loss"][0], trained, rtol=1e-5)
    np.testing.assert_allclose([history["val_loss"][0], evaluated], -expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(predicted, expected, rtol=1e-5)


@pytest.mark.parametrize("data", [dictionary, [IMAGES, LABELS], (IMAGES, LABELS)])
def test_images_and_condition_together_are_read_alike(conditional, data):
    expected = conditional.log_prob(IMAGES, LABELS)
    np.testing.assert_allclose(conditional.predict(data, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(conditional.predict_on_batch(data), expected, rtol=1e-5)
    loss = conditional.evaluate(data, verbose=0)[0]
    np.testing.assert_allclose(loss, -expected.mean(), rtol=1e-5)
    assert np.isfinite(conditional.fit(data, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("make", [endless, repeating_array, Endless], ids=lambda f: f.__name__)
def test_images_that_have_passed_can_be_looked_at_until_training_ends(conditional, make):
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: seen.append(conditional.training_rows(COUNT - 1, seed=0))
    )
    conditional.fit(make(), steps_per_epoch=3, shuffle=False, verbose=0, callbacks=[look])
    ((images, labels),) = seen
    np.testing.assert_array_equal(images, IMAGES[:-1])
    np.testing.assert_array_equal(labels, LABELS[:-1])


# --- without a condition ---

UNLABELLED = {
    "array": lambda: IMAGES,
    "dataset": lambda: tf.data.Dataset.from_tensor_slices(IMAGES).batch(BATCH),
    "dictionaries": lambda: tf.data.Dataset.from_tensors({"image": IMAGES}),
    "generator": lambda: (IMAGES for _ in range(2)),
}


@pytest.mark.parametrize("make", UNLABELLED.values(), ids=UNLABELLED)
def test_a_condition_that_is_missing_is_named(conditional, make):
    missing = "must be given: the model is conditioned on 2 classes"
    for use in (conditional.fit, conditional.evaluate):
        with pytest.raises(ValueError, match=f"y {missing}"):
            use(make(), verbose=0)
    with pytest.raises(ValueError, match=f"the condition in x {missing}"):
        conditional.predict(make(), verbose=0)
    with pytest.raises(ValueError, match=f"the labels of validation_data {missing}"):
        conditional.fit(IMAGES, LABELS, validation_data=make(), verbose=0)


def test_one_batch_without_its_condition_is_refused(conditional):
    for use in (conditional.train_on_batch, conditional.test_on_batch):
        with pytest.raises(ValueError, match="y must be given"):
            use(IMAGES)


@pytest.mark.parametrize("labels", [LABELS[:, None], np.eye(2)[LABELS]], ids=["column", "one-hot"])
def test_classes_of_another_shape_are_refused(conditional, labels):
    data = tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(BATCH)
    for use in (conditional.fit, conditional.evaluate):
        with pytest.raises(ValueError, match=r"y must have shape \["):
            use(data, verbose=0)


def test_several_inputs_are_refused_by_an_unconditional_model(plain):
    for use in (plain.fit, plain.evaluate, plain.predict):
        with pytest.raises(ValueError, match=r"x must be an array of images.*got list of 2"):
            use([IMAGES, LABELS], verbose=0)


def test_a_later_batch_of_another_size_is_refused_in_a_sentence(plain):
    sizes = [IMAGES[:2], pictures(2, (6, 6, 1))]
    data = tf.data.Dataset.from_generator(lambda: iter(sizes), output_types=tf.uint8)
    message = r"x must have one shape in all batches; got a batch \[2,6,6,1\]"
    for use in (plain.fit, plain.evaluate):
        with pytest.raises(ValueError, match=message):
            use(data, verbose=0)
    with pytest.raises(ValueError, match=message.replace("x must", "validation_data must")):
        plain.fit(IMAGES, validation_data=data, verbose=0)
