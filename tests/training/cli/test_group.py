"""The command line as a whole: all commands, their help, and what it costs to ask for it."""

import json
import subprocess
import sys
import warnings

import click
import pytest
from click.testing import CliRunner

from tfp_lcma.__main__ import main
from tfp_lcma.training.cli.group import COMMANDS, SECTIONS, group
from tfp_lcma.training.recipes import load_recipe
from tfp_lcma.training.runs.run import Run


def call(*arguments):
    return CliRunner().invoke(group, list(arguments), prog_name="tfp-lcma")


def fresh(code, *arguments):
    """Runs code in a fresh process; returns the process."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
    )


def test_help_names_every_command_under_its_heading():
    result = call("--help")
    assert result.exit_code == 0
    for heading, commands in SECTIONS.items():
        section = result.output.split(f"{heading}:")[1].split("\n\n")[0]
        assert [line.split()[0] for line in section.strip().splitlines()] == list(commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example_and_every_option(name):
    result = call(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"tfp-lcma {name}" in result.output.split("Example")[1]
    command = group.get_command(click.Context(group), name)
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.opts[0] in result.output


def test_an_unknown_command_is_answered_with_all_nearest_first():
    result = call("trian")
    assert result.exit_code == 2
    assert "must be one of train, pretrained, demo," in result.output
    assert "got 'trian'" in result.output


def test_help_and_what_is_wrong_need_no_numerical_library(tmp_path):
    (tmp_path / "file").write_text("")
    code = """
import json, sys
from tfp_lcma.__main__ import main
codes = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["tfp-lcma", *arguments]
    try:
        main()
    except SystemExit as end:
        codes.append(end.code)
heavy = {"numpy", "tensorflow", "keras", "tensorflow_probability", "matplotlib", "PIL"}
print(json.dumps([codes, sorted(heavy & set(sys.modules))]))
"""
    right = [["--help"], ["recipes"], ["recipes", "show", "--data", "digits"]]
    right += [[name, "--help"] for name in COMMANDS]
    wrong = [
        ["train", "--data", "digits", "--model", "glwo"],
        ["train", "--data", "digits", "--factorization", "lmca"],
        ["train", "--data", "nowhere"],
        ["train", "--data", "digits", "--set", "model.widht=3"],
        ["train", "--data", "digits", "--run-dir", str(tmp_path / "file")],
        ["train", "--data", "digits", "--threads", "0"],
        ["demo", "--steps", "0"],
        ["export", str(tmp_path / "nowhere")],
        ["export", str(tmp_path)],
        ["sample", str(tmp_path)],
        ["compare", "--data", "digits", "--arms", "lmca"],
        ["benchmark", "--cases", "glwo"],
        ["cost", "--paper", "cifar10-glwo"],
        ["benchmark", "--implementations", "uors"],
        ["benchmark", "--overheads", "--data", "digits", "--cases", "exit"],
        ["anomaly", "--data", "digits", "--seeds", "0"],
        ["serve", str(tmp_path / "nowhere")],
        ["check", str(tmp_path / "nowhere")],
    ]
    process = fresh(code, json.dumps([*right, *wrong]))
    assert process.returncode == 0, process.stderr
    codes, heavy = json.loads(process.stdout.splitlines()[-1])
    assert codes[: len(right)] == [0] * len(right)
    assert all(code in (1, 2) for code in codes[len(right) :])
    assert len(codes) == len(right) + len(wrong)
    assert heavy == []


def test_what_the_files_already_say_needs_no_tensorflow(tmp_path):
    run = Run(
        load_recipe("digits", steps=3, pretrain_steps=3), "checkerboard", 0, tmp_path / "complete"
    )
    settings = run._settings(run.recipe.load_dataset())
    results = {
        "steps": 3,
        "test": {"bits_per_dimension": 1.0, "standard_error": 0.1, "images": 5, "draws": 1},
        "round_trip": {"x_to_z_to_x": 0.0},
    }
    for name, config in (("complete", settings), ("other", settings | {"batch_size": 7})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        (tmp_path / name / "metrics.json").write_text(json.dumps(results))
    code = """
