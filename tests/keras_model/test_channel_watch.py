"""What splits do to channels, measured while a flow trains."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tfp_lcma.bijectors import Context
from tfp_lcma.factorizations import Channel, EntropyInformed, Haar
from tfp_lcma.testing.compare import close

SHAPE = (8, 8, 2)


def images(count=32):
    return np.random.default_rng(0).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def untrained(factorization):
    seed_initializers(0)
    flow = lcma.models.glow(SHAPE, levels=2, steps=1, width=4, factorization=factorization)
    model = lcma.FlowModel(flow, seed=0)
    model.compile(optimizer=keras.optimizers.Adam(0.01), run_eagerly=True)
    return model


def started(factorization):
    """A model that has seen the images once, by which frozen orders come to rest."""
    model = untrained(factorization)
    model.initialize(images())
    x = model.preprocessing.inverse(images() + np.float32(0.5))
    model.flow.inverse_and_log_det(x, context=Context(training=True))
    return model


def fit(model, callbacks, epochs=1):
    model.fit(images(), batch_size=16, epochs=epochs, verbose=0, callbacks=callbacks)


def test_a_static_split_factors_out_the_same_channels_whatever_the_image():
    levels = lcma.channel_choices(started(Channel()), images())
    assert [len(level.leaving) for level in levels] == [8]
    for level in levels:
        half = len(level.leaving) // 2
        assert level.leaving.tolist() == [0.0] * half + [1.0] * half
        assert level.scores is None
        # Nothing moves, so what comes in goes out.
        close(level.going_out, level.entropies, 1e-5, "entropies")
        close(level.leaving_entropy, level.going_out[half:].mean(), 1e-6, "leaving")
        close(level.staying_entropy, level.going_out[:half].mean(), 1e-6, "staying")


@pytest.mark.parametrize("shuffle", ["published", "invariant", "frozen", "coupling"])
def test_a_shuffle_factors_out_the_channels_of_highest_scores(shuffle):
    model = started(EntropyInformed(shuffle, steps=1))
    levels = lcma.channel_choices(model, images())
    for level, shuffled in zip(levels, model.flow.splits, strict=True):
        half = len(level.leaving) // 2
        close(level.leaving.sum(), half, 1e-5, "half is factored out")
        assert level.scores.shape == (2 * half,)
        if shuffle in ("published", "frozen"):
            left = np.argsort(-level.scores, kind="stable")[:half]
            assert sorted(left) == np.flatnonzero(level.leaving == 1).tolist()
            # The same entropies, in another order.
            close(np.sort(level.going_out), np.sort(level.entropies), 1e-5, "entropies")
        else:
            # Routers made to prefer some channels factor these out.
            for router in shuffled.layers:
                router.offset.assign(10.0 * (np.arange(router.channels) % 2))
    if shuffle not in ("published", "frozen"):
        for level in lcma.channel_choices(model, images()):
            assert level.leaving.tolist() == [0.0, 1.0] * (len(level.leaving) // 2)


def test_what_mixes_channels_factors_out_no_channel_as_such():
    level = lcma.channel_choices(started(Haar()), images())[0]
    assert level.leaving is None
    assert np.isfinite(level.going_out).all()


def test_the_callback_follows_every_epoch_and_writes_to_tensorboard(tmp_path):
    seen = []
    watch = lcma.ChannelWatch(images(), log_dir=tmp_path, on_watch=seen.append)
    model = untrained(EntropyInformed())
    # What Keras' TensorBoard(update_freq=n) does between the steps that it records.
    with tf.summary.record_if(False):
        fit(model, [watch], epochs=2)
    assert len(watch.history) == len(seen) == 2
    last = lcma.channel_choices(model, images())
    for followed, level in zip(watch.history[-1], last, strict=True):
        close(followed.entropies, level.entropies, 1e-3, "entropies")
        close(followed.leaving, level.leaving, 0.02, "leaving")
    assert any(
        abs(first.scores - second.scores).max() > 0
        for first, second in zip(*watch.history, strict=True)
    )
    events = [
        e for file in tmp_path.iterdir() for e in tf.compat.v1.train.summary_iterator(str(file))
    ]
    tags = {(value.tag, event.step) for event in events for value in event.summary.value}
    assert ("entropy/level_1_leaving", 2) in tags
    assert ("entropy/level_1_staying", 1) in tags


def test_a_flow_without_a_split_is_refused():
    with pytest.raises(ValueError, match="got MultiScale without a split"):
        lcma.channel_choices(started(None), images())
    with pytest.raises(ValueError, match="factorization"):
        fit(untrained(None), [lcma.ChannelWatch(images())])


def test_images_that_are_none_are_refused_before_the_first_epoch():
    with pytest.raises(ValueError, match=r"images must have shape \[n, 8, 8, 2\]; got \[\]"):
        fit(untrained(Channel()), [lcma.ChannelWatch(3)])
