"""The check of the built site finds what leads nowhere and what comes from outside."""

import pytest

from tests.site.reference import extension


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<a href="b.html#there">', None),
        ('<a href="https://elsewhere.org">', None),
        ('<a href="c.html">', "no such file"),
        ('<a href="b.html#here">', "no such heading"),
        ('<a href="#here">', "no such heading"),
        ('<img src="a.png">', "no such file"),
        ('<img src="https://elsewhere.org/a.png">', "from outside"),
        ('<script src="//elsewhere.org/a.js"></script>', "from outside"),
        ('<p style="background: url(http://elsewhere.org/a.png)">', "from outside"),
    ],
)
def test_a_page_with(body, complaint, tmp_path):
    (tmp_path / "a.html").write_text(body)
    (tmp_path / "b.html").write_text('<h1 id="there">')
    found = extension("links", "_checks").complaints(tmp_path)
    assert len(found) == (complaint is not None)
    assert all(complaint in sentence for sentence in found)


def test_a_style_from_outside(tmp_path):
    (tmp_path / "a.css").write_text('@import "https://elsewhere.org/b.css";')
    (sentence,) = extension("links", "_checks").complaints(tmp_path)
    assert sentence == "a.css loads https://elsewhere.org/b.css from outside"
