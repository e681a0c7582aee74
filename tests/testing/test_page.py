"""The page on parts of one's own, followed word for word; `make docs` asks."""

import re
from pathlib import Path

import pytest

from tests.seeds import seed_initializers
from tfp_lcma.testing import assert_flow_contract

PAGE = Path(__file__).parents[2] / "docs" / "how_to" / "your_own_parts.md"
TEXT = PAGE.read_text(encoding="utf-8")


def made_on_the_page():
    """Runs the page; returns its flows, in order."""
    names = {"__name__": "docs"}
    flows = []
    for block in re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL):
        made = names.get("flow")
        exec(block, names)
        if names.get("flow") is not made:
            flows.append(names["flow"])
    return flows


@pytest.fixture(autouse=True)
def in_a_fresh_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seed_initializers(0)


@pytest.mark.slow
def test_the_page_runs_and_prints_what_it_says(capsys):
    """Its own call asks the last of its flows for all properties."""
    assert len(made_on_the_page()) == 5
    printed = re.findall(r"```none\n(.*?)```", TEXT, flags=re.DOTALL)[-1]
    assert printed in capsys.readouterr().out


@pytest.mark.slow
def test_parts_of_ones_own_keep_the_contract():
    few = ["round_trips", "log_det", "gradients", "configuration"]
    for flow in made_on_the_page()[:-1]:
        assert_flow_contract(flow, properties=few)
