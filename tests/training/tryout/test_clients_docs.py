"""The clients of the documentation run as they stand, against the try-out server."""

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.training.tryout.conftest import png
from tests.training.tryout.toy_export import BINS

HOW_TO = Path(__file__).parents[3] / "docs" / "how_to"
PAGE = HOW_TO / "serving_clients.md"


@pytest.fixture(scope="module")
def blocks(server):
    """The page's blocks of a language, pointed to the server."""
    text = PAGE.read_text(encoding="utf-8").split("## Clients\n")[1]
    text = text.replace("localhost:8501", server.rest_address)
    text = text.replace("localhost:8500", server.grpc_address)
    return lambda language: re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_python_clients_get_what_the_page_says(blocks, session, capsys):
    names = {}
    rest, over_grpc = blocks("python")
    exec(rest, names)
    expected = session.outputs("log_prob", images=names["images"])
    np.testing.assert_allclose(names["bits"], expected["bits_per_dimension"], rtol=1e-6)
    assert names["nats_per_pixel"].shape == (2, 8, 8, 1)
    assert names["samples"].shape == (3, 8, 8, 1) and np.ptp(names["samples"]) > 1
    exec(over_grpc, names)
    np.testing.assert_array_equal(names["scores"]["log_prob"], expected["log_prob"])
    assert names["drawn"].shape == (2, 8, 8, 1)
    printed = capsys.readouterr().out
    assert printed.startswith("INVALID_ARGUMENT images must be uint8 ")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_gets_what_the_page_says(blocks, session, tmp_path):
    image = np.random.default_rng(0).integers(0, BINS, (8, 8, 1)).astype(np.uint8)
    (tmp_path / "digit.png").write_bytes(png(image))
    (script,) = blocks("bash")
    command = ["bash", "-ec", script.replace("curl ", "curl -sS ")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
    assert '"AVAILABLE"' in result.stdout and '"signature_def"' in result.stdout
    expected = session.outputs("log_prob", images=image[None])["log_prob"][0]
    assert f'"log_prob": {expected!s}' in result.stdout
    assert result.stdout.count('"predictions"') == 2


def test_containers_are_asked_at_paths_that_are_answered(server):
    page = (HOW_TO / "tensorflow_serving.md").read_text(encoding="utf-8")
    manifest = (HOW_TO / "tensorflow_serving" / "kubernetes.yaml").read_text(encoding="utf-8")

    def answer(path, body=None):
        with urllib.request.urlopen(f"http://{server.rest_address}{path}", body) as response:
            return json.load(response)

    (health,) = re.findall(r"--container-health-route=(\S+)", page)
    probed = re.findall(r"path: (\S+)", manifest)
    assert {health} == set(probed)
    assert answer(health)["model_version_status"][0]["state"] == "AVAILABLE"
    (predict,) = re.findall(r"--container-predict-route=(\S+)", page)
    (body,) = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    rows = answer(predict, body.encode())["predictions"]
    assert np.shape(rows) == (len(json.loads(body)["instances"]), 8, 8, 1)
