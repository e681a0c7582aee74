"""The report on shuffles: how Gaussian what leaves is, and which channels that are."""

import numpy as np
import pytest

from tests.training.studies.compare.study_folder import SETTINGS, result
from tfp_lcma import ChannelChoices
from tfp_lcma.factorizations import EntropyInformed
from tfp_lcma.training.runs.channel_log import to_json
from tfp_lcma.training.runs.settings import keep_settings
from tfp_lcma.training.studies.compare.arms import ARMS
from tfp_lcma.training.studies.compare.report import write_report
from tfp_lcma.training.studies.results import ResultsFile


def look(leaving_entropy, shares):
    going_out = np.array([-0.5, -0.5, leaving_entropy, leaving_entropy])
    return ChannelChoices(going_out, going_out, None, np.array(shares))


@pytest.fixture
def study(tmp_path):
    keep_settings(tmp_path, SETTINGS | {"comparison": "shuffles", "model": "eiw_flow"})
    results = ResultsFile(tmp_path / "results.jsonl")
    for seed, rise in enumerate((0.1, 0.2, 0.3)):
        row = result("channel", seed, 2.0 + seed) | {"pairs": None}
        results.append(row | {"channels": None})
        looks = [look(-0.4, [0, 0, 1, 1]), look(-0.4 + rise, [0, 0.2, 0.8, 1])]
        channels = [[to_json(level)] for level in looks]
        shuffled = {"arm": "entropy-invariant", "channels": channels}
        results.append(result("channel", seed, 1.9 + seed) | {"pairs": None} | shuffled)
    return tmp_path


def test_the_report_says_how_the_entropy_of_what_is_factored_out_rose(study):
    report = write_report(study, study / "report").read_text()
    section = report.split("## How Gaussian what is factored out is")[1].split("\n## ")[0]
    (row,) = [line for line in section.splitlines() if line.startswith("| entropy-invariant")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "entropy-invariant", "1", "-0.4000", "-0.2000", "+0.2000 ± 0.0577", "-0.5000",
        "10.0%", "200",
    ]  # fmt: skip
    assert "| channel | 1 |" not in section
    assert "The invariant shuffle did better than the split without a shuffle: -0.1000" in report
    for name in ("entropy-invariant-channels.png", "entropy-invariant-channels-history.png"):
        assert f"]({name})" in report and (study / "report" / name).exists()


def test_arms_of_shuffles_are_what_they_say_and_a_frozen_one_comes_to_rest_half_way():
    factorization = ARMS["entropy-frozen"].build([], 0, 100)
    assert isinstance(factorization, EntropyInformed)
    assert factorization.get_config()["steps"] == 50
    assert ARMS["entropy-published"].build([], 0, 100) == EntropyInformed("published", weight=1e-3)
    assert ARMS["entropy-published-weight-0"].build([], 0, 100) == EntropyInformed(weight=0.0)
    assert ARMS["entropy-published-weight-10"].build([], 0, 100) == EntropyInformed(weight=1e-2)
    assert ARMS["entropy-invariant"].build([], 0, 100) == EntropyInformed("invariant")
    assert ARMS["entropy-reversed"].build([], 0, 100).get_config()["reverse"]
