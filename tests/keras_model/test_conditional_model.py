"""Models of images given a class or a vector: training, queries, classification, export."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tests.toys import SHAPE, pictures
from tfp_lcma.factorizations import Checkerboard, LikelihoodContribution
from tfp_lcma.priors import ConditionalGaussian

LABELS = np.arange(256) % 2
IMAGES = np.where(LABELS[:, None, None, None] == 0, pictures(256), 255 - pictures(256))


def flow(conditions=2, **options):
    own = {"levels": 2, "factorization": Checkerboard(), "exit_prior": ConditionalGaussian()}
    return lcma.models.glow(SHAPE, steps=1, width=4, conditions=conditions, **(own | options))


def model(conditions=2, run_eagerly=True, **options):
    seed_initializers(0)
    return compiled(flow(conditions, **options), run_eagerly)


def compiled(flow, run_eagerly=True):
    """A compiled model; run eagerly, a few steps cost less than a trace."""
    made = lcma.FlowModel(flow)
    optimizer = keras.optimizers.Adam(0.02)
    made.compile(optimizer=optimizer, run_eagerly=run_eagerly, jit_compile=False)
    return made


def learnt(conditions, *given):
    """A model that has learnt the images; one level is enough, and the quickest to trace."""
    made = model(conditions, levels=1, run_eagerly=False)
    made.fit(IMAGES, *given, epochs=6, batch_size=32, verbose=0)
    return made


@functools.cache
def trained():
    """A model that has learnt two classes; tests must not change it."""
    return learnt(2, LABELS)


@functools.cache
def trained_in_order():
    """A model that has seen a few images, in their order; tests must not change it."""
    made = model()
    made.initialize(IMAGES[:32], LABELS[:32])
    made.fit(IMAGES[:64], LABELS[:64], batch_size=32, shuffle=False, verbose=0)
    return made


# --- training ---


def test_images_are_likelier_given_their_class():
    right = trained().log_prob(IMAGES[:64], LABELS[:64])
    wrong = trained().log_prob(IMAGES[:64], 1 - LABELS[:64])
    assert np.mean(right > wrong) > 0.95
    # Knowing the class is worth about one bit an image at least.
    assert right.mean() > learnt(None).log_prob(IMAGES[:64]).mean()


@pytest.mark.parametrize("kind", ["dataset", "PyDataset"])
def test_labels_come_with_the_batches_of_a_data_set(kind):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            rows = slice(32 * index, 32 * index + 32)
            return IMAGES[rows], LABELS[rows]

    data = Batches()
    if kind == "dataset":
        data = tf.data.Dataset.from_tensor_slices((IMAGES[:64], LABELS[:64])).batch(32)
    made = model()
    made.fit(data, shuffle=False, verbose=0)
    expected = trained_in_order().log_prob(IMAGES[:8], LABELS[:8])
    np.testing.assert_allclose(made.log_prob(IMAGES[:8], LABELS[:8]), expected, rtol=1e-4)


def test_validation_evaluate_and_predict_heed_the_labels():
    made = model()
    history = made.fit(IMAGES[:64], LABELS[:64], epochs=2, validation_split=0.5, verbose=0).history
    assert len(history["val_bits_per_dimension"]) == 2
    right = trained().evaluate(IMAGES, LABELS, verbose=0, return_dict=True)
    wrong = trained().evaluate(IMAGES, 1 - LABELS, verbose=0, return_dict=True)
    assert right["bits_per_dimension"] < wrong["bits_per_dimension"] - 0.1
    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(64)
    predicted = trained().predict(data, verbose=0)
    np.testing.assert_allclose(predicted, trained().log_prob(IMAGES, LABELS), rtol=1e-4)


def test_batch_norms_statistics_are_those_of_images_with_their_labels():
    options = {"width": 4, "blocks": 1, "levels": 1, "normalization": "batch"}
    made = compiled(lcma.models.real_nvp(SHAPE, conditions=2, **options))
    made.fit(IMAGES[:32], LABELS[:32], epochs=1, verbose=0)
    assert np.isfinite(made.log_prob(IMAGES[:4], LABELS[:4])).all()


def test_statistics_are_gathered_with_the_labels_and_give_a_split():
    collector = lcma.LogDetCollector()
    pretrained = model(factorization=None)
    images, labels = IMAGES[:64], LABELS[:64]
    pretrained.fit(images, labels, epochs=1, verbose=0, callbacks=[collector])
    expected = lcma.LogDetCollector().collect(pretrained, images, labels)
    np.testing.assert_allclose(collector.statistics.log_det, expected.log_det, atol=1e-5)
    other = lcma.LogDetCollector().collect(pretrained, images, 1 - labels)
    assert np.abs(other.log_det - expected.log_det).max() > 1e-3
    split = LikelihoodContribution(collector.statistics)
    assert flow(factorization=split).exit_map.max() == 1


def test_a_split_is_chosen_while_training_on_labelled_images():
    split = lcma.factorizations.OnlineLikelihoodContribution((2,))
    made = model(factorization=split)
    made.fit(IMAGES[:96], LABELS[:96], epochs=1, batch_size=32, verbose=0)
    assert made.flow.splits[0].decided


# --- queries ---


def test_one_condition_stands_for_all_images():
    images = IMAGES[:6]
    for ask in (trained().log_prob, trained().event_log_prob, trained().encode):
        np.testing.assert_allclose(ask(images, 1), ask(images, np.ones(6, int)), rtol=1e-5)


def test_an_image_scores_the_same_in_any_batch():
    together = trained().log_prob(IMAGES[:6], LABELS[:6])
    alone = [trained().log_prob(IMAGES[i : i + 1], LABELS[i : i + 1])[0] for i in range(6)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_latents_decode_under_their_condition_only():
    z = trained().encode(IMAGES[:4], LABELS[:4])
    back = trained().decode(z, LABELS[:4])
    np.testing.assert_allclose(np.floor(back), IMAGES[:4], atol=1)
    assert np.abs(trained().decode(z, 1 - LABELS[:4]) - back).max() > 5


def test_samples_are_of_the_class_asked_for():
    for k in (0, 1):
        samples = trained().sample(64, k, seed=1, temperature=0.7)
        found = trained().class_probabilities(samples).argmax(axis=1)
        assert np.mean(found == k) > 0.9
    mixed = trained().sample(4, [0, 1, 0, 1], seed=1)
    np.testing.assert_allclose(mixed[[0, 2]], trained().sample(4, 0, seed=1)[[0, 2]], atol=1e-3)


def test_walks_keep_their_condition():
    start, end = IMAGES[:2], IMAGES[2:4]
    walk = trained().interpolate(start, end, LABELS[:2], steps=4)
    assert walk.shape == (2, 4, *SHAPE)
    np.testing.assert_allclose(np.floor(walk[:, 0]), start, atol=1)
    np.testing.assert_allclose(np.floor(walk[:, -1]), end, atol=1)


def test_classification_is_bayes_rule():
    images = IMAGES[:32]
    given = trained().class_probabilities(images)
    assert np.mean(given.argmax(axis=1) == LABELS[:32]) > 0.95
    scores = np.stack([trained().log_prob(images, k) for k in (0, 1)], axis=-1).astype(np.float64)
    prior = np.array([0.999999, 1e-6])
    odds = scores[:, 1] - scores[:, 0] + np.log(prior[1]) - np.log(prior[0])
    np.testing.assert_allclose(
        trained().class_probabilities(images, prior)[:, 1], 1 / (1 + np.exp(-odds)), atol=1e-6
    )
    np.testing.assert_allclose(given.sum(axis=1), 1)
    assert not trained().class_probabilities(images, [1.0, 0.0])[:, 1].any()


def test_the_distribution_takes_a_condition():
    distribution = trained().distribution
    x = tf.constant(IMAGES[:4] + 0.5, tf.float32)
    labels = tf.constant(LABELS[:4])
    log_prob = distribution.log_prob(x, condition=labels)
    parts = tf.reduce_sum(distribution.event_log_prob(x, labels), axis=(1, 2, 3))
    np.testing.assert_allclose(log_prob, parts, rtol=1e-5)
    assert distribution.sample(4, seed=(1, 2), condition=labels).shape == (4, *SHAPE)


def test_vectors_condition_too():
    vectors = np.stack([LABELS, 1 - LABELS], axis=-1).astype(np.float32)
    made = model(conditions=(2,), levels=1)
    made.fit(IMAGES[:128], vectors[:128], epochs=2, batch_size=32, verbose=0)
    right, wrong = (made.log_prob(IMAGES[:64], v[:64]) for v in (vectors, 1 - vectors))
    assert np.mean(right > wrong) > 0.9
    assert made.sample(2, [1.0, 0.0], seed=1).shape == (2, *SHAPE)
    with pytest.raises(ValueError, match=r"this one has conditions=\(2,\)"):
        made.class_probabilities(IMAGES[:2])


# --- saving ---


def test_a_saved_model_answers_alike(tmp_path):
    trained().save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras")
    assert again.conditions == 2
    np.testing.assert_allclose(
        again.log_prob(IMAGES[:8], LABELS[:8]),
        trained().log_prob(IMAGES[:8], LABELS[:8]),
        rtol=1e-5,
    )


# --- what is refused ---


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (None, "condition must be given: the model is conditioned on 2 classes"),
        ([0, 1], r"condition must have shape \[3\], or \[\] for all images; got \[2\]"),
        ([0, 1, 2], r"condition must lie in \[0, 2\), one of 2 classes; got values from 0 to 2"),
        ([0.0, 1.0, 0.0], "condition must hold 2 classes, whole numbers; got dtype float64"),
    ],
)
def test_wrong_condition_is_refused(condition, message):
    with pytest.raises(ValueError, match=message):
        trained().log_prob(IMAGES[:3], condition)


def test_condition_of_an_unconditional_model_is_refused():
    made = model(conditions=None)
    made.initialize(IMAGES[:32])
    with pytest.raises(ValueError, match="condition must be None: the model was built without"):
        made.log_prob(IMAGES[:3], 1)


@pytest.mark.parametrize("labels", [None, LABELS + 1, LABELS[:10]])
def test_training_without_fitting_labels_is_refused(labels):
    with pytest.raises(ValueError, match="y must"):
        model().fit(IMAGES, labels, verbose=0)


def test_a_condition_that_is_given_twice_is_refused():
    weight = np.ones(len(IMAGES), np.float32)
    data = tf.data.Dataset.from_tensor_slices(((IMAGES, LABELS), LABELS, weight)).batch(10)
    pair = (IMAGES, LABELS)
    for use in (
        lambda: trained().evaluate(data, verbose=0),
        lambda: trained().evaluate(pair, LABELS, sample_weight=weight, verbose=0),
        lambda: trained().predict(data, verbose=0),
        lambda: model().fit(pair, LABELS, verbose=0),
    ):
        with pytest.raises(ValueError, match=r"^x must hold what images are conditioned on once"):
            use()
    weighed = trained().evaluate(pair, sample_weight=2 * weight, verbose=0)[0]
    np.testing.assert_allclose(weighed, 2 * trained().evaluate(*pair, verbose=0)[0], rtol=1e-5)


def test_flow_without_its_condition_says_so():
    with pytest.raises(ValueError, match="condition must be given to a flow with conditions=2"):
        flow().inverse(np.zeros((1, *SHAPE), np.float32))


@pytest.mark.parametrize("prior", [[0.5, 0.6], [1.0], [-1.0, 2.0]])
def test_prior_that_is_no_distribution_is_refused(prior):
    with pytest.raises(ValueError, match="prior must hold 2 probabilities that sum to 1"):
        trained().class_probabilities(IMAGES[:2], prior)


def test_flows_under_different_conditions_do_not_chain():
    parts = [flow(2), flow(3)]
    with pytest.raises(ValueError, match=r"bijectors must share one condition; got \['2', '3'\]"):
        lcma.bijectors.FlowChain(parts)
