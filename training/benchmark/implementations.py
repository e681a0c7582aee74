"""Who takes part, what each needs, and where its architecture is not quite ours.

Nothing heavy is imported here: the report knows all of them, installed or not.
"""

import dataclasses
import importlib
import importlib.metadata
import importlib.util

from training.benchmark.cases import Case
from training.benchmark.contender import Contender


@dataclasses.dataclass(frozen=True)
class Implementation:
    """One way to build the cases.

    Attributes:
        title: name in tables.
        kind: "ours", "peer" or "floor".
        module: module with `build(case, threads, **options)`.
        packages: what must be installed, the package that is compared first.
        deviations: for every family it builds, where its architecture differs from ours.
        options: further arguments of `build`.
    """

    title: str
    kind: str
    module: str
    packages: tuple[str, ...]
    deviations: dict[str, str]
    options: dict = dataclasses.field(default_factory=dict)

    def builds(self, case: Case) -> bool:
        """Says whether the case is of a family it has."""
        return case.family in self.deviations

    def missing(self) -> list[str]:
        """Returns the packages that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]

    def versions(self) -> dict[str, str]:
        """Returns the versions of its packages."""
        return {name: _version(name) for name in self.packages}

    def load(self):
        """Imports everything it needs and returns its module."""
        return importlib.import_module(self.module)

    def build(self, case: Case, threads: int) -> Contender:
        """Returns the case's model, ready to be called.

        Args:
            case: what to build.
            threads: how many threads its library may use.
        """
        return self.load().build(case, threads, **self.options)


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


_HERE = "training.benchmark."
_TFP_PACKAGES = ("tensorflow_probability", "tensorflow", "tf_keras")
_TFP_GLOW = {
    "glow": "networks without actnorms and without a bound on their input; couplings by "
    "sigmoid(raw + 2); log-det reduced at every step; standard normal at the last level"
}
_NFLOWS = {
    "glow": "networks, which nflows leaves to its user, without actnorms and without a bound on "
    "their input; couplings by sigmoid(raw + 2); log-det reduced at every step; 1x1 convolutions "
    "as two products with triangular matrices; what leaves is standard normal, without Glow's "
    "convolution",
    "real-nvp": "couplings by sigmoid(raw + 2); log-det reduced at every step; the networks, and "
    "the couplings with a checkerboard, which nflows has not, are written for this benchmark "
    "after ours",
}
_NORMFLOWS = {
    "glow": "networks without actnorms, which is its default, and without a bound on their input; "
    "couplings by sigmoid(raw + 2); log-det reduced at every step; what leaves has one mean and "
    "scale a channel, without Glow's convolution"
}
_FLOOR = {
    "glow": "no flow: the convolutions of the couplings' networks and the 1x1 convolutions, with "
    "their gradients in a training step, without an update",
    "real-nvp": "no flow: the convolutions of the couplings' networks, with their gradients in a "
    "training step, without an update",
}
_OURS = {"glow": "", "real-nvp": ""}
_OURS_PACKAGES = ("tfp_lcma", "tensorflow", "keras")

IMPLEMENTATIONS = {
    "ours": Implementation("tfp_lcma", "ours", _HERE + "ours", _OURS_PACKAGES, _OURS),
    "ours-xla": Implementation(
        "tfp_lcma, XLA", "ours", _HERE + "ours", _OURS_PACKAGES, _OURS, {"jit": True}
    ),
    "tfp": Implementation("tfb.Glow", "peer", _HERE + "tfp_glow", _TFP_PACKAGES, _TFP_GLOW),
    "tfp-xla": Implementation(
        "tfb.Glow, XLA", "peer", _HERE + "tfp_glow", _TFP_PACKAGES, _TFP_GLOW, {"jit": True}
    ),
    "nflows": Implementation("nflows", "peer", _HERE + "nflows_peer", ("nflows", "torch"), _NFLOWS),
    "normflows": Implementation(
        "normflows", "peer", _HERE + "normflows_peer", ("normflows", "torch"), _NORMFLOWS
    ),
    "floor-tensorflow": Implementation(
        "convolutions alone, TensorFlow",
        "floor",
        _HERE + "floor_tensorflow",
        ("tensorflow",),
        _FLOOR,
    ),
    "floor-torch": Implementation(
        "convolutions alone, PyTorch", "floor", _HERE + "floor_torch", ("torch",), _FLOOR
    ),
}
