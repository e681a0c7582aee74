"""The report, from made-up rows."""

import json

import pytest

from tests.training.studies.benchmark.made_up import measured, unmeasured
from tfp_lcma.training.studies.benchmark.report import write_report
from tfp_lcma.training.studies.results import ResultsFile

SETTINGS = {"threads": 2, "repetitions": 3, "processor": "a processor", "processors": 2}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
    return tmp_path


def report(folder, rows):
    file = ResultsFile(folder / "results.jsonl")
    for row in rows:
        file.append(row)
    path = write_report(folder, folder / "report")
    return path, path.read_text()


def test_report_has_seconds_ratios_pictures_and_what_is_missing(folder):
    cases = {"glow": 1.0, "glow-depth-4": 0.5, "glow-size-16": 0.3}
    rows = []
    for case, scale in cases.items():
        for round_ in range(2):
            rows += [
                measured(case, "ours", round_, 2.0 * scale, gpu="A GPU"),
                measured(case, "normflows", round_, 3.0 * scale),
                measured(case, "floor-torch", round_, 1.0 * scale, parameters=9),
            ]
        rows.append(unmeasured(case, "nflows", None, "not installed", "nflows, torch"))
        rows.append(unmeasured(case, "tfp-xla", 0, "failed", "a | b"))
    path, text = report(folder, rows)
    assert "## Glow, 3 levels × 8 steps, width 128, 32×32×3, batch 32" in text
    seconds = "2 (1.85 to 2.15)"
    assert f"| tfp_lcma | {seconds} | {seconds} | {seconds} | 100 | 1,234 | 5.0 | 2 |" in text
    assert "| tfp_lcma | 0.67 (0.67 to 0.67) |" in text
    assert "2.00 (2.00 to 2.00)" in text
    assert "| times as long as | normflows: log_prob |" in text
    assert "| nflows | not installed: nflows, torch |" in text
    assert "| glow-depth-4 | tfb.Glow, XLA | 1 | a \\| b |" in text
    assert "- Glow, normflows: networks without actnorms, which is its default" in text
    assert "| GPU | A GPU |" in text
    assert "other processes used 0.10 processors" in text
    pictures = {"glow.png", "glow-depth.png", "glow-size.png"}
    assert {file.name for file in path.parent.glob("*.png")} == pictures
    assert all(f"]({name})" in text for name in pictures)
    assert (path.parent / "results.jsonl").read_bytes() == (folder / "results.jsonl").read_bytes()
    # The report can be remade where it lies.
    assert write_report(path.parent, path.parent).read_text() == text


def test_report_stands_with_one_row_and_with_none_that_was_measured(folder):
    _, text = report(folder, [unmeasured("real-nvp", "nflows", None, "not installed", "nflows")])
    assert "| nflows | not installed: nflows |" in text
    assert "Pictures" not in text
    _, text = report(folder, [measured("real-nvp", "ours", 0, 1.0)])
    assert "RealNVP, 2 levels, width 32, 2 residual blocks" in text
    assert "times as long as" not in text


def test_a_machine_that_had_other_work_is_said_first(folder):
    _, text = report(folder, [measured("glow", "ours", 0, 1.0)])
    assert "Not to be relied on" not in text
    _, text = report(folder, [measured("glow", "ours", 1, 1.0, others=1.5)])
    assert "**Not to be relied on: in 1 of 2 runs other processes used more than 0.2" in text


def test_nothing_to_report_is_said(folder):
    with pytest.raises(ValueError, match="holds no result yet"):
        report(folder, [])
