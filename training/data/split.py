"""What a data set is: three sides of images, and how many intensities a pixel can take."""

import dataclasses

import numpy as np

from tfp_lcma.training.data.file_report import FileReport
from tfp_lcma.training.data.pixels import PixelSettings


# Arrays have no single truth value, hence no generated ==.
@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """One side of a data set.

    Attributes:
        images: uint8 [n, H, W, C]; possibly a read-only memory map.
        clusters: int [n], or None. Images of one cluster are not independent (crops of one
            photograph), so that a standard error must be taken over clusters; None says that
            every image stands for itself.
        labels: int [n], or None. The class of every image, counted from 0, where the data set has
            classes.
        background: Intensity, in all channels, of the pixels that lie around a picture; None where
            every pixel is part of it.
    """

    images: np.ndarray
    clusters: np.ndarray | None = None
    labels: np.ndarray | None = None
    background: int | None = None

    def __post_init__(self) -> None:
        """Checks shapes and types."""
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or 0 in self.images.shape:
            raise ValueError(
                "images must be uint8 [n, H, W, C], none of them 0; "
                f"got {self.images.dtype} {list(self.images.shape)}"
            )
        for name in ("clusters", "labels"):
            numbers = getattr(self, name)
            if numbers is not None and (
                numbers.shape != self.images.shape[:1]
                or not np.issubdtype(numbers.dtype, np.integer)
            ):
                raise ValueError(
                    f"{name} must be integers [{len(self.images)}]; "
                    f"got {numbers.dtype} {list(numbers.shape)}"
                )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def take(self, rows: slice | np.ndarray) -> "Split":
        """Returns some of the images, and what goes with them."""
        clusters = None if self.clusters is None else self.clusters[rows]
        labels = None if self.labels is None else self.labels[rows]
        return Split(self.images[rows], clusters, labels, self.background)

    def first(self, count: int) -> "Split":
        """Returns the first `count` images, and what goes with them."""
        return self.take(slice(count))


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with a fixed split.

    Attributes:
        name: The source it was loaded from.
        train: Images to fit.
        validation: Images to choose by: when to stop, which setting.
        test: Images to report on, and nothing else.
        bins: Number of intensities; every value of every image lies in 0..bins-1.
        class_names: What the classes are called, where they have names.
        files: What became of the files of a folder, where it was read from one.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    bins: int = 256
    class_names: tuple[str, ...] | None = None
    files: FileReport | None = None

    def __post_init__(self) -> None:
        """Checks that the three sides agree."""
        if not 2 <= self.bins <= 256:
            raise ValueError(f"bins must be in 2..256; got {self.bins}")
        shapes = {side.images.shape[1:] for side in (self.train, self.validation, self.test)}
        if len(shapes) != 1:
            raise ValueError(f"all images must have one shape [H, W, C]; got {sorted(shapes)}")

    @property
    def event_shape(self) -> tuple[int, int, int]:
        """Shape of one image, (H, W, C)."""
        return self.train.images.shape[1:]

    @property
    def pixels(self) -> PixelSettings | None:
        """How an image file becomes an image like these; None if they are neither grey nor RGB."""
        return PixelSettings.usual(self.event_shape, self.bins)

    @property
    def classes(self) -> int | None:
        """Number of classes; None if the data set has none."""
        if self.class_names is not None:
            return len(self.class_names)
        return None if self.train.labels is None else int(self.train.labels.max()) + 1
