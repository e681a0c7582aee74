"""What splits did to channels: the file it is kept in, and the pictures."""

import numpy as np
import pytest
from PIL import Image

from tfp_lcma import ChannelChoices
from tfp_lcma.training.reports import pictures
from tfp_lcma.training.runs.channel_log import ChannelLog, from_json, to_json

RED = (214, 39, 40)


def choices(leaving, scores=None):
    leaving = np.array(leaving, np.float64)
    entropies = -np.arange(len(leaving)) / 8
    return ChannelChoices(entropies, entropies[::-1], scores, leaving)


def test_the_log_returns_what_it_was_given_level_by_level(tmp_path):
    log = ChannelLog(tmp_path / "channels.json")
    assert log.history() == ([], [])
    mixed = choices([0, 0, 0, 0])._replace(leaving=None)
    log.add(10, [choices([0, 1]), mixed])
    log.add(20, [choices([1, 0], np.array([0.5, 0.25])), mixed])
    steps, (first, second) = ChannelLog(tmp_path / "channels.json").history()
    assert steps == [10, 20]
    assert [look.leaving.tolist() for look in first] == [[0, 1], [1, 0]]
    assert first[0].scores is None and first[1].scores.tolist() == [0.5, 0.25]
    assert second[1].leaving is None
    assert second[0].leaving_entropy == -(0.125 + 0.0) / 2


def test_a_run_that_is_carried_on_writes_its_steps_anew(tmp_path):
    log = ChannelLog(tmp_path / "channels.json")
    for step in (10, 20, 30, 20):
        log.add(step, [choices([step == 30, step != 30])])
    assert log.history()[0] == [10, 20]


def test_json_keeps_six_decimals():
    look = choices([1 / 3, 2 / 3])
    assert from_json(to_json(look)).leaving == pytest.approx(look.leaving, abs=1e-6)


def test_a_channel_that_leaves_twice_as_often_has_a_bar_twice_as_high(tmp_path):
    for name, share in {"half": 0.5, "all": 1.0}.items():
        pictures.save_channel_choices(tmp_path / f"{name}.png", [choices([0, share])])
    drawn = [np.asarray(Image.open(tmp_path / f"{n}.png").convert("RGB")) for n in ("half", "all")]
    half, whole = ((abs(p - np.array(RED)) < 2).all(axis=-1).sum() for p in drawn)
    assert whole > 1000 and half == pytest.approx(whole / 2, rel=0.1)
    array = pictures.draw_channel_choices([choices([0, 1.0])])
    assert array.dtype == np.uint8 and array.shape[-1] == 3
    assert (abs(array - np.array(RED)) < 2).all(axis=-1).sum() > 1000


def test_history_needs_two_looks_and_one_for_each_step(tmp_path):
    looks = [choices([0, 1]), choices([1, 0])]
    path = tmp_path / "history.png"
    pictures.save_channel_history(path, [1, 2], looks, 1)
    with_heat = Image.open(path).size
    mixed = [look._replace(leaving=None) for look in looks]
    pictures.save_channel_history(path, [1, 2], mixed, 1)
    assert Image.open(path).size[1] < with_heat[1]
    for steps in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match="history must hold one look for each"):
            pictures.save_channel_history(path, steps, looks[: len(steps)], 1)
    with pytest.raises(ValueError, match="levels must hold at least one"):
        pictures.save_channel_choices(path, [])
