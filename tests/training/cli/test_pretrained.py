"""The models of the package on the command line: listed, shown, measured again, sampled from."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import tfp_lcma as lcma
from tests.eager import eagerly
from tfp_lcma.pretrained import cards
from tfp_lcma.training.cli.group import group
from tfp_lcma.training.tryout.check_export import check_version

NAMES = lcma.pretrained.names()
PAGE = Path(__file__).parents[3] / "docs" / "how_to" / "pretrained.md"


def call(*arguments):
    return CliRunner().invoke(group, list(arguments), prog_name="tfp-lcma")


def test_all_models_are_listed_and_a_card_is_shown():
    listed = call("pretrained")
    assert listed.exit_code == 0
    assert set(NAMES) <= set(listed.output.split())
    assert json.loads(call("pretrained", "show", "digits-lcma").output) == lcma.pretrained.card(
        "digits-lcma"
    )


def blocks():
    """The Python code of pretrained.md."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_samples_are_digits_and_the_card_s_command_finds_its_bits_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with eagerly():
        exec(blocks()[0], names)
    samples = names["samples"]
    assert samples.shape == (16, 8, 8, 1) and samples.max() < 17
    # Digits fill the middle and leave the border dark.
    assert samples[:, 2:6, 2:6].mean() > 3 * samples[:, :, [0, -1]].mean()

    monkeypatch.setattr(lcma.pretrained, "load", {"digits-lcma": names["model"]}.__getitem__)
    measured = call(*names["card"]["evaluate"].split()[1:])
    assert measured.exit_code == 0, measured.output
    assert f"card has {names['card']['bits_per_dimension']['mean']:.4f} " in measured.output

    with eagerly():
        drawn = call("sample", "--pretrained", "digits-lcma", "-n", "3", "-o", "samples.npz")
    assert drawn.exit_code == 0, drawn.output
    with np.load("samples.npz") as arrays:
        assert arrays["images"].shape == (3, 8, 8, 1) and 12 < arrays["images"].max() < 17


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_served_with_all_signatures(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, export = blocks()
    names = {"lcma": lcma, "model": lcma.pretrained.load(name), "card": lcma.pretrained.card(name)}
    exec(export.replace("digits-lcma", name), names)
    served = check_version(tmp_path / "saved_models" / name / "1")["signatures"]
    needed = {"log_prob", "event_log_prob", "sample", "encode", "decode", "interpolate"}
    assert needed <= set(served)


def test_a_model_that_is_not_what_its_card_says_fails(tmp_path, monkeypatch):
    from tfp_lcma.training.runs import pack

    card = lcma.pretrained.card("digits-lcma")
    bits = card["bits_per_dimension"]
    monkeypatch.setattr(lcma.pretrained, "load", lambda name: None)
    for off, code in ((0.0009, 0), (-0.0011, 1)):
        monkeypatch.setattr(
            pack, "measured", lambda *_, off=off: bits | {"mean": bits["mean"] + off}
        )
        assert call("pretrained", "evaluate", "digits-lcma").exit_code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample",), r"Give RUN\|EXPORT or --pretrained, one of them; got neither"),
        (("sample", "--pretrained", "digits"), "must be one of digits-lcma.*; got 'digits'"),
        (("sample", "--pretrained", "digits-lcma", "--class", "1"), "no classes; got 1"),
        (("pretrained", "show", "digits"), "must be one of digits-lcma.*; got 'digits'"),
    ],
)
def test_wrong_options_are_named(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2
    assert re.search(message, " ".join(result.output.split())), result.output


def test_a_run_and_a_model_of_the_package_are_one_too_many(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    result = call("sample", str(tmp_path), "--pretrained", "digits-lcma")
    assert result.exit_code == 2 and "got both" in result.output


def test_a_folder_that_cannot_be_packed_is_refused(tmp_path):
    result = call("pretrained", "pack", str(tmp_path), "--name", "toy", "--about", "A toy.")
    assert result.exit_code == 1 and "config.json cannot be read" in result.output
    assert not (cards.MODELS / "toy").exists()
