"""Every part that has a name is there, is exact in a flow, and comes back from its configuration.

A new line of the registry is tested by being there.
"""

import functools
import inspect
import json

import keras
import pytest

import tfp_lcma as lcma
from tests import fields
from tests.seeds import seed_initializers
from tfp_lcma import registry
from tfp_lcma.factorizations import Factorization
from tfp_lcma.testing.exactness import check_log_det, check_round_trips
from tfp_lcma.testing.inputs import move_weights

statistics = functools.cache(fields.statistics)


def named(table, name):
    return registry.load(getattr(registry, table)[name])


PARTS = [
    (table, name)
    for table in ("COUPLINGS", "NETWORKS", "EXIT_PRIORS")
    for name in getattr(registry, table)
]


@pytest.mark.parametrize(("table", "name"), PARTS)
def test_a_named_part_is_exact_in_a_flow(table, name):
    seed_initializers(0)
    levels = 2 if table == "EXIT_PRIORS" else 1
    small = {"levels": levels, "steps": 1, "width": 4, "dtype": "float64"}
    if table == "EXIT_PRIORS":
        part = {"exit_prior": named(table, name)()}
    else:
        part = {"coupling" if table == "COUPLINGS" else "network": name}
    flow = lcma.models.glow((4, 4, 1), **small, **part)
    move_weights(flow, 0.1, seed=1)
    check_round_trips(flow)
    if table != "NETWORKS":
        check_log_det(flow)


@pytest.mark.parametrize("name", registry.FACTORIZATIONS)
def test_a_named_factorization_is_built_and_comes_back_from_its_configuration(name):
    built = registry.factorization(name, steps=30, seed=3, statistics=statistics())
    if name == "none":
        assert built is None
        return
    assert isinstance(built, Factorization)
    text = json.dumps(keras.saving.serialize_keras_object(built))
    assert keras.saving.deserialize_keras_object(json.loads(text)) == built
    if registry.FACTORIZATIONS[name].source == registry.SEED:
        assert registry.factorization(name, steps=30, seed=4) != built


def test_names_stand_for_different_factorizations():
    found = [
        registry.factorization(name, steps=30, seed=3, statistics=statistics())
        for name, named in registry.FACTORIZATIONS.items()
        # What is chosen from the images has the same class and options as from a flow.
        if named.source != registry.IMAGES
    ]
    for number, one in enumerate(found):
        assert one not in found[:number], one


@pytest.mark.parametrize("name", registry.MODELS)
def test_arguments_of_a_model_are_read_without_importing_it(name):
    parameters = inspect.signature(named("MODELS", name)).parameters.values()
    expected = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert list(registry.arguments_of(registry.MODELS[name])) == expected


@pytest.mark.parametrize("table", ["PREPROCESSING", "OPTIMIZERS"])
def test_other_names_are_classes(table):
    for name in getattr(registry, table):
        assert isinstance(named(table, name), type)


def test_an_unknown_name_is_answered_with_all_nearest_first():
    with pytest.raises(ValueError, match=r"^factorization must be one of lcma, .*; got 'lmca'\.$"):
        registry.factorization("lmca", steps=1, seed=0)
    assert registry.nearest_first("gow", ["real_nvp", "glow", "jet"]) == ["glow", "real_nvp", "jet"]
