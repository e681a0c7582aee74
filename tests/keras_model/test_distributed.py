"""Two replicas train, evaluate and gather as one process does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
HEAD = """
import json, sys
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests.toys import fitted, pictures, tiny_model
from tfp_lcma import FlowModel, LogDetCollector, models
from tfp_lcma.batch_statistics import batch_moments, share_of_mean
from tfp_lcma.factorizations import OnlineLikelihoodContribution
from tfp_lcma.keras_model.online_split import variable_orders

images, held_out = pictures(128), pictures(64, seed=1)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
"""
TRAINING = """


def train(scope, run_eagerly=False):
    with scope:
        optimizer = keras.optimizers.SGD(1e-4, momentum=0.9)
        model = tiny_model(levels=1, optimizer=optimizer, run_eagerly=run_eagerly)
    model.initialize(images[:32])
    collector = LogDetCollector(images=128)
    history = fitted(model, images, epochs=2, validation_data=held_out, callbacks=[collector])
    return model, collector.statistics, history


model, statistics, history = train(strategy.scope())
alone, _, alone_history = train(tf.distribute.get_strategy().scope(), run_eagerly=True)
alone.set_weights(model.get_weights())
expected = LogDetCollector(images=128).collect(alone, images)
with strategy.scope():
    online = tiny_model(factorization=OnlineLikelihoodContribution((2,)), run_eagerly=True)
fitted(online, images, epochs=1)
(order,) = variable_orders(online.flow)
held = strategy.experimental_local_results(order.layers[0].indices.value)


def uneven(scope, run_eagerly=False):
    # Trained on last batches of which one replica gets more than the other, or all.
    with scope:
        optimizer = keras.optimizers.SGD(1e-3)
        model = tiny_model(levels=1, optimizer=optimizer, run_eagerly=run_eagerly)
    model.initialize(images[:32])
    few = tf.data.Dataset.from_tensor_slices(images[:3])
    losses = [fitted(model, data, epochs=1)["loss"][0] for data in (few.batch(3), images[:33])]
    weight = np.linspace(0, 2, 33)[:, None]
    return model, {
        "losses": losses,
        "weighted": fitted(model, images[:33], epochs=1, sample_weight=weight),
        "evaluated": model.evaluate(images[:33], sample_weight=weight, batch_size=32, verbose=0),
    }


values = np.random.default_rng(0).normal(size=(3, 2, 2, 2))


def statistics_of_shares(first):
    # The first rows on one replica, the others on the other; if none, a row that does not count.
    def part(context):
        own = values[:first] if context.replica_id_in_sync_group == 0 else values[first:]
        return tf.constant(own if len(own) else np.full((1, 2, 2, 2), 7.0))

    def rows(context):
        return tf.constant(first if context.replica_id_in_sync_group == 0 else 3 - first)

    def found(x, rows):
        return *batch_moments(x, rows), share_of_mean(tf.square(x), rows)

    given = map(strategy.experimental_distribute_values_from_function, (part, rows))
    replies = strategy.run(found, args=tuple(given))
    return [[r.numpy().tolist() for r in strategy.experimental_local_results(reply)]
            for reply in replies]


two, found = uneven(strategy.scope())
one, expected_of_one = uneven(tf.distribute.get_strategy().scope(), run_eagerly=True)
predicted = two.predict(images[:33], batch_size=32, verbose=0)
pairs = zip(two.get_weights(), one.get_weights())

