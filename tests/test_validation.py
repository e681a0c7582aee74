"""What users hand in wrongly is refused with its name, what was expected and what came."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import Batches, pictures, tiny_flow, tiny_model, trained
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import ActNorm, LogitPreprocessing
from tfp_lcma.models import real_nvp
from tfp_lcma.validation import check_count, check_images

GOOD = pictures(4)
BAD_IMAGES = {
    "one image": (GOOD[0], r"x must have shape \[n, 4, 4, 1\]; got \[4, 4, 1\]"),
    "other size": (pictures(4, (8, 8, 1)), r"x must have shape .*; got \[4, 8, 8, 1\]"),
    "other channels": (pictures(4, (4, 4, 3)), r"x must have shape .*; got \[4, 4, 4, 3\]"),
    "flattened": (GOOD.reshape(4, 16), r"x must have shape .*; got \[4, 16\]"),
    "none": (GOOD[:0], "x must hold at least one image; got none"),
    "strings": (GOOD.astype(str), "x must be whole numbers or floats.*got dtype <U"),
    "booleans": (GOOD > 100, "x must be whole numbers or floats.*got dtype bool"),
    "complex": (GOOD.astype(complex), "x must be whole numbers or floats.*got dtype complex128"),
    "objects": (GOOD.astype(object), "x must be whole numbers or floats.*got dtype object"),
    "NaN": (GOOD * np.nan, "x must be finite; got NaN or infinity"),
    "infinity": (GOOD + np.inf, "x must be finite; got NaN or infinity"),
    "negative": (GOOD.astype(np.int32) - 300, r"x must lie in \[0, 256\).*got values from -"),
    "too large": (GOOD.astype(np.float32) + 200, r"x must lie in \[0, 256\).*to [34]\d\d"),
}
USES = {
    "fit": lambda x: trained().fit(x, verbose=0),
    "evaluate": lambda x: trained().evaluate(x, verbose=0),
    "predict": lambda x: trained().predict(x, verbose=0),
    "log_prob": lambda x: trained().log_prob(x),
    "bits_per_dimension": lambda x: trained().bits_per_dimension(x),
    "event_log_prob": lambda x: trained().event_log_prob(x),
    "encode": lambda x: trained().encode(x),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize(("images", "message"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_images_are_refused_by_everything_that_takes_images(use, images, message):
    with pytest.raises(ValueError, match=message):
        use(images)


@pytest.mark.parametrize("argument", ["start", "end"])
@pytest.mark.parametrize("bad", ["one image", "NaN", "too large"])
def test_bad_ends_of_an_interpolation_are_refused_by_name(argument, bad):
    images, message = BAD_IMAGES[bad]
    ends = {"start": GOOD, "end": GOOD, argument: images}
    with pytest.raises(ValueError, match=message.replace("x must", f"{argument} must")):
        trained().interpolate(**ends)


def test_interpolation_between_different_numbers_of_images_is_refused():
    with pytest.raises(ValueError, match="start and end must be as many; got 4 and 2 images"):
        trained().interpolate(GOOD, GOOD[:2])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_every_usual_type_of_intensities_is_taken(dtype):
    images = check_images(GOOD.astype(dtype), (4, 4, 1), 256, "x")
    assert images.dtype == dtype
    assert check_images(GOOD.tolist(), (4, 4, 1), 256, "x").shape == (4, 4, 4, 1)


# --- what fit alone refuses ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_scaled_to_the_unit_interval_are_refused(dtype):
    with pytest.raises(ValueError, match=r"x must be pixel intensities in \[0, 256\), not scaled"):
        tiny_model().fit(GOOD.astype(dtype) / 255, verbose=0)
    data = tf.data.Dataset.from_tensor_slices(GOOD.astype(dtype) / 255).batch(2)
    with pytest.raises(ValueError, match="not scaled"):
        tiny_model().fit(data, verbose=0)


def test_two_intensities_look_scaled_but_are_not():
    model = FlowModel(ActNorm((4, 4, 1)), bins=2)
    model.compile(optimizer="sgd", jit_compile=False)
    model.fit((GOOD > 100).astype(np.float32), verbose=0)


class NoBatches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return GOOD[..., 0], np.zeros(4)


DATASETS = {
    "unbatched": (
        tf.data.Dataset.from_tensor_slices(GOOD),
        r"x must be a dataset of batches \[n, 4, 4, 1\].*Is \.batch\(\) missing",
    ),
    "unbatched with labels": (
        tf.data.Dataset.from_tensor_slices((GOOD, np.zeros(4))),
        r"Is \.batch\(\) missing",
    ),
    "other size": (
        tf.data.Dataset.from_tensors(pictures(4, (8, 8, 1))),
        r"x must be a dataset of batches \[n, 4, 4, 1\].*got .*\(4, 8, 8, 1\)",
    ),
    "dictionary": (
        tf.data.Dataset.from_tensors({"picture": GOOD}),
        r"x must hold images under the key 'image'.*got the keys \['picture'\]",
    ),
    "empty": (
        tf.data.Dataset.from_tensor_slices(GOOD).take(0).batch(2),
        "x must hold at least one batch; got none",
    ),
    "too large": (
        tf.data.Dataset.from_tensors(GOOD.astype(np.float32) + 300),
        r"x must lie in \[0, 256\)",
    ),
    "PyDataset": (NoBatches(), r"x must have shape \[n, 4, 4, 1\]; got \[4, 4, 4\]"),
    "nothing": (None, "x must be an array of images.*got NoneType"),
    "empty generator": (iter([]), "x must hold at least one batch; got none"),
    "a generator of others": (iter([GOOD[..., 0]]), r"x must have shape \[n, 4, 4, 1\]; got"),
}


@pytest.mark.parametrize(("data", "message"), DATASETS.values(), ids=DATASETS)
def test_data_sets_that_hold_no_batches_of_images_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        tiny_model().fit(data, verbose=0)


NO_INTENSITIES = {"strings": GOOD.astype(str), "booleans": GOOD > 100}
BATCHED = {
    "dataset": lambda *batches: tf.data.Dataset.from_tensor_slices(np.stack(batches)),
    "PyDataset": lambda *batches: Batches(*((batch, np.zeros(4)) for batch in batches)),
    "generator": lambda *batches: iter(batches),
}


@pytest.mark.parametrize("images", NO_INTENSITIES.values(), ids=NO_INTENSITIES)
@pytest.mark.parametrize("batched", BATCHED.values(), ids=BATCHED)
def test_batches_of_another_type_are_refused(batched, images):
    model, must = trained(), "must be whole numbers or floats, pixel intensities from 0 to 255; got"
    for use in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match=f"^x {must} dtype"):
            use(batched(images, images), verbose=0)
    with pytest.raises(ValueError, match=f"^validation_data {must} dtype"):
        model.fit(GOOD, validation_data=batched(images, images), verbose=0)


@pytest.mark.parametrize("batched", ["PyDataset", "generator"])
def test_a_later_batch_of_another_type_is_refused(batched):
    with pytest.raises(ValueError, match=r"^x must be whole numbers or floats.*got dtype bool"):
        trained().evaluate(BATCHED[batched](GOOD, GOOD > 100), verbose=0)


@pytest.mark.parametrize("images", NO_INTENSITIES.values(), ids=NO_INTENSITIES)
def test_a_model_and_its_density_called_on_another_type_refuse_it(images):
    model = trained()
    for use in (model, lambda x: model.density.log_prob(x, (0, 0)), model.distribution.encode):
        with pytest.raises(ValueError, match="must hold numbers; got dtype"):
            use(images)


def test_evaluate_and_predict_refuse_unbatched_data_sets():
    data, message = DATASETS["unbatched"]
    for use in (trained().evaluate, trained().predict):
        with pytest.raises(ValueError, match=message):
            use(data, verbose=0)


# --- numbers, seeds, latents ---


@pytest.mark.parametrize("value", [0, -3, 1.5, "2", None])
def test_counts_must_be_whole_and_positive(value):
    with pytest.raises(ValueError, match="draws must be a whole number >= 1; got"):
        trained().log_prob(GOOD, draws=value)
    with pytest.raises(ValueError, match="n must be a whole number >= 1; got"):
        trained().sample(value)
    with pytest.raises(ValueError, match="things must be a whole number >= 1; got"):
        check_count(value, "things")
    assert check_count(np.int64(3), "things") == 3


@pytest.mark.parametrize("steps", [2.5, "3", None, 1])
def test_steps_of_a_walk_must_be_whole_and_two_or_more(steps):
    with pytest.raises(ValueError, match="steps must be a whole number >= 2; got"):
        trained().interpolate(GOOD, GOOD, steps=steps)


@pytest.mark.parametrize("seed", [1.5, "1", None])
def test_the_seed_of_a_model_must_be_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed must be a whole number; got"):
        FlowModel(ActNorm((4, 4, 1)), seed=seed)


@pytest.mark.parametrize("seed", [1.5, "1", [1, 2, 3], [[1, 2]]])
def test_seeds_must_be_whole_numbers_or_pairs(seed):
    message = "seed must be a whole number or a pair of them; got"
    with pytest.raises(ValueError, match=message):
        trained().log_prob(GOOD, seed=seed)
    with pytest.raises(ValueError, match=message):
        trained().sample(1, seed=seed)


@pytest.mark.parametrize("shape", [(4, 4, 1), (2, 8, 8, 1), (0, 4, 4, 1), (2, 16)])
def test_latents_must_have_the_shape_of_images(shape):
    with pytest.raises(ValueError, match=r"z must have shape \[n, 4, 4, 1\], n >= 1; got \["):
        trained().decode(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (1, 2, 3, 0), (2, 3, 3, 0)])
def test_latents_must_be_finite_at_every_place(value, place):
    z = np.zeros((3, 4, 4, 1), np.float32)
    z[place] = value
    with pytest.raises(ValueError, match="z must be finite; got NaN or infinity"):
        trained().decode(z)


@pytest.mark.parametrize("z", [GOOD.astype(str), GOOD.astype(complex), GOOD > 100])
def test_latents_must_be_numbers(z):
    with pytest.raises(ValueError, match="z must hold numbers; got dtype"):
        trained().decode(z)


@pytest.mark.parametrize("x", [[[1], [1, 2]], [GOOD[0], GOOD[0, :2]]])
def test_lists_of_unequal_lengths_are_refused_by_name(x):
    model = trained()
    for argument, use in {
        "x": model.log_prob,
        "start": lambda x: model.interpolate(x, GOOD),
        "z": model.decode,
        "sample_weight": lambda x: model.evaluate(GOOD, sample_weight=x, verbose=0),
    }.items():
        with pytest.raises(ValueError, match=f"^{argument} must be an array; got lists of unequal"):
            use(x)


# --- models that cannot be ---


def test_images_that_cannot_be_halved_for_the_levels_are_refused():
    message = r"event_shape \(6, 8, 1\) cannot have 3 levels: .*divisible by 4, .*3 and 4"
    with pytest.raises(ValueError, match=message):
        real_nvp((6, 8, 1), levels=3)


def test_a_model_of_something_else_than_a_flow_is_refused():
    with pytest.raises(ValueError, match="flow must be a FlowBijector; got Dense"):
        FlowModel(keras.layers.Dense(3))


def test_preprocessing_of_another_shape_is_refused():
    preprocessing = LogitPreprocessing((8, 8, 1))
    message = r"preprocessing must have the flow's event shape \(4, 4, 1\); got \(8, 8, 1\)"
    with pytest.raises(ValueError, match=message):
        FlowModel(tiny_flow(), preprocessing=preprocessing)


@pytest.mark.parametrize("bins", [1, 257, 2.5, "17"])
def test_bins_that_no_image_has_are_refused(bins):
    with pytest.raises(
        ValueError, match=f"bins must be a whole number from 2 to 256; got {bins!r}"
    ):
        FlowModel(tiny_flow(), bins=bins)
