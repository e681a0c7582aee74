"""Every flow of the registry keeps the contract."""

import pytest

from tests.checks import DERIVED, EXACTNESS, REPEATED_CHECKS
from tests.registry import (
    ARRANGEMENTS,
    CONDITIONAL,
    FLOWS,
    LOOPED,
    UNROLLED,
    WAYS,
    built,
    steps_of,
)
from tfp_lcma.bijectors import Coupling
from tfp_lcma.bijectors.inside import modules_inside
from tfp_lcma.testing import PROPERTIES, assert_flow_contract

CLASSES = [name for name in FLOWS if name not in ARRANGEMENTS | set(UNROLLED)]


def checks_of(name):
    """The checks that may tell a flow from those that are checked elsewhere."""
    if name in UNROLLED:
        # Eagerly no steps loop; in a graph they are also compared one by one.
        return ("one_pass",)
    if name in ARRANGEMENTS:
        return (*EXACTNESS, "conditions") if name in CONDITIONAL else EXACTNESS
    return [check for check in PROPERTIES if name in WAYS or check not in DERIVED]


@pytest.mark.parametrize("name", FLOWS)
def test_flow_keeps_the_contract(name):
    assert_flow_contract(built(name, "float64"), properties=checks_of(name), perturb=False)


@pytest.mark.parametrize("name", CLASSES)
def test_flow_keeps_the_contract_in_float32(name):
    flow = built(name, "float32")
    assert_flow_contract(flow, properties=["round_trips", "finite"], perturb=False)


REPEATED_CASES = [(name, check) for name in LOOPED for check in REPEATED_CHECKS]
REPEATED_CASES += [(name, "steps_one_by_one") for name in UNROLLED]


@pytest.mark.parametrize(("name", "check"), REPEATED_CASES)
def test_repeated_steps_are_the_steps(name, check):
    flow = built(name, "float64")
    REPEATED_CHECKS[check](flow, steps_of(flow, (LOOPED | UNROLLED)[name]))


@pytest.mark.parametrize("name", FLOWS)
def test_modules_inside_are_those_that_tensorflow_finds(name):
    flow = built(name, "float64")
    assert list(map(id, modules_inside(flow))) == list(map(id, flow.submodules))


def classes(names):
    """The classes of all that flows of these names are made of."""
    found = set()
    for part in (part for name in names for part in built(name, "float64").kinds):
        found |= {type(part), *map(type, part.layers)}
        if isinstance(part, Coupling):
            found |= {type(part.partition), type(part.transform)}
    return found


def test_every_class_is_held_to_all_that_is_its_own_somewhere():
    assert classes(FLOWS) == classes(CLASSES)
    assert set(CLASSES) >= WAYS