fields = ("log_det", "mean", "variance", "log_density")
print(json.dumps({
    "replicas": strategy.num_replicas_in_sync,
    "history": history,
    "alone": alone_history,
    "evaluate": model.evaluate(held_out, verbose=0),
    "by_hand": [float(-alone.log_prob(held_out).mean()),
                float(alone.bits_per_dimension(held_out).mean())],
    "apart": max(float(np.abs(getattr(statistics, f) - getattr(expected, f)).max())
                 for f in fields),
    "count": statistics.count,
    "decided": order.decided,
    "orders": [indices.numpy()[0].tolist() for indices in held],
    "uneven": [found, expected_of_one],
    "uneven_apart": [max(float(np.abs(mine - theirs).max()) for mine, theirs in pairs),
                     float(np.abs(predicted - two.log_prob(images[:33])).max())],
    "values": values.tolist(),
    "shares": [statistics_of_shares(2), statistics_of_shares(3)],
    "online": [float(v) for v in online.log_prob(held_out)],
}))
"""
MEMORY = """
def by_memory(make):
    losses, weights = [], []
    for memory in ("keep", "invert"):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = FlowModel(make(memory))
            optimizer = keras.optimizers.SGD(1e-4, momentum=0.9)
            model.compile(optimizer=optimizer, jit_compile=False)
        model.initialize(images[:32])
        losses.append(fitted(model, images, epochs=2)["loss"])
        weights.append(model.get_weights())
    apart = max(float(np.abs(mine - theirs).max()) for mine, theirs in zip(*weights))
    return {"losses": losses, "apart": apart,
            "uneven": fitted(model, images[:33], epochs=1)["loss"]}


def glow(memory):
    return models.glow((4, 4, 1), levels=1, steps=2, width=4, memory=memory, unroll=False)


def batch_normalised(memory):
    return models.real_nvp((4, 4, 1), levels=1, width=4, blocks=1, normalization="batch",
                           memory=memory, unroll=False)


print(json.dumps({make.__name__: by_memory(make) for make in (glow, batch_normalised)}))
"""


def printed(code):
    """Logical devices must exist before TensorFlow starts: another process."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def result():
    return printed(TRAINING)


def test_two_replicas_train_as_one_process_does(result):
    assert result["replicas"] == 2
    for name in ("loss", "bits_per_dimension", "val_loss"):
        for two, one in zip(result["history"][name], result["alone"][name], strict=True):
            assert two == pytest.approx(one, rel=1e-4), name
    assert result["history"]["loss"][1] < result["history"]["loss"][0]


def test_two_replicas_evaluate_to_the_mean_over_all_images(result):
    assert result["evaluate"] == pytest.approx(result["by_hand"], rel=1e-5)
    assert result["history"]["val_loss"][-1] == pytest.approx(result["by_hand"][0], rel=1e-5)


def test_statistics_of_a_model_under_two_replicas_are_those_of_one(result):
    assert result["count"] == 128
    assert result["apart"] < 1e-5


def test_split_chosen_while_training_is_the_same_on_every_replica(result):
    assert result["decided"]
    first, second = result["orders"]
    assert first == second
    assert sorted(first) == list(range(16))
    assert all(np.isfinite(result["online"]))


def test_batches_that_replicas_share_unevenly_train_as_one_process_does(result):
    two, one = result["uneven"]
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
    for name in ("loss", "bits_per_dimension"):
        assert two["weighted"][name] == pytest.approx(one["weighted"][name], rel=1e-5)
    assert two["evaluated"] == pytest.approx(one["evaluated"], rel=1e-5)
    weights, predictions = result["uneven_apart"]
    assert weights < 1e-5
    assert predictions < 1e-3


def test_statistics_of_a_batch_are_of_the_rows_of_all_replicas(result):
    values = np.array(result["values"])
    for means, variances, shares in result["shares"]:
        for replica in (0, 1):
            np.testing.assert_allclose(means[replica], values.mean((0, 1, 2)), rtol=1e-12)
            np.testing.assert_allclose(variances[replica], values.var((0, 1, 2)), rtol=1e-12)
        assert np.mean(shares) == pytest.approx((values**2).mean(), rel=1e-12)


@pytest.mark.scale
def test_two_replicas_train_by_inversion_as_with_all_activations_kept():
    for found in printed(MEMORY).values():
        kept, inverted = found["losses"]
        assert kept[-1] < kept[0]
        assert inverted == pytest.approx(kept, rel=1e-4)
        assert found["apart"] < 1e-3
        # A replica without an image leaves the loss finite.
        assert np.isfinite(found["uneven"]).all()
