"""The test images: read once for every finalist and seed, after everything has been chosen."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from tfp_lcma.training.data import Split
from tfp_lcma.training.runs import evaluation
from tfp_lcma.training.runs.foreground import foreground_bits
from tfp_lcma.training.runs.run_lock import own_turn, run_lock
from tfp_lcma.training.studies.compare.images import IMAGES, ImagesFile
from tfp_lcma.training.studies.results import ResultsFile, find, to_report


def read_test(
    folder: Path,
    test: Split,
    finalists: Sequence[str],
    *,
    draws: int,
    command: str,
    say: Callable[[str], None],
    shared: bool = False,
) -> None:
    """Evaluates saved models, and keeps every number once and for all.

    In a study that has report seeds these are all runs of report seeds, and no other; else every
    finished run of the finalists.

    Args:
        folder: of a study.
        test: the test images.
        finalists: arms that must have finished runs.
        draws: dequantisation draws an image.
        command: written beside the numbers.
        say: called with every line of progress.
        shared: whether other processes may be at the folder too; what one of them is at is left
            to it.

    Raises:
        ValueError: a finalist has no finished run, another process has the folder, or a file is
            damaged.
    """
    with run_lock(folder, shared=shared):
        rows = to_report(ResultsFile(folder / "results.jsonl").rows())
        images = ImagesFile(folder / IMAGES)
        tested = ResultsFile(folder / "test.jsonl")
        images.check(tested.rows(), "test")
        finished = [row for row in rows if "failed" not in row]
        for name in finalists:
            if name not in {row["arm"] for row in finished}:
                raise ValueError(f"--finalists must have finished runs; {name!r} has none.")
        for row in finished:
            if row["arm"] not in finalists and not row.get("report"):
                continue
            name, seed = row["arm"], row["seed"]
            with own_turn(folder, f"test-{name}-{seed}", shared) as ours:
                if not ours or find(tested.rows(), name, seed):
                    continue
                model = keras.saving.load_model(folder / row["model"])
                bits = evaluation.image_bits(model, test, draws, seed)
                mean = evaluation.mean_bits(bits, model, test, draws)
                images.add("test", name, seed, bits, test.clusters)
                row = {"arm": name, "seed": seed, "command": command, "test": mean}
                row |= {"foreground": foreground_bits(bits, test), "image_bits": IMAGES}
                tested.append(row)
            say(f"seed {seed}, {name}: test {mean['bits_per_dimension']:.4f} bits/dim")
