"""The files that put an export under TensorFlow Serving agree with exports and with each other."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from tests.serving.test_server_config import exported
from tfp_lcma.serving import write_serving_config
from tfp_lcma.training.cli.group import group

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "how_to" / "tensorflow_serving"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
yaml = pytest.importorskip("yaml")


def instructions(text):
    """The instructions of a Dockerfile, each with its arguments."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def dockerfile(word):
    """The arguments of all instructions of a kind in the image of a model."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    return [arguments for name, arguments in instructions(text) if name == word]


def served_ports():
    """The ports that `tfp-lcma serve` listens to."""
    command = group.get_command(click.Context(group), "serve")
    ports = {option.name: option.default for option in command.params}
    return {"grpc": ports["grpc_port"], "rest": ports["rest_port"]}


@pytest.fixture
def service():
    """Compose's one service."""
    (service,) = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"].values()
    return service


@pytest.fixture
def kubernetes():
    """The objects of Kubernetes by their kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((FOLDER / "kubernetes.yaml").open())}


@pytest.fixture
def written(tmp_path):
    """Paths within the container of the files that an export has beside it."""
    exported(tmp_path, "digits/1")
    return {f"/models/{path.name}" for path in write_serving_config(tmp_path)}


def test_the_images_version_is_that_of_the_tested_tensorflow(service):
    pins = (ROOT / "constraints.txt").read_text()
    (version,) = re.findall(r"^tensorflow-serving-api==(.*)$", pins, re.MULTILINE)
    assert f"tensorflow=={version}\n" in pins
    assert dockerfile("ARG")[0] == f"TENSORFLOW_VERSION={version}"
    assert dockerfile("FROM") == ["tensorflow/serving:${TENSORFLOW_VERSION}"]
    assert service["image"] == f"tensorflow/serving:{version}"


def test_the_image_of_a_model_has_it_where_the_server_looks_and_batches_as_exported(written):
    assert "MODEL=digits" in dockerfile("ARG")
    assert dockerfile("ENV") == ["MODEL_NAME=${MODEL}"]
    copies = dict(map(str.split, dockerfile("COPY")))
    assert copies["${MODEL}"] == "/models/${MODEL}"
    (command,) = map(json.loads, dockerfile("CMD"))
    given = dict(flag.removeprefix("--").partition("=")[::2] for flag in command)
    assert "enable_batching" in given
    batching = given["batching_parameters_file"]
    assert batching in written
    assert copies[Path(batching).name] == batching


def test_compose_serves_the_folder_that_the_configuration_names(service, written):
    given = dict(flag.removeprefix("--").partition("=")[::2] for flag in service["command"])
    assert {given["model_config_file"], given["batching_parameters_file"]} == written
    assert "enable_batching" in given
    (volume,) = service["volumes"]
    assert volume["target"] == "/models" and volume["read_only"]
    ports = sorted(f"127.0.0.1:{port}:{port}" for port in served_ports().values())
    assert service["ports"] == ports


def test_kubernetes_sends_requests_to_the_ports_of_the_pods_that_it_starts(kubernetes):
    deployment, balancer = kubernetes["Deployment"]["spec"], kubernetes["Service"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == balancer["selector"] == labels
    (container,) = deployment["template"]["spec"]["containers"]
    opened = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert opened == served_ports()
    assert {port["targetPort"]: port["port"] for port in balancer["ports"]} == opened
    probes = [container[f"{name}Probe"] for name in ("startup", "readiness")]
    assert {probe["httpGet"]["port"] for probe in probes} == {"rest"}
    assert container["livenessProbe"]["tcpSocket"]["port"] == "grpc"
    # An image whose user is a number that is not root's.
    assert container["securityContext"]["runAsNonRoot"]
    (user,) = dockerfile("USER")
    assert int(user.split(":")[0]) > 0


@pytest.mark.parametrize("flag", ["enable_batching", "batching_parameters_file"])
def test_the_page_starts_the_server_as_the_files_do(flag, service):
    page = (FOLDER.parent / "tensorflow_serving.md").read_text(encoding="utf-8")
    commands = re.findall(r"^docker run .*", re.sub(r"\\\n", "", page), re.MULTILINE)
    (of_all,) = (shlex.split(line) for line in commands if "--model_config_file" in line)
    assert {word for word in of_all if flag in word} == {w for w in service["command"] if flag in w}


def test_dockerfiles_on_pages_install_what_there_is():
    extras = re.findall(r"^        \"(\w+)\": (?:\[|[A-Z])", (ROOT / "setup.py").read_text(), re.M)
    found = [
        block
        for page in PAGES
        for block in re.findall(r"^```dockerfile\n(.*?)^```", page.read_text(), re.DOTALL | re.M)
    ]
    assert found
    for block in found:
        steps = instructions(block)
        assert [name for name, _ in steps] == ["FROM", "COPY", "RUN"]
        _, folder = steps[1][1].split()
        pip, install, *words = shlex.split(steps[2][1])
        assert (pip, install) == ("pip", "install")
        (asked,) = re.findall(rf"{folder}\[([\w,]+)\]", " ".join(words))
        assert set(asked.split(",")) <= set(extras)
        (constraints,) = (w for w in words if w.endswith(".txt"))
        assert (ROOT / Path(constraints).relative_to(folder)).is_file()
