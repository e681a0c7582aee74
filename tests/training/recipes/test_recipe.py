"""Recipes are data: each must load, build its flow and say what is wrong with a setting."""

import keras
import numpy as np
import pytest
from tfp_lcma.training.data import names
from tfp_lcma.training.recipes.recipe import load_recipe, recipe_names

import tfp_lcma as lcma

PAPER_SIZES = {"cifar10": 32, "imagenet32": 32, "imagenet64": 64, "celeba": 64}


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_and_names_a_known_source(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.source in (*names(), "folder")


def test_the_command_line_overrides_a_recipe_and_none_leaves_it():
    recipe = load_recipe("digits", steps=7, levels=3, width=None)
    assert (recipe.steps, recipe.levels) == (7, 3)
    assert recipe.flow["width"] == load_recipe("digits").flow["width"]


def test_a_setting_that_the_model_has_not_is_refused():
    with pytest.raises(ValueError, match="blocks is no setting of glow in the recipe digits_glow"):
        load_recipe("digits_glow", blocks=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1; got 0"),
        ({"batch_size": -2}, "batch_size must be at least 1; got -2"),
        ({"warmup_steps": -1}, "warmup_steps must be at least 0; got -1"),
        ({"preprocessing": "log"}, "preprocessing must be one of logit, affine; got 'log'"),
        ({"learning_rate": 0.0}, r"learning_rate must be positive; got 0\.0"),
    ],
)
def test_a_setting_out_of_range_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        load_recipe("digits", **changes)


def test_an_unknown_recipe_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"recipe must be one of .*digits.*got 'cats'"):
        load_recipe("cats")


def rates(optimizer, steps):
    return [float(optimizer._learning_rate(step)) for step in range(steps + 1)]


def test_the_learning_rate_warms_up_and_decays_to_zero():
    recipe = load_recipe("digits")
    schedule = rates(recipe.build_optimizer(200), 200)
    assert schedule[0] == 0.0
    assert max(schedule) == pytest.approx(recipe.learning_rate)
    assert np.argmax(schedule) == recipe.warmup_steps
    assert schedule[-1] == pytest.approx(0.0, abs=1e-9)


def test_the_papers_learning_rate_is_constant():
    assert rates(load_recipe("cifar10").build_optimizer(10), 10) == pytest.approx([1e-3] * 11)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER_SIZES)
def test_one_real_training_step_of_a_paper_sized_recipe(name):
    recipe, size = load_recipe(name), PAPER_SIZES[name]
    keras.utils.set_random_seed(0)
    flow = recipe.build_flow((size, size, 3), lcma.factorizations.Checkerboard())
    model = lcma.FlowModel(flow)
    model.compile(optimizer=recipe.build_optimizer(recipe.steps), jit_compile=False)
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    before = [w.numpy().copy() for w in model.trainable_weights[:20]]
    history = model.fit(images, batch_size=2, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    after = [w.numpy() for w in model.trainable_weights[:20]]
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
