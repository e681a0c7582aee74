"""Options stand for one recipe: by names, by paths, from a file, with single settings changed."""

import click
import pytest
from click.testing import CliRunner

from tfp_lcma.training.cli.given import command_given, data_source, given_recipe
from tfp_lcma.training.cli.options import (
    data_options,
    factorization_option,
    recipe_options,
    settings_options,
)
from tfp_lcma.training.cli.paths import check_folder
from tfp_lcma.training.recipes import load_recipe
from tfp_lcma.training.recipes.tables import write_recipe


@click.command
@recipe_options
@factorization_option("lcma")
@settings_options
@data_options
@click.option("--seed", default=0)
@click.option("--quiet", is_flag=True)
@click.pass_context
def show(context, recipe, factorization, limit, data_dir, on_unreadable, seed, quiet):
    """Shows what it was given."""
    click.echo(f"{recipe.name} {recipe.steps} {factorization} {seed}\n{command_given(context)}")


def call(*arguments):
    result = CliRunner().invoke(show, list(map(str, arguments)), prog_name="show")
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, with images in ./digits, ./holiday and ./arrays.npz."""
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "holiday"):
        (tmp_path / name).mkdir()
    for name in ("arrays.npz", "notes.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "source", "name"),
    [
        ("digits", "digits", "digits-glow"),
        ("./digits", "./digits", "digits-glow"),
        ("holiday", "./holiday", "holiday-glow"),
        ("holiday/", "./holiday", "holiday-glow"),
        ("arrays.npz", "./arrays.npz", "arrays-glow"),
        ("holiday/..", "holiday/..", None),
    ],
)
def test_a_name_wins_over_a_folder_and_a_path_is_a_path(here, given, source, name):
    assert data_source(given) == source
    recipe = given_recipe(given, "glow", None, None)
    assert recipe.source == source
    assert recipe.name == (name or f"{here.name}-glow")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("fashion-mnist", "--data must be one of fashion_mnist, .*got 'fashion-mnist'"),
        ("./nowhere", "./nowhere does not exist"),
        ("notes.txt", "notes.txt is a file"),
    ],
)
def test_other_data_are_refused_by_name(here, given, message):
    with pytest.raises(click.UsageError, match=message):
        data_source(given)


def test_published_settings_and_those_for_small_flows_are_told_apart():
    published = given_recipe(None, None, "cifar10-glow", None)
    small = given_recipe("cifar10", "glow", None, None)
    assert (published.name, small.name) == ("cifar10-glow-paper", "cifar10-glow")
    assert published.flow["width"] > small.flow["width"]


def test_settings_are_read_as_numbers_lists_truth_and_texts():
    assignments = (
        "training.learning_rate=1e-3", "training.decay=false", "training.optimizer=adamax",
        'training.preprocessing="affine"', "model.kernel=[3, 5]", "model.width = 7",
    )  # fmt: skip
    recipe = given_recipe("digits", "mar_scf", None, None, assignments)
    assert (recipe.learning_rate, recipe.decay, recipe.optimizer) == (1e-3, False, "adamax")
    assert (recipe.preprocessing, recipe.flow["kernel"], recipe.flow["width"]) == (
        "affine", [3, 5], 7,
    )  # fmt: skip


def test_a_file_gives_the_recipe_and_the_defaults_of_a_run(here):
    recipe = load_recipe("digits", "glow", steps=9)
    write_recipe(here / "recipe.toml", recipe, factorization="haar", seed=3, labels=False)
    config = ("--config", here / "recipe.toml")
    assert call(*config)[0] == "digits-glow 9 haar 3"
    changed = call(*config, "--seed", "4", "--set", "training.steps=8")
    assert changed[0] == "digits-glow 8 haar 4"


def test_a_damaged_file_is_named(here):
    (here / "recipe.toml").write_text("steps = ")
    result = CliRunner().invoke(show, ["--config", "recipe.toml"])
    assert result.exit_code == 2
    assert "recipe.toml cannot be read" in result.output
    (here / "recipe.toml").write_text('[model]\nname = "glow"\nlevels = 2\nwidht = 3\n')
    result = CliRunner().invoke(show, ["--config", "recipe.toml"])
    assert result.exit_code == 2
    assert "recipe.toml: " in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = 3", "steps must stand in one of the tables [data], [model]"),
        ("[model]\nlevels = 2", "model.name must be given"),
        (
            "[model]\nname = 'glow'\n[modle]\nwidth = 3",
            "modle is no table of a recipe; it has model, data",
        ),
        ("[data]\nsource = 'digits'\n[model]\nname = 'glow'", "must be given"),
    ],
)
def test_a_file_that_is_no_recipe_is_answered_with_what_is_missing(here, text, message):
    (here / "mine.toml").write_text(text)
    result = CliRunner().invoke(show, ["--config", "mine.toml"])
    assert result.exit_code == 2
    assert message in result.output


def test_the_command_is_told_without_where_the_data_lie(here):
    line = call("--data", "holiday", "--data-dir", here, "--set", "model.width=3", "--quiet")[1]
    assert line == "show --data FOLDER --set model.width=3 --data-dir DIR --quiet"
    assert call("--data", "digits", "--seed", "1")[1] == "show --data digits --seed 1"


def test_a_run_may_not_be_a_file_nor_below_one(here):
    assert check_folder("--run-dir", here / "new" / "run") == here / "new" / "run"
    for path in (here / "notes.txt", here / "notes.txt" / "run"):
        with pytest.raises(click.UsageError, match=r"--run-dir must be a folder; .*is a file"):
            check_folder("--run-dir", path)
