"""The report of a ladder: verdicts from intervals, which rungs are longer, the curve."""

import numpy as np
import pytest
from PIL import Image

from tests.training.studies.ladder.made_up import write_plan, write_runs
from tfp_lcma.training.studies.compare.paired import paired_difference
from tfp_lcma.training.studies.ladder import report as reporting
from tfp_lcma.training.studies.ladder.report import write_report
from tfp_lcma.training.studies.ladder.verdicts import judge


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("ladder"))


@pytest.fixture(scope="module")
def path(folder, tmp_path_factory):
    return write_report(folder, tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize(
    ("values", "by", "verdict"),
    [
        ([-0.10, -0.11, -0.12], 0.0, "yes"),
        ([-0.10, -0.11, -0.12], 0.1, "not decided"),
        ([-0.20, -0.21, -0.22], 0.1, "yes"),
        ([0.10, 0.11, 0.12], 0.0, "no"),
        ([-0.05, -0.06, -0.055], 0.1, "no"),
        ([0.01, -0.05, 0.06], 0.0, "not decided"),
        # Alike: the interval lies within 0.03, and holds zero.
        ([0.001, -0.002, 0.002], 0.0, "no"),
        ([-0.5], 0.0, "not decided"),
    ],
)
def test_the_interval_decides(values, by, verdict):
    arm = dict(enumerate(values))
    assert judge(paired_difference(arm, dict.fromkeys(arm, 0.0)), by) == verdict


def test_every_question_has_a_verdict_with_its_figures(path):
    text = path.read_text()
    assert "Does LCMA beat the checkerboard? No: after 80 steps, lcma against" in text
    assert "Is any of them better than the checkerboard by 0.10? Yes: after 80" in text
    assert "Does the best beat LCMA? Yes: after 80 steps, haar against lcma -0.3000 (" in text
    assert "(test images, 3 seeds, " in text
    assert "| best | of haar, channel, complement: haar (" in text


def test_splits_chosen_from_data_are_those_that_were_run(tmp_path):
    folder = write_runs(tmp_path)
    text = (folder / "plan.toml").read_text().replace('arms = ["lcma", "best"]', 'arms = ["data"]')
    write_plan(folder, text)
    report = write_report(folder, tmp_path / "report").read_text()
    # Haar, which would make it a yes, looks at no data.
    assert "than the checkerboard by 0.10? No: after 80 steps, lcma against" in report
    assert "haar against checkerboard" not in report


def test_what_has_not_been_run_is_not_decided(tmp_path):
    text = write_report(write_runs(tmp_path, rungs=[(40, range(2))]), tmp_path / "r").read_text()
    assert text.count("Not decided: after 80 steps") == 3
    assert "the best of our own against lcma: not run" in text and "not chosen yet" in text


def test_a_rung_counts_if_the_baselines_best_look_is_in_its_last_half(path):
    table = path.read_text().split("## Which rungs are longer")[1]
    assert "| 40 | 3 | 40 | 40 to 40 | yes |" in table
    assert "| 80 | 3 | 10 | 10 to 10 | no |" in table


def test_rungs_are_corrected_together(folder, path):
    # Four and two arms against the baseline, and haar against LCMA at both lengths.
    assert "Holm over the 8 pairs of arms that this report compares" in path.read_text()


def test_the_report_says_what_the_runs_were_made_on(path):
    assert "| trained on | machine 0 (15 runs), machine 1 (9 runs) |" in path.read_text()


def test_everything_that_the_report_rests_on_lies_beside_it(folder, path):
    again = write_report(path.parent, path.parent)
    assert again.read_text() == path.read_text()
    assert (path.parent / "80" / "test.jsonl").exists() and (path.parent / "chosen.json").exists()


def test_the_curve_has_a_point_a_rung_and_test_images_first(folder, path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        reporting.pictures, "save_differences", lambda path, lines, label: drawn.update(lines)
    )
    monkeypatch.setattr(reporting, "write_report_files", lambda *_: None)
    write_report(folder, folder / "report")
    assert {name: [p.steps for p in points] for name, points in drawn.items()} == {
        "haar": [40, 80], "channel": [40], "complement": [40], "lcma": [40, 80],
    }  # fmt: skip
    hollow, filled = drawn["lcma"]
    assert (hollow.filled, filled.filled) == (False, True)
    assert hollow.mean == pytest.approx(0.2) and filled.mean == pytest.approx(0.1)
    assert filled.interval[0] < 0.1 < filled.interval[1]
    assert np.ptp(np.asarray(Image.open(path.parent / "differences.png").convert("L"))) > 0
