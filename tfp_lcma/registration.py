"""Keras finds this package's classes by name, although nobody has imported them yet.

A class is known to Keras once its module is imported, which `import tfp_lcma` leaves to the first
use. So that `keras.saving.load_model` works after that import alone, Keras' own look-up by
registered name is followed by an import of the package, when a name of this package is asked for.
"""

import functools
import importlib
import importlib.abc
import importlib.util
import sys
from typing import Any

_LOOKUP = "keras.src.saving.object_registration"
# All rooms with classes that Keras can be asked for.
ROOMS = (
    "bijectors", "density", "factorizations", "keras_model", "models", "multi_scale", "networks",
    "priors",
)  # fmt: skip


def register_when_asked() -> None:
    """Makes Keras, imported already or later, look into this package for the names of its own."""
    if _LOOKUP in sys.modules:
        _follow(sys.modules[_LOOKUP])
    else:
        sys.meta_path.insert(0, _Finder())


def _follow(lookup: Any) -> None:
    found = lookup.get_registered_object

    @functools.wraps(found)
    def get_registered_object(name, *arguments, **options):
        registered = found(name, *arguments, **options)
        if registered is None and isinstance(name, str) and name.startswith("tfp_lcma>"):
            for room in ROOMS:
                importlib.import_module(f"tfp_lcma.{room}")
            registered = found(name, *arguments, **options)
        return registered

    lookup.get_registered_object = get_registered_object


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the module of Keras' look-up as others do, and changes it once it is executed."""

    def find_spec(self, name, path, target=None):
        if name != _LOOKUP:
            return None
        sys.meta_path.remove(self)
        spec: Any = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _follow(module)

        spec.loader.exec_module = exec_module
        return spec
