"""The public names and the pages of the site's reference that list them."""

import importlib.util
import inspect
from functools import cache
from pathlib import Path
from types import ModuleType

import tfp_lcma as lcma

DOCS = Path(__file__).parents[2] / "docs"


def extension(name, folder="_extensions"):
    """Returns a module that builds or checks the site."""
    path = DOCS / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def public():
    """Returns what the rooms and the rooms in them offer, by a dotted name each."""
    found, rooms = {}, [("lcma", lcma)]
    while rooms:
        where, room = rooms.pop(0)
        names = getattr(room, "__all__", None) or [
            name
            for name, thing in vars(room).items()
            if name[0] != "_" and getattr(thing, "__module__", None) == room.__name__
        ]
        for name in names:
            thing = getattr(room, name)
            if isinstance(thing, ModuleType):
                if not any(thing is known for _, known in rooms):
                    rooms.append((f"{where}.{name}", thing))
            elif name[0] != "_" and not any(thing is known for known in found.values()):
                found[f"{where}.{name}"] = thing
    return found


def documented():
    """Returns the public classes and functions, without constants."""
    return {
        name: thing
        for name, thing in public().items()
        if inspect.isclass(thing) or inspect.isfunction(thing)
    }


def docstring(thing):
    """Returns what a page shows of a function, or of a class with its constructor."""
    parts = [inspect.getdoc(thing)]
    if inspect.isclass(thing) and "__init__" in vars(thing):
        parts.append(inspect.getdoc(thing.__init__))
    return "\n\n".join(filter(None, parts))
