"""What the pages of the reference make of Markdown in docstrings."""

import pytest

from tests.site.reference import extension


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as `networks.Gated(2 ** 3)` | x_", r"as ``networks.Gated(2 ** 3)`` \| x\_"),
        ("several `Variable`s", r"several ``Variable``\ s"),
        ("code `on\ntwo` lines", "code ``on\ntwo`` lines"),
        ("```math\nx^2\n```", ".. math::\n\n    x^2"),
        (
            "Args:\n    x: As\n    ```none\n    a `b`\n    ```",
            "    .. code-block:: none\n\n        a `b`",
        ),
        ("| a | b |\n|---|---|\n| `c` | |", "    * - a\n      - b\n    * - ``c``\n      -"),
    ],
    ids=["code", "plural", "two lines", "formula", "block in a section", "table"],
)
def test_markdown_becomes_restructured_text(text, expected):
    assert expected in "\n".join(extension("markdown_docstrings").converted(text.split("\n")))
