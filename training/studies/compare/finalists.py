"""The test images: read once for every finalist and seed, after everything has been chosen."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from tfp_lcma.training.data import Split
from tfp_lcma.training.runs import evaluation
from tfp_lcma.training.runs.run_lock import run_lock
from tfp_lcma.training.studies.results import ResultsFile, find


def read_test(
    folder: Path,
    test: Split,
    finalists: Sequence[str],
    *,
    draws: int,
    command: str,
    say: Callable[[str], None],
) -> None:
    """Evaluates the saved models of the finalists, and keeps every number once and for all.

    Args:
        folder: of a study.
        test: the test images.
        finalists: arms; every finished seed of each is evaluated.
        draws: dequantisation draws an image.
        command: written beside the numbers.
        say: called with every line of progress.

    Raises:
        ValueError: a finalist has no finished run, another process has the folder, or a file is
            damaged.
    """
    with run_lock(folder):
        rows = ResultsFile(folder / "results.jsonl").rows()
        tested = ResultsFile(folder / "test.jsonl")
        known = tested.rows()
        finished = [row for row in rows if row["arm"] in finalists and "failed" not in row]
        for name in finalists:
            if name not in {row["arm"] for row in finished}:
                raise ValueError(f"--finalists must have finished runs; {name!r} has none.")
        for row in finished:
            name, seed = row["arm"], row["seed"]
            if find(known, name, seed):
                continue
            model = keras.saving.load_model(folder / row["model"])
            bits = evaluation.test_bits(model, test, draws, seed)
            tested.append({"arm": name, "seed": seed, "command": command, "test": bits})
            say(f"seed {seed}, {name}: test {bits['bits_per_dimension']:.4f} bits/dim")
