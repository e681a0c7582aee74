"""Recipes are data: each must be whole, build its flow and say what is wrong with a setting."""

import itertools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import tfp_lcma as lcma
from tfp_lcma import registry
from tfp_lcma.training.data import names
from tfp_lcma.training.data.sources import event_shape
from tfp_lcma.training.recipes import compose, load_recipe
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.recipes.tables import (
    from_tables,
    overridden,
    read_toml,
    to_tables,
    to_toml,
)
from tfp_lcma.training.runs.memory import PeakMemory

PAPER_SIZES = {"cifar10": 32, "imagenet32": 32, "imagenet64": 64, "celeba": 64}
PAIRS = [*itertools.product(compose.data_names(), compose.model_names())]


@pytest.mark.parametrize(("data", "model"), PAIRS)
def test_every_model_has_a_recipe_on_every_data_set(data, model):
    recipe = load_recipe(data, model)
    assert (recipe.name, recipe.source, recipe.model) == (f"{data}-{model}", data, model)


def test_every_data_set_has_settings():
    assert set(compose.data_names()) == set(names())


@pytest.mark.parametrize("name", compose.paper_names())
def test_published_settings_are_whole_and_name_their_source(name):
    recipe = from_tables(name, compose.published(name))
    assert name == f"{recipe.source}-{recipe.model}"
    assert recipe.steps >= 200_000
    assert compose.description("papers", recipe.model)


def blocks(kind, name):
    """What a file says itself: the (key, value) pairs of each table, those of pairs too."""
    found = {}

    def walk(table, place):
        for key, value in table.items():
            if isinstance(value, dict):
                walk(value, (*place, key))
            else:
                found.setdefault(place, set()).add((key, json.dumps(value)))

    walk(compose._read(kind, name), ())
    return found


def test_no_file_repeats_a_block_of_another():
    files = [(path.parent.name, path.stem) for path in sorted(compose.FOLDER.glob("*/*.toml"))]
    assert len(files) > 15
    for (one, first), (other, second) in itertools.combinations(
        [(file, blocks(*file)) for file in files], 2
    ):
        for place in first.keys() & second.keys():
            shared = first[place] & second[place]
            # What files say alike is taken over by `like`; three numbers may happen to be equal.
            assert len(shared) <= 3, (one, other, place, shared)


def test_a_pair_has_what_its_data_set_says_of_the_model_and_of_models_like_it():
    assert load_recipe("fashion_mnist").global_clipnorm is None
    for model in ("glow", "eiw_flow", "mar_scf"):
        assert load_recipe("fashion_mnist", model).global_clipnorm == 10_000
        assert load_recipe("mnist", model).global_clipnorm == 10_000
        assert load_recipe("digits", model).flow["width"] == 32
    # What a model asks for with any data stands above what a data set says of those like it.
    assert load_recipe("fashion_mnist", "mar_scf").learning_rate == 4e-3
    assert load_recipe("fashion_mnist", "glow").learning_rate == 2e-3


def test_eiw_flow_has_the_order_of_its_authors_and_published_their_network_too():
    published = from_tables("cifar10-eiw_flow", compose.published("cifar10-eiw_flow"))
    assert published.flow["network"] == "densenet"
    split = registry.factorization(compose.usual_factorization("eiw_flow"), steps=1, seed=0)
    assert split == lcma.factorizations.EntropyInformed("published")
    assert compose.usual_factorization("glow") == compose.usual_factorization("mar_scf") == "lcma"


