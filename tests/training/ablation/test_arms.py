"""Every arm builds a split for a flow, and the names are checked."""

import keras
import numpy as np
import pytest

import tfp_lcma as lcma
from tests.toys import SHAPE, pictures, trained
from tfp_lcma.factorizations import Factorization
from training.ablation.arms import ARMS, BASELINE, PRETRAININGS, check_arms
from training.ablation.splits import split_bijectors
from training.recipe import load_recipe


@pytest.fixture(scope="module")
def statistics():
    return lcma.LogDetCollector().collect(trained(), pictures(64))


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_builds_its_split(name, statistics):
    arm = ARMS[name]
    assert set(arm.pretrainings) <= set(PRETRAININGS)
    factorization = arm.build([statistics] * len(arm.pretrainings), 3, 6)
    if name == "nobody-leaves":
        assert factorization is None
        return
    assert isinstance(factorization, Factorization)
    (split,) = split_bijectors(factorization, SHAPE, levels=2)
    assert tuple(split.event_shape) == (2, 2, 4)


@pytest.mark.parametrize("name", ["checkerboard-position-aware", "lcma-position-aware"])
def test_options_reach_the_flow(name, statistics):
    recipe = load_recipe("digits", width=2)
    arm = ARMS[name]
    factorization = arm.build([statistics] * len(arm.pretrainings), 0, 6)
    keras.utils.set_random_seed(0)
    aware = recipe.build_flow(SHAPE, factorization, **arm.options)
    plain = recipe.build_flow(SHAPE, factorization)
    count = [
        sum(int(np.prod(v.shape)) for v in flow.trainable_variables) for flow in (aware, plain)
    ]
    assert count[0] > count[1]


def test_haar_is_static_and_karhunen_loeve_is_chosen_from_data():
    assert (ARMS["haar"].kind, ARMS["karhunen-loeve"].kind) == ("static", "data")
    assert ARMS["nobody-leaves"].kind == "control"


def test_the_baseline_comes_first_whatever_is_asked_for():
    assert check_arms(["haar", BASELINE, "haar"], "arms") == (BASELINE, "haar")
    assert check_arms(["lcma"], "arms") == (BASELINE, "lcma")
    assert check_arms([], "arms") == ()
    with pytest.raises(ValueError, match=r"finalists must be among checkerboard, .*; got 'best'"):
        check_arms(["best"], "finalists")
