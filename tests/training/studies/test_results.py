"""The results file survives a kill."""

import json

import pytest

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
