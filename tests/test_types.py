"""A type checker sees what is wrong in a call of the package, and nothing wrong in a right one."""

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[1]

# What mypy must say of each call; None: nothing.
CALLS = {
    "lcma.models.real_nvp((8, 8, 1), levels=2, factorization=lcma.factorizations.Channel())": None,
    "lcma.models.real_nvp((8, 8, 1), factorization=None, conditions=10)": None,
    "lcma.models.real_nvp((8, 8, 1), level=2)": "call-arg",
    'lcma.models.real_nvp((8, 8, 1), factorization="channel")': "arg-type",
    "lcma.models.glow((8, 8, 1), factorization=lcma.factorizations.Channel)": "arg-type",
    "lcma.models.glow((8, 8, 1), network=lcma.networks.Residual())": None,
    "lcma.models.glow((8, 8, 1), network=8)": "arg-type",
    "lcma.models.glow((8, 8, 1), exit_prior=lcma.factorizations.Channel())": "arg-type",
    "lcma.factorizations.Channel(kept=0.5)": "call-arg",
    "lcma.FlowModel(lcma.models.glow((8, 8, 1)), bins=16)": None,
    "lcma.FlowModel(lcma.factorizations.Channel())": "arg-type",
    "lcma.FlowModel(lcma.models.glow((8, 8, 1))).sample(4, temperature=0.7)": None,
    "lcma.FlowModel(lcma.models.glow((8, 8, 1))).sample(4, temperatures=0.7)": "call-arg",
    'lcma.FlowModel(lcma.models.glow((8, 8, 1))).sample("4")': "arg-type",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Returns the kinds of error that mypy finds in each line of a file of these calls."""
    path = tmp_path_factory.mktemp("types") / "calls.py"
    path.write_text("\n".join(["import tfp_lcma as lcma", *CALLS]) + "\n", encoding="utf-8")
    arguments = ("--config-file", "pyproject.toml", "--cache-dir", ".mypy_cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        report, failure, _ = api.run([*arguments, str(path)])
    assert not failure
    found = re.findall(rf"{path.name}:(\d+): error: .*\[([a-z-]+)\]$", report, flags=re.MULTILINE)
    kinds = dict.fromkeys(CALLS)
    lines = ["", "", *CALLS]
    for number, kind in found:
        kinds[lines[int(number)]] = kind
    return kinds


@pytest.mark.parametrize("call", CALLS)
def test_call_is_checked_by_its_types(said, call):
    assert said[call] == CALLS[call]
