"""Importing the package is quick and brings nothing but the package."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROBE = """
import json, sys, time
import tensorflow, tensorflow_probability
before, start = set(sys.modules), time.perf_counter()
import tfp_lcma
seconds = time.perf_counter() - start
new = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps({"seconds": seconds, "new": new}))
"""


def test_import_is_quick_and_brings_no_training_code():
    """Beyond TensorFlow and TFP: half a second at most, and no packages of the extras."""
    output = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    result = json.loads(output.splitlines()[-1])
    assert result["seconds"] < 0.5
    assert "tfp_lcma" in result["new"]
    extras = "training matplotlib sklearn skimage tensorflow_datasets click tensorboard PIL"
    assert not set(extras.split()) & set(result["new"])


def test_every_public_name_is_there():
    import tfp_lcma

    for name in tfp_lcma.__all__:
        assert getattr(tfp_lcma, name) is not None
    for module in ("bijectors", "factorizations", "models", "networks", "priors"):
        public = getattr(tfp_lcma, module)
        for name in public.__all__:
            assert getattr(public, name) is not None
