"""What a package index gets: files, description, versions; `make dist` builds and checks it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import tfp_lcma
from tests.distribution import NOT_DISTRIBUTED, tracked

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    """The folder of the metadata that setuptools makes."""
    folder = tmp_path_factory.mktemp("metadata")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return folder / "tfp_lcma.egg-info"


@pytest.fixture
def description(metadata):
    """The page of the package, as Markdown."""
    return (metadata / "PKG-INFO").read_text(encoding="utf-8").partition("\n\n")[2]


def test_the_source_distribution_has_all_that_git_tracks(metadata, monkeypatch):
    monkeypatch.chdir(ROOT)
    try:
        files = tracked()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git lists no files here")
    listed = set((metadata / "SOURCES.txt").read_text().splitlines())
    assert files - listed == NOT_DISTRIBUTED


def test_the_description_has_no_links_to_files_beside_readme(description):
    def links(tokens):
        for token in tokens:
            yield from (str(token.attrs[name]) for name in ("href", "src") if name in token.attrs)
            yield from links(token.children or ())

    found = list(links(MarkdownIt().parse(description)))
    assert [link for link in found if not re.match("https?://", link)] == []


def test_the_description_is_readme_but_for_links(description):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .*", readme, re.MULTILINE)
    assert headings
    assert re.findall(r"^#+ .*", description, re.MULTILINE) == headings


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {tfp_lcma.__version__}\n" in citation
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(.*?)\]", changes, re.MULTILINE)[0] == tfp_lcma.__version__
