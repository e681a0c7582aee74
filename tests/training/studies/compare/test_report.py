"""The report says what the results file holds, no more and no less."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.training.studies.compare.study_folder import BITS, make_study, result
from tfp_lcma.training.studies.compare import report as reporting
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.figures import mean_curve, showcase
from tfp_lcma.training.studies.compare.questions import (
    answer,
    answers,
    best_sentences,
    subject_sentences,
)
from tfp_lcma.training.studies.compare.report import write_report
from tfp_lcma.training.studies.compare.summary import summarize
from tfp_lcma.training.studies.results import ResultsFile


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def report(study):
    return write_report(study, study / "report").read_text()


SPLITS = COMPARISONS["splits"]


@pytest.fixture
def no_pictures(monkeypatch):
    """For tests of what is written."""
    monkeypatch.setattr(reporting, "draw_figures", lambda *_: [])


def row_of(report, arm):
    """The first row of a table that is about an arm."""
    line = next(line for line in report.splitlines() if line.startswith(f"| {arm} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def with_test(folder, **bits):
    tested = ResultsFile(folder / "test.jsonl")
    for arm, values in bits.items():
        for seed, value in enumerate(values):
            test = {"bits_per_dimension": value}
            tested.append({"arm": arm, "seed": seed, "command": "finalists", "test": test})
    return summarize(folder, SPLITS.baseline)


def test_arms_are_sorted_by_validation_with_their_numbers(report):
    table = report.split("## All arms")[1].split("Sorted by")[0]
    arms = re.findall(r"^\| ([a-z-]+) \|", table, flags=re.MULTILINE)[2:]
    assert arms == sorted(BITS, key=lambda arm: np.mean(BITS[arm]))
    assert row_of(report, "lcma") == [
        "lcma", "LCMA, as published", "data", "3", "2.2333 ± 0.0961", "",
        "+0.1000 ± 0.0115", "0.013", "0.026", "11.00", "0.2500", "1,000", "600", "60", "2.5",
        "36 s = 360 steps",
    ]  # fmt: skip
    assert row_of(report, "checkerboard")[6:9] == ["", "", ""]
    assert "takes 1.50 times as long" in report
    assert "95% interval 1.40 to 1.60" in report


def test_the_sentences_say_who_won_and_what_is_static(report):
    assert (
        "LCMA did worse than the static checkerboard: +0.1000 ± 0.0115 bits/dim on validation "
        "images (paired standard error, 3 seeds, p = 0.013)." in report
    )
    assert (
        "The best split chosen from data on validation images, karhunen-loeve, did better than "
        "the static checkerboard: -0.1467 ± 0.0033 bits/dim" in report
    )
    assert "The best other static split on validation images, haar, did better" in report


def test_questions_are_answered_on_test_where_both_were_read(tmp_path, no_pictures):
    make_study(tmp_path)
    found = with_test(tmp_path, checkerboard=[2.0, 2.1, 2.2], lcma=[2.0, 2.2, 2.1])
    on_test = answer(found, "lcma", "checkerboard")
    assert (on_test.images, on_test.difference.mean) == ("test", pytest.approx(0))
    assert answer(found, "haar", "checkerboard").images == "validation"
    assert answer(found, "lcma", "exit-price") is None
    asked = [(one.arm, one.reference) for one in answers(found, SPLITS)]
    assert ("lcma", "complement") in asked and ("exit-price-level", "checkerboard") not in asked
    (sentence,) = subject_sentences(found, SPLITS)
    assert sentence.startswith("LCMA showed no difference from the static checkerboard")
    assert "on test images" in sentence
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert row_of(text, "lcma")[5] == "2.1000 ± 0.0577"
    assert "finalists\n" in text, "the command that read the test images is told"


def test_the_best_arm_is_corrected_over_the_finalists_on_test(tmp_path):
    make_study(tmp_path)
    baseline = [2.0, 2.1, 2.2]
    bits = {"haar": [1.9, 2.08, 2.11], "karhunen-loeve": [1.9, 2.05, 2.11]}
    found = with_test(tmp_path, checkerboard=baseline, **bits)
    # p is 0.0346, of two.
    of_data, _ = best_sentences(found, SPLITS)
    assert "showed no difference" in of_data
    assert "Holm-corrected p = 0.069" in of_data


def test_an_arm_of_one_seed_is_not_called_the_best(tmp_path):
    make_study(tmp_path)
    ResultsFile(tmp_path / "results.jsonl").append(result("exit-price", 0, bits=1.0))
    of_data, _ = best_sentences(summarize(tmp_path, SPLITS.baseline), SPLITS)
    assert "karhunen-loeve" in of_data


def test_one_seed_claims_nothing(tmp_path, no_pictures):
    make_study(tmp_path, seeds=1)
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert row_of(text, "lcma")[4:9] == ["2.1000 ± n/a", "", "+0.1000 ± n/a", "n/a", "n/a"]
    assert "with 1 seed: no difference is shown by one seed" in text
    assert not re.search(r"did (better|worse)", text)


def test_a_failed_run_and_a_shared_run_are_shown(tmp_path, no_pictures):
    make_study(tmp_path)
    results = ResultsFile(tmp_path / "results.jsonl")
    results.append({"arm": "channel", "seed": 0, "command": "c", "failed": "loss became NaN"})
    twin = result("exit-price-level", 1, 2.1) | {"same_as": "checkerboard"}
    results.append(twin)
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert "| channel | 0 | loss became NaN |" in text
    assert row_of(text, "channel")[2] == "loss became NaN", "it is in no other table"
    assert row_of(text, "exit-price-level")[1].endswith("(same split as checkerboard)")


def test_pairs_are_shares_of_blocks(report):
    table = report.split("## Which pixels stay")[1]
    assert row_of(table, "lcma")[2:] == ["0.0%", "0.0%", "25.0%", "75.0%", "0.0%", "0.0%"]
    assert "| haar |" not in table


def test_every_picture_is_there_and_shows_something(study, report):
    named = set(re.findall(r"\]\(([^)]+)\)", report))
    files = {path.name for path in (study / "report").iterdir()} - {"report.md", "report.html"}
    assert named == files
    assert files == {
        "curves.png", "pairs-level-1.png", "log-det-level-1.png", "log-det-level-2.png",
        "exit-price-level-1.png", "checkerboard-exit-map.png", "lcma-exit-map.png",
        *(f"{arm}-samples.png" for arm in BITS if arm != "complement"),
    }  # fmt: skip
    for name in files - {name for name in files if name.endswith(("samples.png", "map.png"))}:
        assert np.ptp(np.asarray(Image.open(study / "report" / name).convert("L"))) > 0, name


def test_curves_are_means_over_seeds_of_a_handful(study):
    shown = showcase(summarize(study, SPLITS.baseline), SPLITS)
    expected = ["checkerboard", "lcma", "haar", "karhunen-loeve", "no-split"]
    assert [summary.name for summary in shown] == expected
    mean = np.mean(BITS["checkerboard"])
    expected = [(200, mean + 1 / 200), (600, mean + 1 / 600)]
    np.testing.assert_allclose(mean_curve(shown[0]), expected)


def test_the_report_is_remade_from_the_folder_alone(study, report):
    assert write_report(study, study / "again").read_text() == report


def test_clusters_and_missing_classes_are_said(tmp_path, no_pictures):
    make_study(tmp_path, clusters=[7, 1, 2])
    rows = [row | {"quality": None} for row in ResultsFile(tmp_path / "results.jsonl").rows()]
    (tmp_path / "results.jsonl").unlink()
    for row in rows:
        ResultsFile(tmp_path / "results.jsonl").append(row)
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert "The validation images come from 1 cluster (photographs)" in text
    assert "FID and KID are left out" in text
    assert row_of(text, "lcma")[9:11] == ["n/a", "n/a"]


def test_a_study_without_results_still_has_a_report(tmp_path):
    make_study(tmp_path)
    (tmp_path / "results.jsonl").unlink()
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert "LCMA was not compared with the static checkerboard" in text


def test_a_comparison_of_priors_has_its_own_baseline_and_questions(tmp_path, no_pictures):
    folder = make_study(tmp_path, comparison="exit-priors")
    (folder / "results.jsonl").unlink()
    bits = {
        "conditional-gaussian": [2.0, 2.1, 2.3],
        "conditional-gaussian-as-long": [1.8, 1.91, 2.09],
        "channel-autoregressive": [1.9, 1.99, 2.21],
    }
    for arm, values in bits.items():
        for seed, value in enumerate(values):
            ResultsFile(folder / "results.jsonl").append(result(arm, seed, value))
    text = write_report(folder, folder / "report").read_text()
    assert text.startswith("# What is factored out, and under which prior: a comparison on digits")
    assert "The channel-autoregressive prior did better than the conditional Gaussian" in text
    assert "difference from conditional-gaussian" in text
    asked = text.split("## Named questions")[1]
    assert row_of(asked, "channel-autoregressive")[1] == "conditional-gaussian"
    assert (
        "| channel-autoregressive | conditional-gaussian-as-long | validation | 3 | +0.1" in asked
    )
