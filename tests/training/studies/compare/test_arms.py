"""Every arm builds a split for a flow, and the names are checked."""

import keras
import numpy as np
import pytest

from tests import fields
from tests.toys import SHAPE
from tfp_lcma.factorizations import Factorization
from tfp_lcma.training.recipes import load_recipe
from tfp_lcma.training.studies.compare.arms import ARMS, PRETRAININGS
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.splits import splits_of


@pytest.fixture(scope="module")
def statistics():
    return fields.statistics(SHAPE, levels=2)


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_builds_its_split(name, statistics):
    arm = ARMS[name]
    assert set(arm.pretrainings) <= set(PRETRAININGS)
    factorization = arm.build([statistics] * len(arm.pretrainings), 3, 6)
    if name == "no-split":
        assert factorization is None
        return
    assert isinstance(factorization, Factorization)
    (split,) = splits_of(factorization, SHAPE, levels=2)
    assert tuple(split.order.event_shape) == (2, 2, 4)


def test_options_reach_the_flow(statistics):
    recipe = load_recipe("digits", width=2)
    arm = ARMS["lcma-position-aware"]
    factorization = arm.build([statistics] * len(arm.pretrainings), 0, 6)
    keras.utils.set_random_seed(0)
    aware = recipe.build_flow(SHAPE, factorization, **arm.options)
    plain = recipe.build_flow(SHAPE, factorization)
    count = [
        sum(int(np.prod(v.shape)) for v in flow.trainable_variables) for flow in (aware, plain)
    ]
    assert count[0] > count[1]


def test_haar_is_static_karhunen_loeve_chosen_from_data_and_another_start_no_split():
    assert (ARMS["haar"].kind, ARMS["karhunen-loeve"].kind) == ("static", "data")
    assert ARMS["no-split"].kind == ARMS["lcma-warm"].kind == "control"


def test_the_baseline_comes_first_whatever_is_asked_for():
    splits = COMPARISONS["splits"]
    assert splits.choose(["haar", "checkerboard", "haar"], "arms") == ("checkerboard", "haar")
    assert splits.choose(["lcma"], "arms") == ("checkerboard", "lcma")
    assert splits.choose([], "arms") == ()
    with pytest.raises(ValueError, match=r"finalists must be one of .*; got 'best'"):
        splits.choose(["best"], "finalists")


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_names_arms_that_there_are(name):
    comparison = COMPARISONS[name]
    assert comparison.baseline in comparison.arms
    assert not ARMS[comparison.baseline].pretrainings
    named = {*comparison.subjects, *(arm for question in comparison.questions for arm in question)}
    assert named <= set(comparison.arms) <= set(ARMS)
    for arm in comparison.arms:
        other = ARMS[arm].as_long_as
        assert other is None or not ARMS[other].pretrainings


def test_an_arm_is_possible_where_the_model_has_its_options():
    possible = COMPARISONS["splits"].possible(load_recipe("digits", "glow"))
    assert "lcma" in possible and "lcma-position-aware" not in possible
    assert COMPARISONS["exit-priors"].possible(load_recipe("digits", "residual_flow"))
