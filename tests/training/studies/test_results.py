"""The results file survives a kill; the folder's claim refuses other settings."""

import json

import pytest
from tfp_lcma.training.runs.run_lock import claim
from tfp_lcma.training.studies.results import ResultsFile

ROWS = [{"arm": "a", "seed": 0}, {"arm": "b", "seed": 0}, {"arm": "a", "seed": 1}]


@pytest.fixture
def file(tmp_path):
    return ResultsFile(tmp_path / "new" / "results.jsonl")


def test_rows_come_back_in_order(file):
    assert file.rows() == []
    for row in ROWS:
        file.append(row)
    assert file.rows() == ROWS


def test_whatever_a_kill_leaves_of_the_last_line_is_overwritten(file):
    for row in ROWS[:2]:
        file.append(row)
    whole = file.path.read_bytes()
    last = json.dumps(ROWS[2]).encode()
    for length in range(1, len(last) + 1):
        file.path.write_bytes(whole + last[:length])
        assert file.rows() == ROWS[:2]
        file.append(ROWS[2])
        assert file.path.read_bytes() == whole + last + b"\n"


@pytest.mark.parametrize("damage", [b"{half", b"", b"7"])
def test_a_damaged_line_is_named(file, damage):
    for row in ROWS:
        file.append(row)
    lines = file.path.read_bytes().splitlines()
    file.path.write_bytes(b"\n".join([lines[0], damage, lines[2], b""]))
    with pytest.raises(ValueError, match=r"results\.jsonl, line 2, "):
        file.rows()


def test_a_number_that_is_not_finite_is_never_written(file):
    file.append(ROWS[0])
    with pytest.raises(ValueError, match="not JSON compliant"):
        file.append({"bits": float("nan")})
    assert file.rows() == ROWS[:1]


def test_a_claimed_folder_takes_its_own_settings_and_names_what_differs_in_others(tmp_path):
    claim(tmp_path / "study", {"steps": 5, "shape": (8, 8, 1), "flip": False})
    claim(tmp_path / "study", {"steps": 5, "shape": (8, 8, 1), "flip": False})
    with pytest.raises(ValueError, match=r"\(steps is 5 there, 6 here; width is None there, 4 her"):
        claim(tmp_path / "study", {"steps": 6, "shape": (8, 8, 1), "flip": False, "width": 4})
    with pytest.raises(ValueError, match="flip is False there, None here"):
        claim(tmp_path / "study", {"steps": 5, "shape": (8, 8, 1)})


def test_a_damaged_claim_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not readable JSON"):
        claim(tmp_path, {})
