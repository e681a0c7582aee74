"""The report says what the results file holds, no more and no less."""

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

from tests.training.studies.compare.study_folder import BITS, make_study, result
from tfp_lcma.training.studies.compare import report as reporting
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.figures import mean_curve, showcase
from tfp_lcma.training.studies.compare.images import IMAGES, ImagesFile
from tfp_lcma.training.studies.compare.questions import (
    Answers,
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
    return answers_in(folder)


def answers_in(folder):
    return Answers(summarize(folder, SPLITS.baseline), SPLITS)


def test_arms_are_sorted_by_validation_with_their_numbers(report):
    table = report.split("## All arms")[1].split("Sorted by")[0]
    arms = re.findall(r"^\| ([a-z-]+) \|", table, flags=re.MULTILINE)[2:]
    assert arms == sorted(BITS, key=lambda arm: np.mean(BITS[arm]))
    assert row_of(report, "lcma") == [
        # The error 0.0115 times Student's 4.303 of two degrees of freedom; Holm's factor is 3 of 6.
        "lcma", "LCMA, as published", "data", "3", "2.2333 ± 0.0961",
        "+0.1000 (+0.0503 to +0.1497)", "+0.1000", "0.039", "11.00", "0.2500", "1,000", "last",
        "600", "60", "2.5", "36 s = 360 steps",
    ]  # fmt: skip
    assert row_of(report, "checkerboard")[5:8] == ["", "", ""]
    assert "takes 1.50 times as long" in report
    assert "95% interval 1.40 to 1.60" in report


def test_the_sentences_say_who_won_and_what_is_static(report):
    assert (
        "LCMA did worse than the static checkerboard: +0.1000 (+0.0503 to +0.1497) bits/dim on "
        "validation images (3 seeds, Holm-corrected p = 0.039)." in report
    )
    assert (
        "The best split chosen from data on validation images, karhunen-loeve, did better than "
        "the static checkerboard: -0.1467 (-0.1610 to -0.1323) bits/dim" in report
    )
    assert report.count("It was chosen by the same seeds.") == 2
    assert "last weights" in report and "selected on the same seeds" in report
    assert "The best other static split on validation images, haar, did better" in report


def test_questions_are_answered_on_test_where_both_were_read(tmp_path, no_pictures):
    make_study(tmp_path)
    found = with_test(tmp_path, checkerboard=[2.0, 2.1, 2.2], lcma=[2.0, 2.2, 2.1])
    on_test = found.find("lcma", "checkerboard")
    assert (on_test.images, on_test.difference.mean) == ("test", pytest.approx(0))
    assert found.find("haar", "checkerboard").images == "validation"
    assert found.find("exit-price", "checkerboard") is None
    asked = [(one.arm, one.reference) for one in found.named()]
    assert ("lcma", "complement") in asked and ("exit-price-level", "checkerboard") not in asked
    (sentence,) = subject_sentences(found)
    assert sentence.startswith("LCMA showed no difference from the static checkerboard")
    assert "on test images" in sentence
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert row_of(text.split("## Test images")[1], "lcma")[2] == "2.1000 ± 0.0577"
    assert "finalists\n" in text, "the command that read the test images is told"


def test_questions_are_corrected_together_and_once(tmp_path):
    make_study(tmp_path)
    bits = {"haar": [1.9, 2.08, 2.11], "karhunen-loeve": [1.9, 2.05, 2.11]}
    found = with_test(tmp_path, checkerboard=[2.0, 2.1, 2.2], **bits)
    # Five arms against the baseline, two of them on test images, and LCMA against the complement;
    # the other named questions are among these.
    assert found.count == 6
    assert found.find("haar", "checkerboard", "validation").corrected_p is None
    turned = dataclasses.replace(SPLITS, questions=(("checkerboard", "haar"),))
    assert Answers(found.summaries, turned).count == 5
    # p is 0.0346; LCMA against the complement has 0.0287, and three or four are not smaller.
    answer = found.find("karhunen-loeve", "checkerboard", "test")
    assert answer.difference.p == pytest.approx(0.0346, abs=1e-4)
    assert answer.corrected_p == pytest.approx(4 * found.find("lcma", "complement").difference.p)
    of_data, _ = best_sentences(found)
    assert "did better" in of_data and "one such interval may be chance" in of_data


def test_an_arm_of_one_seed_is_not_called_the_best(tmp_path):
    make_study(tmp_path)
    ResultsFile(tmp_path / "results.jsonl").append(result("exit-price", 0, bits=1.0))
    of_data, _ = best_sentences(answers_in(tmp_path))
    assert "karhunen-loeve" in of_data


def test_one_seed_claims_nothing(tmp_path, no_pictures):
    make_study(tmp_path, seeds=1)
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert row_of(text, "lcma")[4:7] == ["2.1000 ± n/a", "+0.1000", "+0.1000"]
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


def test_bits_that_are_not_background_stand_beside_those_of_all_dimensions(tmp_path, no_pictures):
    folder = make_study(tmp_path)
    results, tested = ResultsFile(folder / "results.jsonl"), ResultsFile(folder / "test.jsonl")
    for row in (result("random", seed, 2.5) for seed in range(2)):
        results.append(row | {"foreground": {"bits_per_dimension": 5.0 + row["seed"]}})
    test = {"test": {"bits_per_dimension": 2.0}, "foreground": {"bits_per_dimension": 4.0}}
    tested.append({"arm": "random", "seed": 0, "command": "finalists"} | test)
    report = write_report(folder, tmp_path / "report").read_text()
    lines = [line for line in report.splitlines() if line.startswith("| random |")]
    assert "| 5.5000 ± 0.5000 |" in lines[0] and "| 4.0000 ± n/a |" in lines[1]
    assert report.count("| bits/dim that is not background |") == 2


def test_clusters_and_missing_classes_are_said(tmp_path, no_pictures):
    make_study(tmp_path, clusters=[7, 1, 2])
    rows = [row | {"quality": None} for row in ResultsFile(tmp_path / "results.jsonl").rows()]
    (tmp_path / "results.jsonl").unlink()
    for row in rows:
        ResultsFile(tmp_path / "results.jsonl").append(row)
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert "The validation images come from 1 cluster (photographs or groups" in text
    assert "FID and KID are left out" in text
    assert "FID" not in text.split("## All arms")[1].split("\n| ---")[0]


REPORTED = {"checkerboard": [3.0, 3.1, 3.2], "lcma": [3.1, 3.21, 3.33]}


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A study whose report seeds are 10 to 12, as it is made today, and its report elsewhere."""
    folder, at = make_study(tmp_path_factory.mktemp("reported")), tmp_path_factory.mktemp("at")
    rows, tests = ResultsFile(folder / "results.jsonl"), ResultsFile(folder / "test.jsonl")
    images = ImagesFile(folder / IMAGES)
    clusters = np.array([0, 0, 1, 1])
    # Read before there were report seeds, and unlike them.
    with_test(folder, checkerboard=[2.0, 2.1, 2.2], lcma=[1.0, 1.1, 1.2])
    for arm, values in REPORTED.items():
        for seed, value in enumerate(values, start=10):
            bits = value + np.array([-0.3, -0.1, 0.0, 0.4]) * (1 if arm == "lcma" else 2)
            images.add("validation", arm, seed, bits, clusters)
            images.add("test", arm, seed, bits, clusters)
            ours = {"image_bits": IMAGES, "best_step": 400, "report": True}
            rows.append(result(arm, seed, value) | ours)
            test = {"arm": arm, "seed": seed, "command": "t", "test": {"bits_per_dimension": value}}
            tests.append(test | {"image_bits": IMAGES})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "draw_figures", lambda *_: [])
        return folder, write_report(folder, at)


def test_report_seeds_choose_nothing_and_alone_see_the_test_images(reported):
    folder, path = reported
    lcma = next(s for s in answers_in(folder).summaries if s.name == "lcma")
    assert list(lcma.runs) == [0, 1, 2] and list(lcma.test) == list(lcma.reported) == [10, 11, 12]
    text = path.read_text()
    assert row_of(text, "lcma")[3:5] == ["3", "2.2333 ± 0.0961"]
    assert "0, 1, 2 select, on validation images; 10, 11, 12 are reported" in text
    assert "LCMA did worse than the static checkerboard: +0.1133 (" in text


def test_images_give_medians_and_the_error_over_them_paired(reported):
    row = row_of(reported[1].read_text().split("## Test images")[1], "lcma")
    # Differences over images are 0.1133 and minus 0.2, 0.4 times the deviations: clusters' sums
    # are 0.4 and -0.4, the error is sqrt(2 · 2 · 0.16) / 4.
    median = np.mean(REPORTED["lcma"]) - 0.05
    assert row[3] == f"{median:.4f}"
    assert row[5:7] == ["+0.1100", "0.2000, 2 clusters"] and row[-1] == "400"


def test_rows_and_images_lie_beside_a_report_elsewhere(reported):
    folder, path = reported
    for name in ("config.json", "results.jsonl", "test.jsonl", IMAGES, "exchange.json"):
        assert (path.parent / name).read_bytes() == (folder / name).read_bytes()


def test_a_row_whose_images_are_gone_is_refused(reported, tmp_path):
    for name in ("config.json", "results.jsonl"):
        (tmp_path / name).write_bytes((reported[0] / name).read_bytes())
    with pytest.raises(ValueError, match=r"images.npz must hold validation/checkerboard/10, of"):
        write_report(tmp_path, tmp_path / "report")


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
