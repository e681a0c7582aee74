"""A finished run becomes a model that comes with the package, and its card says how."""

import dataclasses
import json
import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.eager import eagerly
from tests.toys import pictures, tiny_model
from tests.training.tiny import tiny_recipe
from tfp_lcma.pretrained.cards import read_card
from tfp_lcma.pretrained.weights import read_model
from tfp_lcma.training.cli.train import train
from tfp_lcma.training.data import Dataset, Split
from tfp_lcma.training.recipes import load_recipe
from tfp_lcma.training.runs.load_run import LoadedRun
from tfp_lcma.training.runs.neighbours import distances, nearest
from tfp_lcma.training.runs.pack import pack, train_command
from tfp_lcma.training.runs.run import Run


@pytest.fixture(scope="module")
def model():
    model = tiny_model(bins=17)
    model.initialize(pictures(8, bins=17))
    return model


@pytest.fixture
def run(model):
    """What is loaded of a finished run of a small model that was never trained."""
    # Thirds, which half precision has not.
    model.set_weights([np.where(w, w + 1 / 3000, 0).astype(w.dtype) for w in model.get_weights()])
    what = {"factorization": "channel", "labels": False, "seed": 0, "pixels": None}
    return LoadedRun(model, dataclasses.asdict(tiny_recipe()) | what, {"test": {}})


@pytest.fixture
def dataset():
    sides = (Split(pictures(40, seed=seed, bins=17)) for seed in range(3))
    return Dataset("toy", *sides, bins=17)


def packed(run, dataset, folder):
    with eagerly():
        return pack(
            run,
            dataset,
            folder / "model",
            name="toy",
            about="A toy.",
            temperature=0.5,
            picture=folder / "picture.png",
        )


def test_a_run_is_packed_with_its_bits_card_and_picture(run, dataset, tmp_path):
    with eagerly():
        before = run.model.bits_per_dimension(dataset.test.images)
    card = packed(run, dataset, tmp_path)
    assert card == read_card(tmp_path / "model")
    bits = card["bits_per_dimension"]
    assert card["weights"] == "float16" and 0 < card["moved_by_rounding"] < 0.001
    assert bits["mean"] == pytest.approx(before.mean(), abs=0.001)
    low, high = bits["interval"]
    # Student's t of 39 degrees of freedom.
    assert (high - low) / 2 == pytest.approx(2.0227 * bits["standard_error"], rel=1e-4)
    model = read_model(tmp_path / "model")
    with eagerly():
        found = model.bits_per_dimension(
            dataset.test.images, draws=bits["draws"], seed=bits["seed"]
        )
    assert found.mean() == pytest.approx(bits["mean"], abs=1e-5)
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size[0] > 10 * 64


def test_weights_that_rounding_would_move_too_far_stay_as_they_are(
    run, dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr("tfp_lcma.training.runs.pack.MOST_MOVED", 1e-9)
    weights = run.model.get_weights()
    card = packed(run, dataset, tmp_path)
    assert card["weights"] == "float32" and card["moved_by_rounding"] == 0
    read = read_model(tmp_path / "model").get_weights()
    for found, expected in zip(read, weights, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_run_without_test_results_or_of_unknown_licence_is_refused(run, dataset, tmp_path):
    with pytest.raises(ValueError, match="must be a finished run"):
        packed(run._replace(metrics={}), dataset, tmp_path)
    with pytest.raises(ValueError, match=r"digits, fashion_mnist, .* it is of pictures"):
        packed(run._replace(settings=run.settings | {"source": "pictures"}), dataset, tmp_path)


@pytest.mark.parametrize(
    ("source", "model", "changes", "what"),
    [
        ("digits", "real_nvp", {}, {"factorization": "lcma", "labels": False, "seed": 0}),
        (
            "fashion_mnist",
            "glow",
            {"width": 64, "steps": 10, "decay": False, "preprocessing": "affine"},
            {"factorization": "channel", "labels": True, "seed": 3},
        ),
    ],
)
def test_the_command_on_the_card_trains_the_same_again(source, model, changes, what, monkeypatch):
    recipe = load_recipe(source, model, **changes)
    fields = {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}
    command = train_command(json.loads(json.dumps(fields | what)))
    runs = []
    monkeypatch.setattr("tfp_lcma.training.cli.train.given_dataset", lambda *_, **__: None)
    monkeypatch.setattr("tfp_lcma.training.runs.threads.use_threads", lambda count: None)
    monkeypatch.setattr(Run, "execute", lambda self, dataset: runs.append(self) or {})
    monkeypatch.setattr("tfp_lcma.training.cli.train._say_results", lambda *_: None)
    result = CliRunner().invoke(train, shlex.split(command)[2:])
    assert result.exit_code == 0, result.output
    assert runs[0].recipe == recipe
    assert {name: getattr(runs[0], name) for name in what} == what


def test_nearest_is_the_nearest_and_a_copy_is_at_no_distance():
    images = np.concatenate([pictures(5, seed=1), pictures(4)[2:3]])
    others = pictures(4)
    which, distance = nearest(images, others)
    squares = (images[:, None].astype(float) - others) ** 2
    expected = np.sqrt(squares.mean(axis=(2, 3, 4)))
    np.testing.assert_array_equal(which, expected.argmin(axis=1))
    np.testing.assert_allclose(distance, expected.min(axis=1), rtol=1e-12)
    assert which[-1] == 2 and distance[-1] == 0


class ByHeart:
    """Stands for a model whose samples are these images."""

    conditions, bins = None, 256

    def __init__(self, images):
        self.images = images

    def sample(self, count, condition, seed, temperature):
        return np.resize(self.images, (count, *self.images.shape[1:])) + 0.5


def test_samples_learned_by_heart_are_nearer_to_training_images():
    images = pictures(90, seed=3)
    dataset = Dataset("pictures", Split(images[:30]), Split(images[30:60]), Split(images[60:]))
    learned = distances(ByHeart(dataset.train.images), dataset, 1.0)
    assert learned["training"] == 0 and learned["images"] == 30
    fresh = distances(ByHeart(dataset.test.images), dataset, 1.0)
    assert fresh["training"] > 0.9 * fresh["validation"]
