"""What is said of the files of a folder."""

import csv

import pytest

from tfp_lcma.training.data.file_report import FileReport, UnreadableFilesError, named, shown


@pytest.fixture
def report(tmp_path):
    return FileReport(
        tmp_path,
        read={"b/1.png": "train", "caf\udce9.png": "test", "new\nline, comma.png": "validation"},
        unreadable={"broken.png": "it is cut"},
        passed_over={"scan.tiff": "of a kind that is not read"},
    )


def test_every_file_is_a_row_whatever_its_name(report, tmp_path):
    report.write(tmp_path / "run" / "files.csv")
    with open(tmp_path / "run" / "files.csv", "rb") as file:
        assert b"caf\xe9.png" in file.read()
    with open(tmp_path / "run" / "files.csv", errors="surrogateescape", newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "side", "left_out"],
            ["b/1.png", "train", ""],
            ["caf\udce9.png", "test", ""],
            ["new\nline, comma.png", "validation", ""],
            ["broken.png", "", "it is cut"],
            ["scan.tiff", "", "of a kind that is not read"],
        ]


def test_the_summary_counts(report):
    assert report.summary() == "3 of 4 files read; 1 cannot be read; 1 passed over"


def test_the_error_names_files_and_both_ways_out(report):
    message = str(UnreadableFilesError(report))
    for part in ("1 of 4", "broken.png: it is cut", "on_unreadable='skip'", "--on-unreadable skip"):
        assert part in message


def test_of_many_files_the_first_are_named_and_the_others_counted():
    lines = named([f"{number}.png" for number in range(60)]).splitlines()
    assert lines[0] == "  0.png" and len(lines) == 51 and lines[-1] == "  and 10 more"


@pytest.mark.parametrize("name", ["caf\udce9.png", "new\nline.png", "\x1b[2Jclears the screen.png"])
def test_a_name_is_shown_as_one_line_that_any_terminal_takes(name):
    assert shown(name).isprintable() and shown(name).encode().endswith(b".png")


@pytest.mark.parametrize("name", ["画像 été.png", "10.30\u202fAM.png", "画像\u3000a'b.png"])
def test_a_name_that_can_be_printed_is_shown_as_it_is(name):
    assert shown(name) == name
