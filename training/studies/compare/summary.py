"""What the results of a study say about each arm."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tfp_lcma.training.studies.compare.arms import ARMS, Arm
from tfp_lcma.training.studies.compare.images import IMAGES, ImageBits, ImagesFile
from tfp_lcma.training.studies.compare.paired import Difference, mean_of, paired_difference
from tfp_lcma.training.studies.results import ResultsFile, to_select


@dataclasses.dataclass(frozen=True)
class Summary:
    """One arm's runs.

    Attributes:
        name: of the arm.
        runs: the finished rows of the seeds that arms are chosen by, by seed; of all seeds where
            there are no others.
        failures: why others have no result, by seed.
        test: bits per dimension of test images, by seed; of report seeds where there are any.
        images: bits per dimension of every "validation" and "test" image of these seeds.
        reported: the finished rows of report seeds, by seed.
        foreground: all bits over the number of dimensions that are not background, of "validation"
            and "test" images by seed; nothing of images that have no background.
        difference: of the validation bits per dimension from the baseline's; None for itself and
            where no seed is shared.
    """

    name: str
    runs: dict[int, dict]
    failures: dict[int, str]
    test: dict[int, float]
    images: Mapping[str, ImageBits] = dataclasses.field(default_factory=dict)
    reported: dict[int, dict] = dataclasses.field(default_factory=dict)
    foreground: Mapping[str, Mapping[int, float]] = dataclasses.field(default_factory=dict)
    difference: Difference | None = None

    @property
    def arm(self) -> Arm:
        """What the arm is."""
        return ARMS[self.name]

    @property
    def validation(self) -> dict[int, float]:
        """Bits per dimension of validation images, by seed."""
        return {s: row["validation"]["bits_per_dimension"] for s, row in self.runs.items()}

    def bits(self, images: str) -> dict[int, float]:
        """Bits per dimension of "validation" or "test" images, by seed."""
        return self.test if images == "test" else self.validation

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
        ValueError: a file is damaged, or a row's images are missing.
    """
    rows = ResultsFile(folder / "results.jsonl").rows()
    tested = ResultsFile(folder / "test.jsonl").rows()
    images = ImagesFile(folder / IMAGES)
    images.check(rows, "validation")
    images.check(tested, "test")
    reported = [row for row in rows if row.get("report")]
    if reported:
        # Test images that were read before there were report seeds count no more.
        seeds = {row["seed"] for row in reported}
        tested = [row for row in tested if row["seed"] in seeds]
    found = {name: _gather(name, rows, tested, images) for name in ARMS}
    found = {name: s for name, s in found.items() if s.runs or s.reported or s.failures}
    reference = found[baseline].validation if baseline in found else {}
    summaries = [
        summary
        if name == baseline
        else dataclasses.replace(
            summary, difference=paired_difference(summary.validation, reference)
        )
        for name, summary in found.items()
    ]
    return sorted(summaries, key=lambda summary: _place(summary, baseline))


def _gather(name: str, rows: Sequence[dict], tested: Sequence[dict], images: ImagesFile) -> Summary:
    chosen_by = {row["seed"] for row in to_select(rows)}
    mine = [row for row in rows if row["arm"] == name]
    finished = [row for row in mine if "failed" not in row]
    runs = [row for row in finished if row["seed"] in chosen_by]
    tests = [row for row in tested if row["arm"] == name]
    return Summary(
        name=name,
        runs={row["seed"]: row for row in runs},
        failures={row["seed"]: row["failed"] for row in mine if "failed" in row},
        test={row["seed"]: row["test"]["bits_per_dimension"] for row in tests},
        images={"validation": images.of(runs, "validation"), "test": images.of(tests, "test")},
        reported={row["seed"]: row for row in finished if row.get("report")},
        foreground={"validation": _foreground(runs), "test": _foreground(tests)},
    )


def _foreground(rows: Sequence[dict]) -> dict[int, float]:
    found = [row for row in rows if row.get("foreground")]
    return {row["seed"]: row["foreground"]["bits_per_dimension"] for row in found}


def _place(summary: Summary, baseline: str) -> float:
    if summary.name == baseline:
        return 0.0
    return summary.difference.mean if summary.difference else float("inf")
