"""Every flow of the registry keeps the contract."""

import pytest

from tests.checks import CHECKS, check_finite, check_round_trips
from tests.registry import FLOWS, built


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", FLOWS)
def test_flow_keeps_the_contract(name, check):
    CHECKS[check](built(name, "float64"))


@pytest.mark.parametrize("check", [check_round_trips, check_finite])
@pytest.mark.parametrize("name", FLOWS)
def test_flow_keeps_the_contract_in_float32(name, check):
    check(built(name, "float32"))
