"""Trained models that come with the package: no download, nothing to train.

```python
import tfp_lcma as lcma

lcma.pretrained.names()
model = lcma.pretrained.load("digits-lcma")
images = model.sample(4, seed=1)  # float32 [4, 8, 8, 1] in [0, 17)
lcma.pretrained.card("digits-lcma")["bits_per_dimension"]  # of test images, with an interval
```
"""

from typing import TYPE_CHECKING

from tfp_lcma.pretrained.cards import card, folder_of, names

if TYPE_CHECKING:
    from tfp_lcma.keras_model import FlowModel

__all__ = ["card", "load", "names"]


def load(name: str) -> "FlowModel":
    """Loads a trained model that comes with the package.

    It is a `FlowModel` like any other: it scores, samples, is trained on and exported. Its weights
    are float32, rounded to half precision where the card says so.

    ```python
    import tfp_lcma as lcma

    model = lcma.pretrained.load("digits-lcma")
    lcma.export_saved_model(model, "saved_models/digits-lcma")
    ```

    Args:
        name: One of `names()`.

    Returns:
        The model, not compiled.

    Raises:
        ValueError: If there is no such model, its files are of a format that this version of the
            package does not read, or they are not those that the card is of.
    """
    from tfp_lcma.pretrained.weights import read_model  # TensorFlow is not needed for cards

    return read_model(folder_of(name))
