"""A folder takes its own settings, refuses others by flag, and lets a finished run go on."""

import json

import pytest

from tfp_lcma.training.runs.settings import keep_or_extend, keep_settings

SETTINGS = {"steps": 5, "pretrain_steps": 4, "shape": (8, 8, 1), "flow": {"width": 8}}


def test_a_folder_takes_its_own_settings_and_names_what_differs_in_others(tmp_path):
    keep_settings(tmp_path / "new", SETTINGS)
    keep_settings(tmp_path / "new", SETTINGS)
    other = SETTINGS | {"steps": 6, "flow": {"width": 4, "blocks": 2}}
    with pytest.raises(ValueError, match=r"--steps is 5 there, 6 here; --set model.width is 8 .*"):
        keep_settings(tmp_path / "new", other)
    with pytest.raises(ValueError, match=r"--set training.pretrain_steps is 4 there, None here"):
        keep_settings(tmp_path / "new", {k: SETTINGS[k] for k in ("steps", "shape", "flow")})


def test_a_folder_from_before_a_setting_was_there_has_its_default(tmp_path):
    keep_settings(tmp_path, SETTINGS)
    keep_settings(tmp_path, SETTINGS | {"dequantization": "uniform"})
    with pytest.raises(ValueError, match="is 'uniform' there, 'variational' here"):
        keep_settings(tmp_path, SETTINGS | {"dequantization": "variational"})


def test_damaged_settings_are_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not readable JSON"):
        keep_settings(tmp_path, {})


def test_only_a_finished_run_may_have_more_steps_and_keeps_its_pretraining(tmp_path):
    assert keep_or_extend(tmp_path, SETTINGS, finished=False) == SETTINGS
    more = SETTINGS | {"steps": 9, "pretrain_steps": 9}
    with pytest.raises(ValueError, match="--steps is 5 there, 9 here"):
        keep_or_extend(tmp_path, more, finished=False)
    extended = SETTINGS | {"steps": 9, "first_steps": 5}
    assert keep_or_extend(tmp_path, more, finished=True) == extended
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 9
    # Killed and started again, and then extended once more.
    assert keep_or_extend(tmp_path, more, finished=True) == extended
    assert keep_or_extend(tmp_path, more | {"steps": 20}, True) == extended | {"steps": 20}


@pytest.mark.parametrize("change", [{"steps": 3}, {"steps": 9, "flow": {"width": 9}}])
def test_fewer_steps_and_other_changes_are_no_extension(tmp_path, change):
    keep_or_extend(tmp_path, SETTINGS, finished=False)
    with pytest.raises(ValueError, match="other settings"):
        keep_or_extend(tmp_path, SETTINGS | change, finished=True)
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 5
