"""What the callback gathers from a pre-trained flow, and its file."""

import dataclasses
import os

import numpy as np

from tfp_lcma.files import written_whole

_BLOCK = "block_covariance_"


@dataclasses.dataclass(frozen=True)
class LogDetStatistics:
    """Per-dimension statistics of a flow over training images.

    All arrays but the block covariances are in the coordinates of the image; a
    dimension that has left before a level has NaN there.

    Attributes:
      log_det: `[levels, height, width, channels]`, mean event log-det from the
        image to the end of each level, in nats; preprocessing not included.
      mean: Same shape, mean activation at the end of each level.
      variance: Same shape, its variance.
      block_covariance: For every level but the last, `[h/2, w/2, c, 4, 4]`: the
        covariance within every 2x2 block of every channel, in the level's own
        coordinates; sub-positions in raster order.
      log_density: `[height, width, channels]`, mean final log-density of each
        dimension, log N(z) + log-det, in nats.
      count: Number of images.
    """

    log_det: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    block_covariance: tuple[np.ndarray, ...]
    log_density: np.ndarray
    count: int

    def save(self, path: str | os.PathLike) -> None:
        """Writes the statistics to one `.npz` file, whole or not at all."""
        fields = {
            "log_det": self.log_det,
            "mean": self.mean,
            "variance": self.variance,
            "log_density": self.log_density,
            "count": np.array(self.count),
        }
        fields |= {f"{_BLOCK}{level}": block for level, block in enumerate(self.block_covariance)}
        with written_whole(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **fields)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LogDetStatistics":
        """Reads what `save` wrote.

        Raises:
          FileNotFoundError: If there is no such file.
          ValueError: If the file is not one of these, or is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                fields = {name: file[name] for name in file.files}
            blocks = [name for name in fields if name.startswith(_BLOCK)]
            return cls(
                log_det=fields["log_det"],
                mean=fields["mean"],
                variance=fields["variance"],
                block_covariance=tuple(fields[f"{_BLOCK}{i}"] for i in range(len(blocks))),
                log_density=fields["log_density"],
                count=int(fields["count"]),
            )
        except FileNotFoundError:
            raise
        except Exception as error:  # numpy and zipfile meet damage with a dozen kinds of errors
            raise ValueError(
                f"{os.fspath(path)} is not a readable statistics file: {error}"
            ) from error