def test_jet_has_patches_that_every_data_set_can_be_cut_into():
    for data in compose.data_names():
        recipe = load_recipe(data, "jet")
        recipe.check_size(*event_shape(data)[:2])
        assert recipe.levels == 2
    message = r"model\.patch must make an even number of patches .* 28×28 pixels; got 4"
    with pytest.raises(ValueError, match=message):
        load_recipe("fashion_mnist", "jet", patch=4).check_size(28, 28)
    published = from_tables("imagenet64-jet", compose.published("imagenet64-jet"))
    assert published.global_clipnorm == pytest.approx(64 * 64 * 3 * np.log(2), rel=1e-5)
    optimizer = published.build_optimizer(published.steps)
    assert (optimizer.beta_2, optimizer.weight_decay) == (0.95, 1 / 30)
    assert isinstance(
        published.build_model(lcma.models.jet((8, 8, 1), patch=2, width=8), 256, 0).preprocessing,
        lcma.bijectors.SymmetricPreprocessing,
    )


def test_images_of_ones_own_have_a_recipe_of_their_own_name():
    recipe = load_recipe("./some/pictures", "glow")
    assert (recipe.name, recipe.source) == ("pictures-glow", "./some/pictures")
    assert recipe.image_size == 32
    assert load_recipe("pictures.npz").image_size is None


def test_settings_are_overridden_and_none_leaves_them():
    recipe = load_recipe("digits", steps=7, levels=3, width=None)
    assert (recipe.steps, recipe.levels) == (7, 3)
    assert recipe.flow["width"] == load_recipe("digits").flow["width"]
    tables = overridden(to_tables(recipe), {"model.width": 5, "training.optimizer": "adamax"})
    changed = from_tables(recipe.name, tables)
    assert (changed.flow["width"], changed.optimizer, changed.steps) == (5, "adamax", 7)


@pytest.mark.parametrize("name", ["cifar10-mar_scf", "celeba-real_nvp"])
def test_a_recipe_written_to_a_file_comes_back(tmp_path, name):
    recipe = from_tables(name, compose.published(name))
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(name, to_tables(recipe)), encoding="utf-8")
    assert from_tables(*read_toml(path)) == recipe


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ({"training.steps": 0}, r"training\.steps must be at least 1; got 0"),
        ({"training.steps": 1.5}, r"training\.steps must be a whole number; got 1\.5"),
        ({"training.decay": 1}, r"training\.decay must be true or false; got 1"),
        ({"training.batch_size": -2}, r"training\.batch_size must be at least 1; got -2"),
        ({"training.warmup_steps": -1}, r"training\.warmup_steps must be at least 0; got -1"),
        ({"training.l2": -0.5}, r"training\.l2 must be at least 0; got -0\.5"),
        ({"training.global_clipnorm": 0}, r"training\.global_clipnorm must be positive; got 0"),
        ({"training.learning_rate": 0.0}, r"training\.learning_rate must be positive; got 0\.0"),
        (
            {"training.preprocessing": "logi"},
            r"training\.preprocessing must be one of logit, affine, symmetric; got 'logi'",
        ),
        (
            {"training.dequantization": "variation"},
            r"training\.dequantization must be one of variational, uniform; got 'variation'",
        ),
        ({"model.name": "glwo"}, r"model\.name must be one of glow, .*real_nvp.*; got 'glwo'"),
        ({"model.blocks": 2}, r"model\.blocks is no setting of glow; it has .*width"),
        ({"model.factorization": "x"}, r"model\.factorization is no setting of glow"),
        ({"model.levels": 0}, r"model\.levels must be at least 1; got 0"),
        ({"model.coupling": "afine"}, r"model\.coupling must be one of affine, .*; got 'afine'"),
        ({"training.learning_rat": 1}, r"learning_rat is no setting; training has learning_rate,"),
        ({"learning_rate": 1}, r"learning_rate is no setting; there are training\.learning_rate,"),
    ],
)
def test_a_setting_that_is_wrong_is_named_with_what_was_expected(assignments, message):
    with pytest.raises(ValueError, match=message):
        from_tables("digits-glow", overridden(compose.composed("digits", "glow"), assignments))


def test_an_unknown_model_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"model must be one of real_nvp, .*glow.*; got 'realnvp'"):
        load_recipe("digits", "realnvp")


