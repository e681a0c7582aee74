"""The rooms of the package and the order in which they may import each other."""

import ast
import pathlib

import pytest

import tfp_lcma
from tfp_lcma import training

PACKAGE = pathlib.Path(tfp_lcma.__file__).parent
# From what knows nothing of the others up; rooms side by side do not know each other.
HELPERS = {
    "noise", "validation", "serialization", "files", "custom_gradient", "registration", "registry",
    "version", "export_layout", "batch_statistics",
}  # fmt: skip
FLOORS = [
    HELPERS,
    {"networks"},
    {"bijectors"},
    {"factorizations", "priors"},
    {"multi_scale"},
    {"density", "models", "testing"},
    {"keras_model"},
    {"serving", "pretrained"},
    {"__init__"},
    # The laboratory, which nothing outside it may know but what runs the command line.
    {"training"},
    {"training.data"},
    {"training.recipes", "training.reports", "training.tryout"},
    {"training.runs"},
    {"training.studies"},
    {"training.cli"},
    {"__main__"},
]
HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}
# Commands themselves, for those who work on this package.
COMMANDS = {"tfp_lcma.training.studies.inversion_drift", "tfp_lcma.training.studies.near_ties"}
# What is built on a flow knows no particular model.
UNAWARE_OF_MODELS = {"density", "keras_model", "serving"}


def modules():
    """Every module by its dotted name, with whether it is a package."""
    found = {}
    folders = {"tfp_lcma": PACKAGE, "tfp_lcma.training": pathlib.Path(training.__file__).parent}
    for top, folder in folders.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [top, *path.relative_to(folder).with_suffix("").parts]
            package = parts[-1] == "__init__"
            found[".".join(parts[:-1] if package else parts)] = (path, package)
    return found


def imported(source, name, package, known):
    """The modules of this package that a module's source imports, wherever in it."""
    targets = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                outer = name.split(".")[: len(name.split(".")) - node.level + package]
                base = ".".join([*outer, *([base] if base else [])])
            members = {f"{base}.{alias.name}" for alias in node.names}
            targets |= {member if member in known else base for member in members}
    return {target for target in targets if target.split(".")[0] == "tfp_lcma"}


def room(name):
    """The room of a module: the package's own names are those of the top."""
    parts = name.split(".")
    if name in COMMANDS:
        return "training.cli"
    if parts[1:2] == ["training"]:
        return ".".join(parts[1:3])
    return parts[1] if len(parts) > 1 else "__init__"


def violations(arrows):
    """Arrows between rooms that go up or sideways."""
    return sorted(
        (name, target)
        for name, target in arrows
        if room(name) != room(target) and HEIGHT[room(target)] >= HEIGHT[room(name)]
    )


def arrows():
    known = modules()
    return {
        (name, target)
        for name, (path, package) in known.items()
        for target in imported(path.read_text(), name, package, known)
    }


def test_every_room_has_its_floor():
    assert {room(name) for name in modules()} == set(HEIGHT)


def test_rooms_import_only_from_rooms_below():
    # Each arrow goes down a floor at least, so there can be no cycle.
    assert violations(arrows()) == []


def test_what_is_built_on_a_flow_knows_no_particular_model():
    aware = [a for a in arrows() if room(a[0]) in UNAWARE_OF_MODELS and room(a[1]) == "models"]
    assert aware == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("tfp_lcma.noise", "import tfp_lcma.networks.stack"),
        ("tfp_lcma.networks.stack", "from tfp_lcma.bijectors.chain import FlowChain"),
        ("tfp_lcma.bijectors.chain", "from tfp_lcma import factorizations"),
        ("tfp_lcma.bijectors.chain", "from ..multi_scale import MultiScale"),
        ("tfp_lcma.priors.exit_prior", "from tfp_lcma.factorizations import Channel"),
        ("tfp_lcma.multi_scale", "def late():\n    from tfp_lcma.models import glow"),
        ("tfp_lcma.density.anomaly", "from tfp_lcma.models.glow import glow"),
        ("tfp_lcma.models.glow", "from tfp_lcma import FlowModel"),
        ("tfp_lcma.serving.export", "from tfp_lcma.training.data import load"),
        ("tfp_lcma.training.data.folder", "from tfp_lcma.training.runs.run import Run"),
        ("tfp_lcma.training.reports.pictures", "from tfp_lcma.training import runs"),
    ],
)
def test_an_import_upward_is_found(name, source):
    known = modules()
    found = imported(source, name, known[name][1], known)
    assert violations({(name, target) for target in found})


def test_names_of_the_package_and_of_modules_are_told_apart():
    known = modules()
    source = "from tfp_lcma import noise\nfrom . import chain\nfrom .coupling import Coupling"
    expected = {"tfp_lcma.noise", "tfp_lcma.bijectors.chain", "tfp_lcma.bijectors.coupling"}
    assert imported(source, "tfp_lcma.bijectors.repeated", False, known) == expected
    assert imported(source, "tfp_lcma.bijectors", True, known) == expected
