"""Paths on the command line are looked at before anything is done with them."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tfp_lcma.files import copy_out
from tfp_lcma.training.cli.paths import FolderToRead, check_file, check_folder, check_place


def test_exports_may_go_to_another_file_system(tmp_path):
    assert check_place("--export-dir", "ram://bucket/digits") == "ram://bucket/digits"
    assert check_place("--export-dir", str(tmp_path / "digits")) == tmp_path / "digits"
    assert check_place("--export-dir", Path("saved_models")) == Path("saved_models")


@pytest.mark.parametrize("given", ["nowhere://bucket/digits", "gs:/bucket/digits"])
def test_a_file_system_that_is_not_there_is_refused_by_the_flag(given):
    with pytest.raises(click.UsageError, match="--export-dir must be"):
        check_place("--export-dir", given)


@pytest.mark.parametrize("given", ["gs:/bucket", "nowhere:/bucket"])
@pytest.mark.parametrize("check", [check_folder, check_file])
def test_what_cannot_go_to_another_file_system_is_refused_by_the_flag(given, check):
    # What click makes of gs://bucket/run where a path is expected.
    with pytest.raises(click.UsageError, match=f"--run-dir must .* this machine; got '{given}"):
        check("--run-dir", Path(given) / "run")


@click.command()
@click.argument("folder", type=FolderToRead())
def listing(folder):
    click.echo(f"{folder.name}: {sorted(path.name for path in folder.iterdir())}, {folder}")


def test_a_folder_in_another_file_system_is_fetched_while_a_command_runs(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    copy_out(tmp_path / "run", "ram://fetched/run")
    for given in ("ram://fetched/run", str(tmp_path / "run")):
        result = CliRunner().invoke(listing, [given])
        assert result.output.startswith("run: ['config.json'], "), result.output
        assert Path(result.output.split(", ")[1].strip()).exists() == (given[0] == "/")


@pytest.mark.parametrize("given", ["ram://fetched/nothing", "nowhere://x", "/nowhere"])
def test_a_folder_that_is_not_there_is_named(given):
    result = CliRunner().invoke(listing, [given])
    assert result.exit_code == 2 and given in result.output and "Traceback" not in result.output
