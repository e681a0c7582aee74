"""Importing the package brings nothing but the package."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROBE = """
import json, sys
import tensorflow, tensorflow_probability
before = set(sys.modules)
import tfp_lcma
new = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps(new))
"""


def test_import_brings_no_training_code_and_no_package_of_the_extras():
    output = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    new = set(json.loads(output.splitlines()[-1]))
    assert "tfp_lcma" in new
    extras = "matplotlib sklearn skimage tensorflow_datasets click tensorboard PIL"
    assert not set(extras.split()) & new


def test_every_public_name_is_there():
    import tfp_lcma

    for name in tfp_lcma.__all__:
        assert getattr(tfp_lcma, name) is not None
    for module in (
        "bijectors",
        "density",
        "factorizations",
        "keras_model",
        "models",
        "multi_scale",
        "networks",
        "priors",
        "serving",
        "transforms",
    ):
        public = getattr(tfp_lcma, module)
        for name in public.__all__:
            assert getattr(public, name) is not None
