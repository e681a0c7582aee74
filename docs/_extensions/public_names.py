"""What leads to where a name is defined leads to the page of the room that it is public in."""

import importlib
import inspect
import re
from pathlib import Path

_FOREIGN = ("keras", "tensorflow", "tensorflow_probability", "tf_keras")
REFERENCE = Path(__file__).parents[1] / "reference"


def listed() -> dict[str, list[str]]:
    """Returns the names that the pages of the reference list, by module."""
    found: dict[str, list[str]] = {}
    for page in sorted(REFERENCE.glob("*.rst")):
        module, inside = "", False
        for line in page.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"\.\. currentmodule:: (\S+)", line):
                module = match[1]
            elif match := re.match(r"\.\. py:data:: (\w+)", line):
                found.setdefault(module, []).append(match[1])
            elif line == ".. autosummary::":
                inside = True
            elif inside and (match := re.fullmatch(r"    (\w+)", line)):
                found.setdefault(module, []).append(match[1])
            elif line and not line.startswith(" "):
                inside = False
    return found


def _homes() -> dict[str, str]:
    homes = {}
    for module, names in listed().items():
        for name in names:
            thing = getattr(importlib.import_module(module), name)
            where = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
            if all(where):
                homes[".".join(where)] = f"{module}.{name}"
    return homes


def _resolve(app, env, node, content):
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    home = next((h for h in app.public_homes if target == h or target.startswith(f"{h}.")), None)
    if home is None:
        return None
    target = app.public_homes[home] + target.removeprefix(home)
    domain = env.domains["py"]
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], target, node, content
    )


def _bases(homes, bases):
    """Returns the bases that a reader can look up: others are replaced by theirs."""
    found = []
    for base in bases:
        name = f"{base.__module__}.{base.__qualname__}"
        if name.startswith("tfp_lcma.") and name not in homes:
            found += _bases(homes, base.__bases__)
        else:
            found.append(base)
    return [base for base in dict.fromkeys(found) if base is not object] or [object]


def _show_bases(app, name, obj, options, bases):
    bases[:] = _bases(app.public_homes, bases)


def _sign(app, what, name, obj, options, signature, returned):
    """Gives Keras' classes, which are made by a function of any arguments, their constructor's."""
    if what == "class" and signature == "(*args, **kwargs)" and "__init__" in vars(obj):
        from sphinx.util import inspect as stringified  # tests read this file without Sphinx

        own = stringified.signature(obj.__init__, bound_method=True)
        return stringified.stringify_signature(own, show_annotation=False), returned
    return None


def _skip_foreign(app, what, name, obj, skip, options):
    """Leaves out what a class has from TensorFlow, TFP or Keras, even where it is wrapped anew."""
    function = inspect.unwrap(getattr(obj, "__func__", getattr(obj, "fget", None) or obj))
    module = getattr(function, "__module__", None) or ""
    return module.split(".")[0] in _FOREIGN or None


def _read_homes(app):
    app.public_homes = _homes()


def setup(app):
    """Reads the public names before the pages."""
    app.connect("builder-inited", _read_homes)
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-process-bases", _show_bases)
    app.connect("autodoc-process-signature", _sign)
    app.connect("autodoc-skip-member", _skip_foreign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
