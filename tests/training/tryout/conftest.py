"""An export, a server of it, and clients."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.training.tryout.clients import Grpc, Rest, Session
from tests.training.tryout.toy_export import BINS, write_export
from tfp_lcma.training.tryout.model import ServedModel
from tfp_lcma.training.tryout.server import TryOutServer


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """Folder of the model, with versions 2 and 10 in it; only the latter can be loaded."""
    folder = tmp_path_factory.mktemp("saved_models") / "digits"
    (folder / "2").mkdir(parents=True)
    (folder / ".tmp").mkdir()
    return write_export(folder, version=10)


@pytest.fixture(scope="session")
def model(export):
    return ServedModel(export)


@pytest.fixture(scope="session")
def server(model):
    with TryOutServer(model, rest_port=0, grpc_port=0) as server:
        yield server


@pytest.fixture(scope="session")
def session(export):
    return Session(export / "10")


@pytest.fixture
def rest(server):
    return Rest(server.rest_address)


@pytest.fixture(scope="session")
def over_grpc(server):
    client = Grpc(server.grpc_address)
    yield client
    client.channel.close()


@pytest.fixture(scope="session")
def requests():
    """Inputs of every signature, three rows each."""
    random = np.random.default_rng(0)
    images = random.integers(0, BINS, (3, 8, 8, 1)).astype(np.uint8)
    floats = random.uniform(0, BINS, (3, 8, 8, 1)).astype(np.float32)
    seed = np.array([[1, 0], [2, -5], [3, 7]], np.int32)
    temperature = np.array([0.0, 0.7, 1.0], np.float32)
    return {
        "serving_default": {"images": images},
        "log_prob": {"images": images},
        "event_log_prob": {"images": images},
        "log_prob_with_seed": {"images": images, "seed": seed},
        "log_prob_float": {"images": floats},
        "log_prob_encoded": {"image_bytes": np.array([png(image) for image in images], object)},
        "sample": {"seed": seed},
        "sample_with_temperature": {"seed": seed, "temperature": temperature},
    }


def png(image, kind="PNG"):
    """The bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, kind)
    return file.getvalue()