def rates(optimizer, steps):
    return [float(optimizer._learning_rate(step)) for step in range(steps + 1)]


def test_the_learning_rate_warms_up_and_decays_to_zero():
    recipe = load_recipe("digits", warmup_steps=15)
    schedule = rates(recipe.build_optimizer(200), 200)
    assert schedule[0] == 0.0
    assert max(schedule) == pytest.approx(recipe.learning_rate)
    assert np.argmax(schedule) == 15
    assert schedule[-1] == pytest.approx(0.0, abs=1e-9)


def test_the_papers_learning_rate_is_constant():
    recipe = from_tables("cifar10-real_nvp", compose.published("cifar10-real_nvp"))
    assert rates(recipe.build_optimizer(10), 10) == pytest.approx([1e-3] * 11)


@pytest.mark.parametrize("name", registry.DEQUANTIZATIONS)
def test_dequantization_is_taken_by_name(name):
    recipe = load_recipe("digits", "glow", dequantization=name, steps=1, width=2)
    model = recipe.build_model(recipe.build_flow((4, 4, 1), None, steps=1), 17, seed=0)
    assert type(model.dequantization).__name__.lower() == name


def test_parts_of_a_model_are_taken_by_name():
    tables = overridden(
        compose.composed("digits", "glow"),
        {"model.exit_prior": "conditional_gaussian", "model.steps": 1, "model.width": 2},
    )
    flow = from_tables("digits-glow", tables).build_flow((4, 4, 1), None)
    assert isinstance(flow.exit_prior, lcma.priors.ConditionalGaussian)


@pytest.mark.slow
@pytest.mark.parametrize("data", PAPER_SIZES)
def test_one_real_training_step_of_a_paper_sized_recipe(data):
    name, size = f"{data}-real_nvp", PAPER_SIZES[data]
    recipe: Recipe = from_tables(name, compose.published(name))
    keras.utils.set_random_seed(0)
    flow = recipe.build_flow((size, size, 3), lcma.factorizations.Checkerboard())
    model = lcma.FlowModel(flow)
    model.compile(optimizer=recipe.build_optimizer(recipe.steps), jit_compile=False)
    # The smallest in the batches it was published with, the others in batches that two cores carry.
    batch = recipe.batch_size if data == "cifar10" else 2
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    before = [w.numpy().copy() for w in model.trainable_weights[:20]]
    memory = PeakMemory()
    history = model.fit(images, batch_size=batch, epochs=1, verbose=0)
    assert (memory.megabytes() or 0) < 6000
    assert np.isfinite(history.history["loss"]).all()
    after = [w.numpy() for w in model.trainable_weights[:20]]
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


STEP_OF_JET = """
import numpy as np

from tfp_lcma.training.recipes import compose
from tfp_lcma.training.recipes.tables import from_tables
from tfp_lcma.training.runs.memory import peak_megabytes

recipe = from_tables("imagenet64-jet", compose.published("imagenet64-jet"))
assert recipe.flow["memory"] == "invert"
model = recipe.build_model(recipe.build_flow((64, 64, 3), None), 256, seed=0)
model.compile(optimizer=recipe.build_optimizer(recipe.steps), jit_compile=False)
images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
bits = model.train_on_batch(images, return_dict=True)["bits_per_dimension"]
print(model.count_params(), float(bits), peak_megabytes())
"""


@pytest.mark.slow
def test_a_step_of_jet_at_its_published_size_fits_in_eight_gigabytes():
    words = [sys.executable, "-c", STEP_OF_JET]
    found = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    parameters, bits, megabytes = map(float, found.stdout.split())
    print(f"{parameters:,.0f} parameters, {bits:.2f} bits/dim, {megabytes:.0f} MB")
    assert parameters > 200e6
    assert np.isfinite(bits)
    # All of the process: what it imports, weights, their gradients and what Adam keeps.
    assert megabytes < 8000
