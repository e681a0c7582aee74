"""Image data sets as arrays of whole intensities, split into train, validation and test.

    dataset = load("fashion_mnist", data_dir="~/tensorflow_datasets")
    dataset.train.images  # uint8 [55000, 28, 28, 1]
    dataset.train.labels  # int64 [55000], the class of each

`names()` are the data sets there are; a folder of image files and a file of
arrays are loaded by their paths.
"""

from typing import TYPE_CHECKING

from tfp_lcma.training.data.sources import find, load, names

if TYPE_CHECKING:
    from tfp_lcma.training.data.split import Dataset, Split

__all__ = ["Dataset", "Split", "find", "load", "names"]


def __getattr__(name: str) -> type:
    # They need NumPy, which the command line does without while it only looks at its options.
    if name in ("Dataset", "Split"):
        from tfp_lcma.training.data import split

        return getattr(split, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
