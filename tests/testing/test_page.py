"""The page on parts of one's own, followed word for word."""

import re
from pathlib import Path

from tests.seeds import seed_initializers
from tfp_lcma.testing import assert_flow_contract

PAGE = Path(__file__).parents[2] / "docs" / "your_own_parts.md"


def test_parts_of_ones_own_keep_the_contract_as_the_page_says(tmp_path, monkeypatch, capsys):
    """The page's own call asks one flow for all; the others are asked for what may differ."""
    monkeypatch.chdir(tmp_path)
    seed_initializers(0)
    names = {"__name__": "docs"}
    text = PAGE.read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        made = names.get("flow")
        exec(block, names)
        if names.get("flow") is not made:
            found.append(names["flow"])
    assert len(found) == 5
    for flow in found[:-1]:
        few = ["round_trips", "log_det", "gradients", "configuration"]
        assert_flow_contract(flow, properties=few)
    printed = re.findall(r"```none\n(.*?)```", text, flags=re.DOTALL)[-1]
    assert printed in capsys.readouterr().out
