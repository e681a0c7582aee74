"""Paths on the command line are looked at before anything is done with them."""

from pathlib import Path

import click
import pytest

from tfp_lcma.training.cli.paths import check_export_dir


def test_exports_may_go_to_another_file_system(tmp_path):
    assert check_export_dir("ram://bucket/digits") == "ram://bucket/digits"
    assert check_export_dir(str(tmp_path / "digits")) == tmp_path / "digits"
    assert check_export_dir(Path("saved_models")) == Path("saved_models")


@pytest.mark.parametrize("given", ["nowhere://bucket/digits", "gs:/bucket/digits"])
def test_a_file_system_that_is_not_there_is_refused_by_the_flag(given):
    with pytest.raises(click.UsageError, match="--export-dir must be"):
        check_export_dir(given)
