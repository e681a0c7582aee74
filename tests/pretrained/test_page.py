"""The page on trained models says of each what its card says."""

import re
from pathlib import Path

import tfp_lcma as lcma
from tfp_lcma.pretrained.cards import MODELS
from tfp_lcma.pretrained.weights import MODEL

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how_to" / "pretrained.md").read_text(encoding="utf-8")


def rows(heading):
    """The cells of the table under a heading, without its first two lines."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def figures(name):
    """A row of the table, from the card."""
    card = lcma.pretrained.card(name)
    bits, size = card["bits_per_dimension"], (MODELS / name / MODEL).stat().st_size
    low, high = bits["interval"]
    return [
        f"`{name}`",
        card["about"],
        f"{bits['mean']:.3f} ({low:.3f} to {high:.3f})",
        f"{bits['images']:,}, {bits['draws']}",
        f"{card['parameters']:,}",
        f"{card['weights']}, {size / 1e6:.2f} MB",
    ]


def test_the_table_has_the_figures_of_all_cards():
    assert rows("The models") == [figures(name) for name in lcma.pretrained.names()]


def test_what_is_said_of_classes_is_on_the_card():
    right = lcma.pretrained.card("fashion-mnist-glow-labels")["classification"]
    share, error = 100 * right["accuracy"], 100 * right["standard_error"]
    assert f"{share:.1f} ± {error:.1f}% of {right['images']:,} test images" in PAGE


def test_the_licences_are_those_of_the_cards():
    licences = [[f"`{n}`", lcma.pretrained.card(n)["licence"]] for n in lcma.pretrained.names()]
    assert rows("Licences") == licences


def test_every_model_has_its_picture_and_no_samples_that_are_training_images():
    pictures = re.findall(r"!\[.*?\]\(\.\./(images/pretrained/(.*?)\.png)\)", PAGE)
    assert [name for _, name in pictures] == list(lcma.pretrained.names())
    for path, name in pictures:
        assert (DOCS / path).is_file()
        nearest = lcma.pretrained.card(name)["nearest"]
        assert nearest["training"] > 0.85 * nearest["validation"], name
