"""Every public name is on a page of the reference, with what a reader looks for there."""

import importlib
import inspect
import re

import pytest

from tests.site.reference import docstring, documented, extension, public


def test_pages_list_every_public_name_once_and_nothing_else():
    listed = [
        (f"{module}.{name}", getattr(importlib.import_module(module), name))
        for module, names in extension("public_names").listed().items()
        for name in names
    ]
    for name, thing in public().items():
        assert sum(thing is other for _, other in listed) == 1, name
    for name, thing in listed:
        assert any(thing is other for other in public().values()), name


@pytest.mark.parametrize("name", documented())
def test_an_example_is_shown(name):
    assert "```python\n" in docstring(documented()[name])


def arguments(thing):
    """Returns the names of a call's arguments, where a thing has a signature of its own."""
    if inspect.isclass(thing):
        # Keras makes its classes by a function of any arguments.
        thing = next((vars(thing)[n] for n in ("__init__", "__new__") if n in vars(thing)), None)
        if thing is None:
            return []
    parameters = inspect.signature(thing).parameters.values()
    return [
        p.name
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in ("self", "_cls")
    ]


@pytest.mark.parametrize("name", documented())
def test_every_argument_is_described(name):
    thing = documented()[name]
    described = re.findall(r"^ +(\w+): ", docstring(thing), re.MULTILINE)
    assert set(arguments(thing)) <= set(described)
