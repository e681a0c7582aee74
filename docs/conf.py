"""The site: pages, executed tutorials and the reference, from this folder and the docstrings."""

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# Tutorials start the package's commands.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

from tfp_lcma.version import __version__  # noqa: E402

project = "tfp_lcma"
author = "the authors of tfp_lcma"
project_copyright = author
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "markdown_docstrings",
    "public_names",
    "spread_tutorials",
]
exclude_patterns = ["conf.py", "_*"]
templates_path = ["_templates"]
suppress_warnings = ["toc.empty_glob"]

highlight_language = "none"

# Markdown and notebooks.
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_timeout = 600  # seconds a cell, on a busy machine
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # what TensorFlow says of processors and GPUs


def _sources() -> str:
    """Returns a digest of the package: outputs of another version are not taken from the cache."""
    digest = hashlib.sha256()
    for folder in (HERE.parent / "tfp_lcma", HERE.parent / "training"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


nb_execution_cache_path = str(HERE.parent / "build" / "docs" / "notebooks" / _sources())

# The reference.
autosummary_ignore_module_all = False
autoclass_content = "both"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(tf|tensorflow|tensorflow_probability|tfp|tfb|tfd|keras|numpy|np)\b.*"),
    (r"py:.*", r"(collections|os|pathlib)\..*"),
]

# Nothing is loaded from elsewhere, formulas included.
html_theme = "furo"
html_title = f"tfp_lcma {release}"
html_static_path = [
    "_static",
    str(
        Path(*importlib.util.find_spec("sphinx-mathjax-offline").submodule_search_locations)
        / "static"
        / "mathjax"
        / "tex-svg.js"
    ),
]
html_theme_options = {"top_of_page_buttons": []}
html_copy_source = False
html_css_files = ["site.css"]
mathjax_path = "tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}
