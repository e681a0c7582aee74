"""The entropy-informed split in a model that is trained, saved and served."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.toys import fitted, pictures, tiny_model
from tfp_lcma.factorizations import Channel, EntropyInformed
from tfp_lcma.factorizations.entropy_shuffles import (
    CouplingShuffle,
    FrozenShuffle,
    InvariantShuffle,
)
from tfp_lcma.serving.signatures import build_signatures
from tfp_lcma.testing.variables import of_routers

KINDS = {"invariant": InvariantShuffle, "frozen": FrozenShuffle, "coupling": CouplingShuffle}


def model(shuffle, **options):
    options = {"weight": 1.0} | options
    made = tiny_model(factorization=EntropyInformed(shuffle, **options))
    made.initialize(pictures(64))
    return made


def shuffle_of(model):
    return model.flow.splits[0]


@pytest.mark.parametrize("name", KINDS)
def test_fit_teaches_what_is_factored_out_and_the_model_comes_back(name, tmp_path):
    made = model(name, steps=8)
    assert isinstance(shuffle_of(made), KINDS[name])
    images = pictures(128)
    before = [v.numpy().copy() for v in of_routers(made.flow)]
    history = fitted(made, images, epochs=4)
    assert history["bits_per_dimension"][-1] < history["bits_per_dimension"][0]
    if name == "frozen":
        assert shuffle_of(made).settled
    else:
        after = [v.numpy() for v in of_routers(made.flow)]
        assert all(np.any(a != b) for a, b in zip(after, before, strict=True))
    made.save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras")
    if name == "invariant":  # the contract asks round trips of all
        decoded = np.floor(again.decode(made.encode(images[:16])))
        np.testing.assert_allclose(decoded, images[:16], atol=1)
    (signature,) = (s for s in build_signatures(again) if s.name == "log_prob")
    score = signature.function(tf.constant(images[:16]))
    np.testing.assert_allclose(score["log_prob"], made.log_prob(images[:16]), rtol=1e-5)


def test_the_routers_loss_is_added_with_its_weight_and_leaves_the_likelihood_alone():
    images = pictures(32)
    logs = {}
    for weight in (0.0, 1.0, 3.0):
        made = model("invariant", weight=weight)
        made.run_eagerly = True
        logs[weight] = made.train_on_batch(images, return_dict=True)
    for weight in (1.0, 3.0):
        bits = logs[weight]["bits_per_dimension"]
        assert bits == pytest.approx(logs[0.0]["bits_per_dimension"], rel=1e-6)
    added = {weight: logs[weight]["loss"] - logs[0.0]["loss"] for weight in (1.0, 3.0)}
    assert added[3.0] / added[1.0] == pytest.approx(3, rel=1e-3)


def test_untrained_it_is_the_channel_split():
    plain = tiny_model(factorization=Channel())
    plain.initialize(pictures(64))
    made = model("invariant")
    images = pictures(8, seed=5)
    np.testing.assert_allclose(made.log_prob(images), plain.log_prob(images), rtol=1e-6)


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match='router must be "published" or'):
        EntropyInformed("sorted")
    with pytest.raises(ValueError, match='entropy must be "negentropy" or'):
        EntropyInformed(entropy="high")
    with pytest.raises(ValueError, match="steps must be a whole number >= 1"):
        EntropyInformed("frozen", steps=0).bijector(0, (2, 2, 4))
