"""The statistics that a split is chosen by: of a pre-trained flow, or of the images alone."""

import shutil
from pathlib import Path

import numpy as np

import tfp_lcma as lcma
from tfp_lcma.factorizations import LogDetStatistics
from tfp_lcma.files import written_whole
from tfp_lcma.training.data import Dataset

_FILE, _IMAGES = "statistics.npz", 2048


def measured_rows(
    dataset: Dataset, seed: int, labels: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns training images drawn by the seed, and their labels or None.

    Args:
        dataset: whose training images.
        seed: of the draw.
        labels: whether the labels are wanted.
    """
    train = dataset.train
    rows = np.sort(np.random.default_rng(seed).permutation(len(train))[:_IMAGES])
    return train.images[rows], train.labels[rows] if labels else None


def collect(folder: Path, model: lcma.FlowModel, dataset: Dataset, seed: int) -> None:
    """Gathers the statistics of a flow without a split and writes them into a run's folder."""
    rows = measured_rows(dataset, seed, labels=model.conditions is not None)
    lcma.LogDetCollector(seed=seed).collect(model, *rows).save(folder / _FILE)


def initialize(model: lcma.FlowModel, dataset: Dataset, seed: int, count: int) -> None:
    """Starts a flow that is not to be trained: the identity up to scales, as the images ask.

    Args:
        model: a fresh model.
        dataset: whose training images.
        seed: of those that are measured.
        count: how many of them it starts from.
    """
    images, condition = measured_rows(dataset, seed, labels=model.conditions is not None)
    model.initialize(images[:count], None if condition is None else condition[:count])


def load(folder: Path) -> LogDetStatistics | None:
    """Returns the statistics of a run; None if it has none.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / _FILE
    return LogDetStatistics.load(path) if path.exists() else None


def copy(source: Path, folder: Path) -> None:
    """Copies the statistics of a run to another one.

    Raises:
        ValueError: it has none.
    """
    if not (source / _FILE).exists():
        raise ValueError(
            "--init-from must be a run whose split was chosen from statistics, as that of the "
            f"new one is; {source} has none."
        )
    with written_whole(folder / _FILE) as temporary:
        shutil.copyfile(source / _FILE, temporary)
