"""The page on one's own images does what it says."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PAGE = Path(__file__).parents[3] / "docs" / "how_to" / "your_own_images.md"


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, colour in (("cat", (200, 0, 0)), ("dog", (0, 0, 200))):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (40 + number, 50), colour).save(folder / f"{number}.png")


def test_files_folders_and_arrays_are_loaded_as_the_page_says(pictures):
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL):
        exec(block, names)
    assert (names["pixels"] == (200, 0, 0)).all() and names["pixels"].shape == (32, 32, 3)
    dataset, arrays = names["dataset"], names["arrays"]
    assert dataset.class_names == ("cat", "dog")
    np.testing.assert_array_equal(dataset.train.labels, dataset.train.images[:, 0, 0, 2] > 0)
    assert len(arrays.train) + len(arrays.validation) + len(arrays.test) == len(dataset.train)
    np.testing.assert_array_equal(arrays.train.labels, arrays.train.images[:, 0, 0, 2] > 0)
