"""Commands that stand beside committed results are understood, and ask for just those settings."""

import dataclasses
import json
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tfp_lcma.training.cli.group import group
from tfp_lcma.training.recipes import Recipe
from tfp_lcma.training.runs import threads
from tfp_lcma.training.studies.compare.arms import ARMS
from tfp_lcma.training.studies.ladder.run import rung_recipe
from tfp_lcma.training.studies.results import ResultsFile

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "docs" / "results").rglob("*.jsonl"))
BENCHMARKS = {"benchmark", "benchmark_0_1", "depth", "gpu", "jet_benchmark"}
STUDIES = [path for path in FILES if not BENCHMARKS & set(path.parts)]
DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(Recipe)
    if field.default is not dataclasses.MISSING
}


class Asked(BaseException):
    """Stands for the loading of images, which comes after everything that is checked here."""


@pytest.fixture
def asked(monkeypatch):
    """The recipes that commands came to."""
    recipes = []

    def load_dataset(self, **where):
        recipes.append(self)
        raise Asked

    monkeypatch.setattr(Recipe, "load_dataset", load_dataset)
    monkeypatch.chdir(ROOT)
    # Threads are a process' own; this one has run TensorFlow already.
    monkeypatch.setattr(threads, "use_threads", lambda count: None)
    return recipes


def named(path):
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", STUDIES, ids=named)
def test_a_study_is_made_by_its_commands_with_its_settings(path, asked):
    settings = json.loads((path.parent / "config.json").read_text())
    for command in dict.fromkeys(row["command"] for row in ResultsFile(path).rows()):
        program, *words = shlex.split(command)
        assert program == "tfp-lcma"
        with pytest.raises(Asked):
            CliRunner().invoke(group, words, catch_exceptions=False)
        recipe = json.loads(json.dumps(dataclasses.asdict(asked[-1])))
        if words[0] == "ladder":
            # Of every length a study of its own.
            recipe |= dataclasses.asdict(rung_recipe(asked[-1], settings["steps"]))
        # A first setting, which was given up, is not that of the folder.
        if path.stem in ("results", "test"):
            # A study from before a setting was there has its default.
            assert recipe == {name: (DEFAULTS | settings)[name] for name in recipe}, command


@pytest.mark.parametrize("path", STUDIES, ids=named)
def test_every_row_is_of_an_arm_that_there_is(path):
    arms = {row["arm"] for row in ResultsFile(path).rows() if "arm" in row}
    assert arms <= set(ARMS)


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=named
)
def test_pages_show_commands_that_there_are_with_options_that_they_have(path):
    # What documents do not wrap: in a code block or in backquotes, up to a comment.
    text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
    for command in re.findall(r"(?:^|`)(tfp-lcma [a-z][^`#]*?)(?=`|#|\n(?!\s*--)|$)", text, re.M):
        name, *words = shlex.split(command.replace("...", ""))[1:]
        known = group.get_command(None, name)
        if words and isinstance(known, click.Group) and words[0] in known.commands:
            known = known.commands[words.pop(0)]
        assert known, command
        options = {"--help"} | {option for given in known.params for option in given.opts}
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= options, command
