"""Importing the package brings nothing but names, and Keras finds its classes all the same."""

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import tfp_lcma
from tests.toys import tiny_flow
from tfp_lcma.registration import ROOMS


def fresh(code, *arguments):
    """Returns what code prints last in a fresh process, as JSON."""
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_import_brings_no_other_package_and_lists_all_names():
    code = """
import json, sys
before = set(sys.modules)
import tfp_lcma
new = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
print(json.dumps([sorted(new), dir(tfp_lcma)]))
"""
    new, names = fresh(code)
    assert new == ["tfp_lcma"]
    assert names == sorted(tfp_lcma.__all__)


def test_every_public_name_is_there():
    for name in tfp_lcma.__all__:
        found = getattr(tfp_lcma, name)
        assert found is not None
        for inner in getattr(found, "__all__", ()):
            assert getattr(found, inner) is not None
    with pytest.raises(AttributeError, match="has no attribute 'FlowModell'"):
        tfp_lcma.FlowModell  # noqa: B018


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Returns the file of a model, some images and their bits."""
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model = tfp_lcma.FlowModel(tiny_flow((4, 4, 1), 2, tfp_lcma.factorizations.Channel()))
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4, 1)
    model.initialize(images)
    model.save(path)
    return path, model.bits_per_dimension(images, seed=0).tolist()


LOAD = """
import json, sys
import numpy as np
{first}
late = "tensorflow_probability" not in sys.modules
model = keras.saving.load_model(sys.argv[1])
images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4, 1)
bits = model.bits_per_dimension(images, seed=0).tolist()
print(json.dumps([late, type(model).__name__, bits, {told}]))
"""


def assert_loaded(saved, late, kind, again, told):
    assert late
    assert kind == "FlowModel"
    np.testing.assert_allclose(again, saved[1], rtol=1e-6)
    return told


def test_keras_imported_later_loads_a_model_after_the_import_alone(saved):
    code = LOAD.format(first="import tfp_lcma\nimport keras", told=None)
    assert_loaded(saved, *fresh(code, str(saved[0])))


def test_keras_imported_before_names_the_package_and_loads_a_model_after_its_import(saved):
    first = """
import keras
try:
    keras.saving.load_model(sys.argv[1])
except TypeError as error:
    told = str(error)
import tfp_lcma
"""
    told = assert_loaded(saved, *fresh(LOAD.format(first=first, told="told"), str(saved[0])))
    assert "Could not locate class 'FlowModel'" in told
    assert "'module': 'tfp_lcma." in told


def test_all_classes_that_keras_can_be_asked_for_are_in_the_rooms_that_it_looks_into():
    for module in pkgutil.walk_packages(tfp_lcma.__path__, "tfp_lcma."):
        if not module.name.startswith(("tfp_lcma.training", "tfp_lcma.__main__")):
            importlib.import_module(module.name)
    registered = keras.saving.get_custom_objects()
    homes = {
        kind.__module__.split(".")[1]
        for name, kind in registered.items()
        if name.startswith("tfp_lcma>")
    }
    assert homes <= set(ROOMS)
