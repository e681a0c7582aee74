"""The implementations, what each needs, and where its architecture is not quite ours.

Nothing heavy is imported here: the report lists all of them, installed or not.
"""

import dataclasses
import importlib
import importlib.metadata
import importlib.util
from typing import TYPE_CHECKING

from tfp_lcma.training.studies.benchmark.cases import Case

if TYPE_CHECKING:
    from tfp_lcma.training.studies.benchmark.contender import Contender


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

    def build(self, case: Case, threads: int) -> "Contender":
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


_HERE = "tfp_lcma.training.studies.benchmark."
_TFP_PACKAGES = ("tensorflow_probability", "tensorflow", "tf_keras")
_TFP_GLOW = {
    "glow": "networks without actnorms and without a bound on their input; couplings by "
    "sigmoid(raw + 2); log-det reduced at every step; standard normal at the last level"
}
_NFLOWS = {
    "glow": "networks, which nflows has its user write, without actnorms and without a bound on "
    "their input; couplings by sigmoid(raw + 2); log-det reduced at every step; 1x1 convolutions "
    "as two products with triangular matrices; what is factored out is standard normal, without "
    "Glow's convolution",
    "real-nvp": "couplings by sigmoid(raw + 2); log-det reduced at every step; the networks, and "
    "the couplings with a checkerboard, which nflows has not, are written for this benchmark "
    "after ours",
}
_NORMFLOWS = {
    "glow": "networks without actnorms, which is its default, and without a bound on their input; "
    "couplings by sigmoid(raw + 2); log-det reduced at every step; what is factored out has one "
    "mean and scale a channel, without Glow's convolution"
}
_FLOOR = {
    "glow": "no flow: the convolutions of the couplings' networks and the 1x1 convolutions, with "
    "their gradients in a training step, without an update",
    "real-nvp": "no flow: the convolutions of the couplings' networks, with their gradients in a "
    "training step, without an update",
}


def _ours(title: str, **options) -> Implementation:
    """Returns this package's flows in one setting; what a title leaves out is the default."""
    packages = ("tfp_lcma", "tensorflow", "keras")
    return Implementation(
        title, "ours", _HERE + "ours", packages, {"glow": "", "real-nvp": "", "jet": ""}, options
    )


IMPLEMENTATIONS = {
    "ours": _ours("tfp_lcma"),
    "ours-looped": _ours("tfp_lcma looped", unroll=False),
    "ours-unrolled": _ours("tfp_lcma unrolled", unroll=True),
    "ours-invert": _ours("tfp_lcma invert", memory="invert"),
    "ours-looped-invert": _ours("tfp_lcma looped invert", unroll=False, memory="invert"),
    "ours-unrolled-invert": _ours("tfp_lcma unrolled invert", unroll=True, memory="invert"),
    "ours-xla": _ours("tfp_lcma, XLA", jit=True),
    "ours-unrolled-xla": _ours("tfp_lcma unrolled, XLA", unroll=True, jit=True),
    "ours-invert-xla": _ours("tfp_lcma invert, XLA", memory="invert", jit=True),
    "ours-bfloat16": _ours("tfp_lcma, networks in bfloat16", networks="mixed_bfloat16"),
    "ours-bfloat16-xla": _ours(
        "tfp_lcma, networks in bfloat16, XLA", networks="mixed_bfloat16", jit=True
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
    "floor-keras": Implementation(
        "transformers alone, Keras",
        "floor",
        _HERE + "floor_keras",
        ("keras", "tensorflow"),
        {
            "jet": "no flow: the couplings' networks as layers of Keras, one after the other; each "
            "reads the sum of shift and scale that the one before it gave"
        },
    ),
    "floor-torch": Implementation(
        "convolutions alone, PyTorch", "floor", _HERE + "floor_torch", ("torch",), _FLOOR
    ),
}
