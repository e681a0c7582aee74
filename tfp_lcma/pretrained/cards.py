"""The models that come with the package, by name, and their cards; read without TensorFlow."""

import json
from pathlib import Path
from typing import Any

from tfp_lcma.registry import check_name
from tfp_lcma.version import __version__

# What files are written in; a number for every layout that there ever was.
FORMAT = 1
CARD = "card.json"
# A folder a model, called by its name.
MODELS = Path(__file__).parent / "models"


def names() -> tuple[str, ...]:
    """Returns the names of the models that come with the package, which `load` takes.

    ```python
    import tfp_lcma as lcma

    "digits-lcma" in lcma.pretrained.names()  # True
    ```
    """
    return tuple(sorted(path.parent.name for path in MODELS.glob(f"*/{CARD}")))


def card(name: str) -> dict[str, Any]:
    """Returns the model card of a model that comes with the package.

    It says on which `data` the model was trained, under which `licence` they are, by which
    `train` command; the `bits_per_dimension` of test images with a 95% interval, and the
    `evaluate` command that finds them again; what the weights lost by rounding; and the checksum.

    ```python
    import tfp_lcma as lcma

    for name in lcma.pretrained.names():
        print(name, lcma.pretrained.card(name)["bits_per_dimension"]["mean"])
    ```

    Args:
        name: One of `names()`.

    Returns:
        What JSON can hold.

    Raises:
        ValueError: If there is no such model, or its card is of another format or damaged.
    """
    return read_card(folder_of(name))


def folder_of(name: str) -> Path:
    """Returns the folder of a model that comes with the package."""
    check_name("name", name, names())
    return MODELS / name


def read_card(folder: Path) -> dict[str, Any]:
    """Reads the card in a model's folder.

    Raises:
        ValueError: If it is damaged, or of another format.
    """
    path = folder / CARD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        number = found["format"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} must be the card of a trained model; {error!r}.") from error
    check_format(path, number)
    return found


def check_format(path: Path, number: Any) -> None:
    """Raises a ValueError unless a file is of the format that is read here."""
    if number != FORMAT:
        raise ValueError(
            f"{path} must be of format {FORMAT}, which tfp_lcma {__version__} reads; it is of "
            f"format {number}."
        )
