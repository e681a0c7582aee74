"""`recipes` lists all there is and shows what `--config` takes."""

from click.testing import CliRunner

from tfp_lcma.registry import FACTORIZATIONS
from tfp_lcma.training.cli.given import given_recipe
from tfp_lcma.training.cli.recipes import recipes
from tfp_lcma.training.recipes import load_recipe
from tfp_lcma.training.recipes.compose import data_names, model_names, paper_names


def call(*arguments):
    result = CliRunner().invoke(recipes, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_data_models_and_publications_are_listed():
    words = call().replace(",", " ").split()
    assert {*data_names(), *model_names(), *paper_names()} <= set(words)


def test_factorizations_are_listed():
    assert set(FACTORIZATIONS) <= set(call("factorizations").split())


def test_what_is_shown_can_be_given_back(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(call("show", "--data", "digits", "--model", "glow"), encoding="utf-8")
    assert given_recipe(None, None, None, path) == load_recipe("digits", "glow")
    changed = given_recipe(None, None, None, path, ("training.learning_rate=5e-4",))
    assert changed == load_recipe("digits", "glow", learning_rate=5e-4)
