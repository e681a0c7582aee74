"""Every flow of the registry keeps the contract."""

import pytest

from tests.checks import (
    CHECKS,
    PASSED_ON,
    REPEATED_CHECKS,
    TRACING_CHECKS,
    check_finite,
    check_round_trips,
)
from tests.registry import FLOWS, LOOPED, UNROLLED, WHOLE, built, steps_of


def checks_of(name):
    """The checks that may tell a flow from those that are checked elsewhere."""
    if name in UNROLLED:
        return TRACING_CHECKS
    return [check for check in CHECKS if name not in WHOLE or check not in PASSED_ON]


CASES = [(name, check) for name in FLOWS for check in checks_of(name)]


@pytest.mark.parametrize(("name", "check"), CASES)
def test_flow_keeps_the_contract(name, check):
    CHECKS[check](built(name, "float64"))


@pytest.mark.parametrize("check", [check_round_trips, check_finite])
@pytest.mark.parametrize("name", [name for name in FLOWS if name not in WHOLE | set(UNROLLED)])
def test_flow_keeps_the_contract_in_float32(name, check):
    check(built(name, "float32"))


@pytest.mark.parametrize("check", REPEATED_CHECKS)
@pytest.mark.parametrize("name", [*LOOPED, *UNROLLED])
def test_repeated_steps_are_the_steps(name, check):
    flow = built(name, "float64")
    REPEATED_CHECKS[check](flow, steps_of(flow, (LOOPED | UNROLLED)[name]))
