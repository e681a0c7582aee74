"""What Keras offers works on a FlowModel unchanged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.processor import computes_in_bfloat16
from tests.toys import fitted, pictures, tiny_flow, tiny_model
from tfp_lcma import FlowModel
from tfp_lcma.bijectors import ActNorm, Coupling
from tfp_lcma.models import real_nvp

SPLIT_AT = 96


class Batches(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return len(self.images) // 32

    def __getitem__(self, index):
        return self.images[32 * index : 32 * (index + 1)]


def run(images=None, run_eagerly=True, jit_compile=False, steps_per_execution=1, **fit_arguments):
    """Two epochs from the same start; returns the model and its history."""
    model = FlowModel(tiny_flow(levels=1))
    model.compile(
        # No Adam: it makes full steps of gradients that are nothing but rounding.
        optimizer=keras.optimizers.SGD(1e-4, momentum=0.9),
        run_eagerly=run_eagerly,
        jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )
    model.initialize(pictures(128)[:32])
    return model, fitted(model, images, **fit_arguments)


@pytest.fixture(scope="module")
def reference():
    return run()


def assert_same_training(result, reference, tolerance=1e-5):
    (model, history), (expected_model, expected) = result, reference
    assert expected["loss"][1] < expected["loss"][0] - 0.1
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=tolerance)
    for weight, other in zip(model.get_weights(), expected_model.get_weights(), strict=True):
        np.testing.assert_allclose(weight, other, rtol=10 * tolerance, atol=tolerance)


# --- the same training, however it is run and whatever brings the images ---


@pytest.mark.parametrize(
    "compiled",
    [{}, {"jit_compile": True}, {"steps_per_execution": 3}],
    ids=["traced", "jit_compile", "steps_per_execution"],
)
def test_training_is_the_same_however_it_is_compiled(compiled, reference):
    assert_same_training(run(run_eagerly=False, **compiled), reference)


# With labels: `test_sources.py`.
@pytest.mark.parametrize(
    "data",
    [
        lambda x: tf.data.Dataset.from_tensor_slices(x).batch(32),
        lambda x: Batches(x),
        lambda x: x.astype(np.float32) + 0.9,
        lambda x: tf.convert_to_tensor(x),
    ],
    ids=["dataset", "PyDataset", "floats", "tensor"],
)
def test_training_is_the_same_whatever_brings_the_images(data, reference):
    data = data(pictures(128))
    arguments = {"batch_size": 32} if isinstance(data, tf.Tensor) else {}
    assert_same_training(run(data, **arguments), reference)


def test_labels_given_as_y_are_ignored(reference):
    assert_same_training(run(y=np.arange(128)), reference)


# --- validation ---


def test_validation_data_are_evaluated_after_every_epoch():
    held_out = pictures(32, seed=1)
    model, history = run(validation_data=(held_out, np.zeros(32)))
    expected = model.evaluate(held_out, verbose=0, return_dict=True)
    assert len(history["val_loss"]) == 2
    np.testing.assert_allclose(history["val_loss"][-1], expected["loss"], rtol=1e-5)


def test_validation_split_keeps_its_images_from_training_altogether():
    images = np.concatenate([pictures(SPLIT_AT), 255 - pictures(128 - SPLIT_AT)])
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: seen.append(model.training_rows(1000, seed=0)[0])
    )
    model = tiny_model(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    history = fitted(model, images, epochs=1, validation_split=0.25, callbacks=[look])
    np.testing.assert_array_equal(seen[0], images[:SPLIT_AT])
    # Had the others been among the images that actnorm starts from, they would not stand out.
    assert history["val_bits_per_dimension"][0] > history["bits_per_dimension"][0] + 1
    assert model.bits_per_dimension(images[:SPLIT_AT]).mean() < 7.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation_split": 2}, "validation_split must be a share of the images < 1; got 2"),
        ({"validation_split": -0.1}, "validation_split must be a share of the images < 1; got -0"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1; got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number >= 1; got 2.5"),
    ],
)
def test_shares_and_sizes_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny_model().fit(pictures(8), verbose=0, **arguments)


def test_training_rows_are_there_only_while_fit_runs(reference):
    model, _ = reference
    with pytest.raises(ValueError, match=r"only while fit\(\) runs"):
        model.training_rows(10, seed=0)


# --- callbacks ---


def test_checkpoints_early_stopping_plateaus_and_logs_work_unchanged(tmp_path):
    model = tiny_model(levels=1)
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
        keras.callbacks.EarlyStopping(
            "val_bits_per_dimension", mode="min", min_delta=100, patience=2
        ),
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, min_delta=100, patience=1),
        keras.callbacks.TensorBoard(tmp_path / "logs"),
    ]
    held_out = pictures(32, seed=1)
    history = fitted(model, epochs=9, callbacks=callbacks, validation_data=held_out)
    assert len(history["loss"]) == 3
    np.testing.assert_allclose(history["learning_rate"], [0.02, 0.02, 0.01])
    assert list((tmp_path / "logs" / "train").glob("events*"))
    first, last = (keras.saving.load_model(tmp_path / f"{epoch}.keras") for epoch in (1, 3))
    np.testing.assert_array_equal(last.log_prob(held_out), model.log_prob(held_out))
    bits = first.bits_per_dimension(held_out).mean()
    np.testing.assert_allclose(bits, history["val_bits_per_dimension"][0], rtol=1e-5)


def test_terminate_on_nan_ends_training():
    model = tiny_model(levels=1, run_eagerly=True)
    model.initialize(pictures(32))
    model.trainable_variables[0].assign(np.nan * model.trainable_variables[0])
    history = fitted(model, epochs=5, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert len(history["loss"]) == 1


# --- optimizers ---


def test_averaged_weights_are_used_after_training():
    optimizer = keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9)
    model = tiny_model(optimizer=optimizer, levels=1, run_eagerly=True)
    last = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: last.append(model.trainable_variables[0].numpy())
    )
    fitted(model, callbacks=[keep])
    averages = optimizer._model_variables_moving_average
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(variable.numpy(), average.numpy())
    assert np.any(model.trainable_variables[0].numpy() != last[-1])
    assert np.isfinite(model.log_prob(pictures(4))).all()


def test_clipping_by_global_norm_bounds_a_step():
    model = tiny_model(optimizer=keras.optimizers.SGD(1.0, global_clipnorm=1e-3), run_eagerly=True)
    model.initialize(pictures(32))
    before = [variable.numpy() for variable in model.trainable_variables]
    fitted(model, pictures(32), epochs=1)
    moved = [v.numpy() - old for v, old in zip(model.trainable_variables, before, strict=True)]
    length = np.sqrt(sum(np.sum(step.astype(np.float64) ** 2) for step in moved))
    np.testing.assert_allclose(length, 1e-3, rtol=1e-2)


# --- mixed precision ---


@pytest.fixture
def restored_policy():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def small_real_nvp(dtype=None):
    return FlowModel(real_nvp((4, 4, 1), levels=1, width=4, blocks=1, dtype=dtype))


@pytest.fixture(scope="module")
def in_float32():
    """Densities of pictures under a flow in float32."""
    model = small_real_nvp("float32")
    model.initialize(pictures(64))
    return model.log_prob(pictures(64))


def assert_only_networks_are_reduced(model, in_float32):
    images = pictures(64)
    model.initialize(images)
    for part in model.flow.kinds:
        if isinstance(part, Coupling):
            assert part.network.compute_dtype == "bfloat16"
        elif isinstance(part, ActNorm):
            assert {layer.compute_dtype for layer in part.layers} == {"float32"}
    # Networks start at zero: until they have learnt anything their precision is invisible.
    log_prob = model.log_prob(images)
    np.testing.assert_array_equal(log_prob, in_float32)
    z, log_det = model.flow.inverse_and_event_log_det(tf.random.normal((2, 4, 4, 1)))
    assert z.dtype == log_det.dtype == tf.float32
    assert log_prob.dtype == model.sample(1).dtype == np.float32
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)


@computes_in_bfloat16
def test_networks_in_bfloat16_leave_the_flow_in_float32_and_learn(in_float32):
    model, images = small_real_nvp("mixed_bfloat16"), pictures(64)
    assert_only_networks_are_reduced(model, in_float32)
    model.compile(optimizer=keras.optimizers.SGD(1e-2), run_eagerly=True)
    history = fitted(model, images, epochs=3)
    assert history["loss"][-1] < history["loss"][0]
    decoded = model.decode(model.encode(images))
    np.testing.assert_allclose(decoded, images + 0.5, atol=0.05)


@computes_in_bfloat16
def test_a_global_policy_of_bfloat16_leaves_the_flow_in_float32(in_float32, restored_policy):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = small_real_nvp()
    assert_only_networks_are_reduced(model, in_float32)


def test_a_list_of_arrays_is_refused_rather_than_read_as_several_inputs():
    with pytest.raises(ValueError, match=r"x must be an array of images.*got list"):
        tiny_model().fit([pictures(8)[0], pictures(8)[1]])
