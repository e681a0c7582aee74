"""Every code block of README and docs runs, or is read: the Python, and what a shell is given."""

import ast
import importlib.util
import re
import shlex
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tfp_lcma as lcma
from tests.toys import pictures

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "how_to").glob("*.md")),
    *sorted((ROOT / "docs" / "explanation").glob("*.md")),
]
# The tests that run a page's Python.
RUN_BY = {
    "README.md": "test_code_blocks.py",
    "anomaly_scores.md": "density/test_anomaly.py",
    "depth_and_memory.md": "test_code_blocks.py",
    "dequantization.md": "test_docs.py",
    "entropy_informed.md": "test_docs.py",
    "exit_priors.md": "test_docs.py",
    "factorizations.md": "test_code_blocks.py",
    "gpu.md": "test_docs.py",
    "jet.md": "test_docs.py",
    "keras_model.md": "test_code_blocks.py",
    "pretrained.md": "training/cli/test_pretrained.py",
    "residual_flows.md": "test_docs.py",
    "serving.md": "test_code_blocks.py",
    "serving_clients.md": "training/tryout/test_clients_docs.py",
    "several_machines.md": "training/test_several_machines_page.py",
    "your_own_images.md": "training/data/test_own_images_page.py",
    "your_own_parts.md": "testing/test_page.py",
}


def fenced(path):
    """The blocks of a page with their languages."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def python(page):
    """The Python blocks of a page, for images of 8 by 8 where the page has 32 by 32."""
    found = [block for language, block in fenced(ROOT / page) if language == "python"]
    return [block.replace("32, 32, 3", "8, 8, 3") for block in found]


@pytest.fixture
def small(monkeypatch, tmp_path):
    """What pages take for granted; models are narrow, and a folder is empty."""
    monkeypatch.chdir(tmp_path)
    for name, sizes in (
        ("real_nvp", {"width": 4, "blocks": 1, "levels": 2}),
        ("glow", {"width": 4, "steps": 1, "levels": 2}),
    ):
        monkeypatch.setattr(lcma.models, name, partial(getattr(lcma.models, name), **sizes))
    return {
        "__name__": "docs",
        "lcma": lcma,
        "images": pictures(20, (8, 8, 3)),
        "labels": np.arange(20) % 10,
    }


def test_every_page_with_python_is_run_by_the_test_that_is_said_to():
    with_python = {path.name for path in PAGES if any(kind == "python" for kind, _ in fenced(path))}
    assert with_python == set(RUN_BY)
    for page, test in RUN_BY.items():
        assert page in (ROOT / "tests" / test).read_text(), page


def test_blocks_are_of_languages_that_tests_read():
    languages = {kind for path in PAGES for kind, _ in fenced(path)}
    assert languages <= {"", "none", "python", "bash", "yaml", "json", "dockerfile"}


@pytest.mark.slow
def test_readme_trains_samples_exports_and_splits(small):
    first, split = python("README.md")
    exec(first, small)
    assert Path("saved_models/cats/1/saved_model.pb").is_file()
    exec(split, small)
    assert small["model"].flow.factorization == small["split"]
    assert np.isfinite(small["model"].bits_per_dimension(small["images"][:2])).all()


@pytest.mark.slow
def test_a_flow_is_a_keras_model_and_takes_conditions(small):
    first, conditional = python("docs/how_to/keras_model.md")
    exec(first, small)
    assert small["z"].shape == (8, 8, 8, 3)
    assert Path("cats.keras").is_file()
    exec(conditional, small)
    assert small["model"].class_probabilities(small["images"][:2]).shape == (2, 10)


def test_serving_exports_as_readme_does():
    (export,) = python("docs/how_to/serving.md")
    statements = {ast.unparse(node) for node in ast.parse(python("README.md")[0]).body}
    assert {ast.unparse(node) for node in ast.parse(export).body} <= statements


# `make docs` runs it.
@pytest.mark.slow
def test_splits_from_data_and_while_training(small):
    untrained, online, *own = python("docs/explanation/factorizations.md")
    exec(untrained, small)
    exec(online, small)
    assert small["model"].flow.factorization is small["split"]
    for block in own:
        exec(block, small)


def test_memory_is_a_setting_of_a_flow(small):
    (block,) = python("docs/explanation/depth_and_memory.md")
    exec(block.replace("steps=32, width=128", "steps=2, width=4"), small)
    assert small["flow"].memory == "keep"


def commands():
    """The lines that a shell is given: what starts a line of a block without a language."""
    for path in PAGES:
        for language, block in fenced(path):
            if language in ("", "bash"):
                for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                    yield path.name, line


def test_make_targets_on_the_pages_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = [line.split()[1] for _, line in commands() if re.match(r"make [a-z]", line)]
    assert asked
    assert set(asked) <= targets


def test_modules_that_the_pages_run_are_there():
    asked = [shlex.split(line, comments=True) for _, line in commands() if " -m " in line]
    names = [words[words.index("-m") + 1] for words in asked if words[:2] == ["python", "-m"]]
    assert names
    for name in names:
        assert importlib.util.find_spec(name), name


def test_what_pip_is_asked_for_is_there():
    extras = re.findall(r"^        \"(\w+)\": (?:\[|[A-Z])", (ROOT / "setup.py").read_text(), re.M)
    asked = [line for _, line in commands() if line.startswith("pip install")]
    assert asked
    for line in asked:
        for found in re.findall(r"\.\[([\w,]+)\]", line):
            assert set(found.split(",")) <= set(extras), line
