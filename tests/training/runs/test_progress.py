"""What a person sees: a word for what takes long, one line a look, one estimate."""

import sys
import time

import click
import pytest

from tfp_lcma.training.runs.progress import Progress, duration
from tfp_lcma.training.runs.steps import Steps


class Course:
    """Stands for the course of a training whose steps take half a minute."""

    failed_step, step, step_seconds = None, 0, 30.0


LOGS = {"bits_per_dimension": 3.0, "val_bits_per_dimension": 2.5}


def trained(progress, looks=3, steps=4):
    course = Course()
    shown = Steps(progress, "training", course, steps * looks)
    with shown.shown():
        for _ in range(looks):
            for _ in range(steps):
                shown.on_train_batch_begin(0)
                course.step += 1
                shown.on_train_batch_end(0, {})
            shown.on_epoch_end(0, LOGS)


def test_redirected_there_is_one_line_a_look_and_one_estimate(capsys):
    trained(Progress())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "training, step 4 of 12", "training", "training, step 8 of 12", "training, step 12 of 12"
    ]  # fmt: skip
    assert "3.0000" in lines[0] and "2.5000" in lines[0]
    assert "about 4 min for at most 8 more steps" in lines[1]


def test_on_a_terminal_a_bar_takes_the_place_of_the_lines(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    trained(Progress())
    out = capsys.readouterr().out
    assert "step 4 of 12" not in out
    assert out.count("more steps") == 1
    assert "12/12" in out.split("\r")[-1]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_bar_is_no_longer_than_the_terminal_is_wide(columns, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    trained(Progress())
    bars = [part for part in click.unstyle(capsys.readouterr().out).split("\r") if "/12" in part]
    assert max(len(bar.split("\n")[0]) for bar in bars) <= columns
    assert ("validation 2.5000" in bars[-1]) == (columns >= 80)


def test_quiet_shows_nothing(capsys):
    trained(Progress(quiet=True))
    with Progress(quiet=True).doing("waiting"):
        time.sleep(0.3)
    assert capsys.readouterr().out == ""


def test_only_what_takes_long_gets_a_word(capsys):
    with Progress().doing("a moment"):
        pass
    with Progress().doing("a while"):
        time.sleep(0.5)
    assert capsys.readouterr().out == "a while ...\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.3, "12 s"), (150, "2 min"), (7800, "2 h 10 min"), (3600, "1 h 0 min")]
)
def test_durations_are_said_as_people_do(seconds, text):
    assert duration(seconds) == text
