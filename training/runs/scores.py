"""How unlike the training images files are: many of them, a few in memory at a time."""

import csv
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfp_lcma import anomaly
from tfp_lcma.files import written_whole
from tfp_lcma.training.data.files import read_files
from tfp_lcma.training.data.pixels import UnreadableImageError, warn_if_scaled
from tfp_lcma.training.runs.density import Density

# Images that are read and scored together.
_CHUNK = 128
# Maps are averaged over squares of so many pixels, which brings out what is large.
_WINDOW = 3


class Score(NamedTuple):
    """What is said of a file.

    Attributes:
        file: As it was given.
        bits_per_dimension: What the model needs for it; None if it cannot be read.
        complexity_corrected: How many more those are than a lossless compressor needs, which makes
            simple images no likelier; higher is more anomalous.
        error: Why it cannot be read; empty if it can.
    """

    file: str
    bits_per_dimension: float | None
    complexity_corrected: float | None
    error: str


def score_files(
    density: Density,
    files: Iterable[str],
    *,
    condition: int | None = None,
    draws: int = 1,
    on_map: Callable[[int, np.ndarray, np.ndarray], None] | None = None,
) -> Iterator[Score]:
    """Yields the score of every file, in their order; last, warns if some look scaled to [0, 1].

    Args:
        density: By which they are scored; it knows what is made of image files.
        files: Their paths.
        condition: The class that all of them are scored as; None if the model has none.
        draws: Dequantisation draws an image.
        on_map: Called with a file's number, its pixels, and where it is anomalous, nats per pixel
            `[height, width]`.
    """
    numbered, highest = enumerate(files), []
    while chunk := list(itertools.islice(numbered, _CHUNK)):
        results = list(read_files((file for _, file in chunk), density.pixels))
        read = [i for i, got in enumerate(results) if not isinstance(got, UnreadableImageError)]
        scores = {i: Score(chunk[i][1], None, None, str(got)) for i, got in enumerate(results)}
        if read:
            images = np.stack([results[i] for i in read])
            highest.extend(images.max(axis=(1, 2, 3)))
            bits = density.bits_per_dimension(images, condition, draws)
            corrected = bits - anomaly.compressed_bits_per_dimension(images, density.bins)
            for i, whole, less in zip(read, bits, corrected, strict=True):
                scores[i] = Score(chunk[i][1], float(whole), float(less), "")
            if on_map is not None:
                maps = anomaly.anomaly_map(
                    density.event_log_prob(images, condition), window=_WINDOW
                )
                for i, image, values in zip(read, images, maps, strict=True):
                    on_map(chunk[i][0], image, values)
        yield from scores.values()
    warn_if_scaled(highest, density.bins, "these files")


def ranks(scores: Sequence[Score]) -> list[int | None]:
    """Returns each file's place by its complexity-corrected score, 1 the most anomalous.

    A file that cannot be read has None.
    """
    numbers = (score.complexity_corrected for score in scores)
    scored = {row: number for row, number in enumerate(numbers) if number is not None}
    places: list[int | None] = [None] * len(scores)
    for place, row in enumerate(sorted(scored, key=scored.__getitem__, reverse=True), start=1):
        places[row] = place
    return places


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Writes a CSV file: a row a file, in their order."""
    header = ("file", "bits_per_dimension", "complexity_corrected", "rank", "error")
    # Names that are not UTF-8 leave as the bytes they are.
    with (
        written_whole(path) as temporary,
        open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator=os.linesep)
        rows.writerow(header)
        for score, rank in zip(scores, ranks(scores), strict=True):
            numbers = ("" if n is None else f"{n:.6g}" for n in score[1:3])
            rows.writerow([score.file, *numbers, "" if rank is None else rank, score.error])
