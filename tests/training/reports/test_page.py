"""A page: one file that shows everything and needs nothing else, whatever users name."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tfp_lcma.training.reports.document import (
    Code,
    Items,
    Picture,
    Report,
    Section,
    Table,
    to_markdown,
)
from tfp_lcma.training.reports.page import write_page

NAME = '<img src=x onerror="alert(1)"> & {{ 7 * 7 }}'


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attributes for found, attributes in self.found if found == tag]


@pytest.fixture
def page(tmp_path):
    report = Report(
        NAME,
        [NAME, f"Said of `{NAME}`.", Code([NAME]), Items([NAME])],
        [
            Section(NAME, [Table([NAME, "bits"], [[NAME, "-2.5"]], folded=NAME)]),
            Section("Pictures", [Picture("a.png", NAME, "chart"), Picture("b.png", NAME)]),
        ],
        [(NAME, NAME)],
    )
    for name, width in (("a", 30), ("b", 1200)):
        Image.fromarray(np.zeros((20, width), np.uint8)).save(tmp_path / f"{name}.png")
    write_page(tmp_path / "report.html", report)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_users_name_is_text_and_nothing_else(page):
    elements = Elements(page)
    assert elements.text.count(NAME) == 14
    assert all(image["src"].startswith("data:image/png;base64,") for image in elements.of("img"))
    assert [image["alt"] for image in elements.of("img")] == [NAME, NAME]
    assert not elements.of("script")


def test_a_page_needs_no_other_file(page):
    elements = Elements(page)
    assert not elements.of("link")
    links = [a[key] for _, a in elements.found for key in ("href", "src") if key in a]
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not re.search(r"url\(|@import|https?:", page)


def test_pictures_are_inside_bit_by_bit_with_their_size(page, tmp_path):
    small, large = Elements(page).of("img")
    assert base64.b64decode(small["src"].partition(",")[2]) == (tmp_path / "a.png").read_bytes()
    assert (large["width"], large["height"]) == ("1200", "20")
    assert [figure["class"] for figure in Elements(page).of("figure")] == ["chart", "map large"]


def test_a_missing_picture_leaves_the_old_page(page, tmp_path):
    with pytest.raises(FileNotFoundError):
        write_page(
            tmp_path / "report.html", Report("t", [], [Section("s", [Picture("c.png", "")])])
        )
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page


def test_the_same_report_is_markdown():
    report = Report(
        "Title",
        ["Text."],
        [Section("Numbers", [Table(["a", "b"], [["1", "2"]]), Code(["run it"]), Items("xy")])],
    )
    assert to_markdown(report) == (
        "# Title\n\nText.\n\n## Numbers\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n"
        "```\nrun it\n```\n\n- x\n- y\n"
    )
