"""What the results of a study say about each arm."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfp_lcma.training.studies.compare.arms import ARMS, Arm
from tfp_lcma.training.studies.compare.paired import Difference, holm, mean_of, paired_difference
from tfp_lcma.training.studies.results import ResultsFile


@dataclasses.dataclass(frozen=True)
class Summary:
    """One arm's runs.

    Attributes:
        name: of the arm.
        runs: the finished rows of the results file, by seed.
        failures: why others have no result, by seed.
        test: bits per dimension of test images, by seed; empty unless it is a finalist.
        difference: of the validation bits per dimension from the baseline's; None for itself and
            where no seed is shared.
        corrected_p: the difference's p after Holm's correction over all arms.
    """

    name: str
    runs: dict[int, dict]
    failures: dict[int, str]
    test: dict[int, float]
    difference: Difference | None = None
    corrected_p: float | None = None

    @property
    def arm(self) -> Arm:
        """What the arm is."""
        return ARMS[self.name]

    @property
    def validation(self) -> dict[int, float]:
        """Bits per dimension of validation images, by seed."""
        return {s: row["validation"]["bits_per_dimension"] for s, row in self.runs.items()}

    def average(self, number: Callable[[dict], float | None]) -> float | None:
        """Returns the mean over runs of a number of each; None if a run lacks it."""
        values = [number(row) for row in self.runs.values()]
        return None if None in values or not values else mean_of(values).mean


def summarize(folder: Path, baseline: str) -> list[Summary]:
    """Reads a study's results: the arms in order of validation, best first, failures last.

    Arms may have different seeds, so the order is that of the paired differences from the
    baseline, not of the means.

    Args:
        folder: of a study.
        baseline: name of the arm that all are compared with.

    Raises:
        ValueError: a file is damaged.
    """
    rows = ResultsFile(folder / "results.jsonl").rows()
    tested = ResultsFile(folder / "test.jsonl").rows()
    found = {name: _gather(name, rows, tested) for name in ARMS}
    found = {name: summary for name, summary in found.items() if summary.runs or summary.failures}
    reference = found[baseline].validation if baseline in found else {}
    differences = {
        name: None if name == baseline else paired_difference(summary.validation, reference)
        for name, summary in found.items()
    }
    corrected = holm({n: d.p for n, d in differences.items() if d and d.p is not None})
    summaries = [
        dataclasses.replace(summary, difference=differences[name], corrected_p=corrected.get(name))
        for name, summary in found.items()
    ]
    return sorted(summaries, key=lambda summary: _place(summary, baseline))


def _gather(name: str, rows: Sequence[dict[str, Any]], tested: Sequence[dict]) -> Summary:
    mine = [row for row in rows if row["arm"] == name]
    return Summary(
        name=name,
        runs={row["seed"]: row for row in mine if "failed" not in row},
        failures={row["seed"]: row["failed"] for row in mine if "failed" in row},
        test={r["seed"]: r["test"]["bits_per_dimension"] for r in tested if r["arm"] == name},
    )


def _place(summary: Summary, baseline: str) -> float:
    if summary.name == baseline:
        return 0.0
    return summary.difference.mean if summary.difference else float("inf")
