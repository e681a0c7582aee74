"""Pictures of blocks: bars of shares, maps on one scale."""

import numpy as np
import pytest
from PIL import Image

from tfp_lcma.training.reports.pictures import save_block_maps, save_share_curves, save_shares

BLUE, GREEN = (31, 119, 180), (44, 160, 44)


def count(path, color):
    picture = np.asarray(Image.open(path).convert("RGB"))
    return (np.abs(picture - np.array(color)) <= 1.5).all(axis=-1).sum()


def test_a_bar_is_as_long_as_its_share(tmp_path):
    for name, values in {"all": (0, 0, 5), "half": (2, 2, 4)}.items():
        save_shares(tmp_path / f"{name}.png", {"arm": values}, ["a", "b", "c"], title="t")
    whole, half = (count(tmp_path / f"{name}.png", GREEN) for name in ("all", "half"))
    assert whole > 1_000 and half == pytest.approx(whole / 2, rel=0.1)


def test_what_is_never_there_is_not_in_the_legend(tmp_path):
    save_shares(tmp_path / "bars.png", {"arm": (0, 0, 5)}, ["a", "b", "c"], title="t")
    curves = np.array([[0, 0, 1.0], [0, 0, 1.0]])
    save_share_curves(tmp_path / "curves.png", [1, 2], curves, ["a", "b", "c"], title="t")
    for name in ("bars", "curves"):
        assert count(tmp_path / f"{name}.png", BLUE) == 0 < count(tmp_path / f"{name}.png", GREEN)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({}, "at least one bar"),
        ({"arm": [1]}, r"shares\['arm'\] must be 2 numbers"),
        ({"arm": [0, 0]}, "not all 0"),
        ({"arm": [-1, 2]}, ">= 0"),
        ({"arm": [np.nan, 2]}, ">= 0"),
    ],
)
def test_shares_name_the_wrong_bar(shares, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_shares(tmp_path / "a.png", shares, ["a", "b"], title="t")


def test_maps_share_one_scale(tmp_path):
    first, last = (68, 1, 84), (253, 231, 37)
    maps = {"low": np.zeros((3, 4)), "high": np.full((3, 4), 2.0)}
    save_block_maps(tmp_path / "maps.png", maps, label="nats")
    assert count(tmp_path / "maps.png", first) > 10_000
    assert count(tmp_path / "maps.png", last) > 10_000


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, "maps must hold 1 to 12 maps; got 0"),
        ({str(i): np.zeros((2, 2)) for i in range(13)}, "got 13"),
        ({"a": np.zeros((2, 2)), "b": np.zeros((2, 3))}, "one shape"),
        ({"a": np.zeros(2)}, "one shape"),
        ({"a": np.full((2, 2), np.nan)}, "finite"),
    ],
)
def test_maps_name_what_is_wrong(maps, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_block_maps(tmp_path / "a.png", maps, label="nats")