import json, sys
from tfp_lcma.__main__ import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["tfp-lcma", *arguments]
    try:
        main()
    except SystemExit as end:
        print("exit", end.code, flush=True)
print(sorted({"tensorflow", "keras"} & set(sys.modules)))
"""
    train = ["train", "--data", "digits", "--factorization", "checkerboard", "--steps", "3"]
    commands = [
        [*train, "--run-dir", str(tmp_path / "complete")],
        [*train, "--run-dir", str(tmp_path / "other")],
        ["train", "--data", "cifar10", "--data-dir", str(tmp_path)],
        ["train", "--data", "digits", "--set", "model.levels=6"],
        ["sample", str(tmp_path / "complete"), "--class", "3"],
    ]
    process = fresh(code, json.dumps(commands))
    *_, heavy = process.stdout.splitlines()
    assert process.stdout.count("exit 0") == 1 and "complete is complete" in process.stdout
    for said in (
        "was made with other settings (--set training.batch_size is 7 there",
        "data set 'cifar10' is not prepared",
        "8×8 pixels cannot have 6 levels",
        "it has no classes; got 3",
    ):
        assert said in process.stderr
    assert heavy == "[]"


def test_without_the_extra_one_sentence_says_which_to_install():
    code = """
import sys
sys.modules["click"] = None
from tfp_lcma.__main__ import main
main()
"""
    process = fresh(code)
    assert process.returncode == 1
    (line,) = process.stderr.strip().splitlines()
    assert "click" in line and 'pip install "tfp_lcma[training]"' in line


@pytest.mark.parametrize(
    ("then", "fails"), [("", False), ("raise ImportError('No library.')", True)]
)
def test_what_tensorflow_says_while_it_is_imported_is_shown_only_if_that_fails(
    tmp_path, then, fails
):
    noise = "import os\nos.write(2, b'The processor is this one.\\n')\n"
    (tmp_path / "tensorflow.py").write_text(noise + then)
    code = """
import sys
from tfp_lcma.__main__ import main
sys.path.insert(0, sys.argv.pop())
sys.argv[1:] = ["--version"]
try:
    main()
except SystemExit:
    import tensorflow
"""
    process = fresh(code, str(tmp_path))
    first, *others = process.stderr.splitlines()
    assert first == "importing TensorFlow ..."
    assert (process.returncode, bool(others)) == (int(fails), fails)
    assert ("The processor is this one." in others) == fails


def test_a_warning_is_a_sentence(monkeypatch):
    # Put back by pytest, which formats its own warnings by it.
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(sys, "argv", ["tfp-lcma", "--version"])
    with pytest.raises(SystemExit):
        main()
    text = warnings.formatwarning("HEIC is not read.", UserWarning, "file.py", 7, None)
    assert text == "Warning: HEIC is not read.\n"


def test_the_shell_completes_names(monkeypatch):
    monkeypatch.setenv("_TFP_LCMA_COMPLETE", "bash_complete")
    for words, expected in {
        "tfp-lcma tr": {"train"},
        "tfp-lcma --v": {"--version"},
        "tfp-lcma train --fac": {"--factorization"},
        "tfp-lcma train --model gl": {"glow"},
        "tfp-lcma train --paper cifar10-g": {"cifar10-glow"},
        "tfp-lcma train --factorization haar-": {"haar-vertical", "haar-diagonal"},
        "tfp-lcma train --data photos": {"photos16", "photos32", "photos64"},
        "tfp-lcma benchmark --overheads --data photos6": {"photos64"},
        "tfp-lcma compare --arms lcma,haar-": {"lcma,haar-vertical", "lcma,haar-diagonal"},
        "tfp-lcma benchmark --cases glow-size-1": {"glow-size-16"},
        "tfp-lcma benchmark --implementations ours,tf": {"ours,tfp", "ours,tfp-xla"},
    }.items():
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        result = CliRunner().invoke(group, [], prog_name="tfp-lcma")
        completed = {line.split(",", 1)[1] for line in result.output.splitlines()}
        assert completed == expected, words
