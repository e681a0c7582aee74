"""What the rows say: medians, quartiles, and ratios within a round."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS


@dataclasses.dataclass(frozen=True)
class Spread:
    """A middle and what lies around it."""

    middle: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Entry:
    """All runs of one implementation of one case.

    Attributes:
        implementation: its name.
        rows: the rows of its measured runs, by round.
        trouble: why there is none; empty if there is one.
    """

    implementation: str
    rows: dict[int, dict]
    trouble: str = ""

    @property
    def kind(self) -> str:
        """The implementation's: "ours", "peer" or "floor"."""
        return IMPLEMENTATIONS[self.implementation].kind

    def seconds(self, task: str) -> Spread:
        """Returns the median and the quartiles of a task over all calls of all rounds."""
        calls = [s for row in self.rows.values() for s in row["seconds"][task]]
        low, middle, high = np.quantile(calls, [0.25, 0.5, 0.75])
        return Spread(float(middle), float(low), float(high))

    def in_round(self, task: str, number: int) -> float:
        """Returns the median seconds of a task in one round."""
        return float(np.median(self.rows[number]["seconds"][task]))

    def median(self, key: str) -> float | None:
        """Returns the median over rounds of a number that a row has one of; None if it lacks."""
        values = [row[key] for row in self.rows.values() if row[key] is not None]
        return float(np.median(values)) if values else None

    def first_call(self) -> float:
        """Returns the median seconds of building and of the first call of every task."""
        rows = self.rows.values()
        return float(
            np.median([r["build_seconds"] + sum(r["first_call_seconds"].values()) for r in rows])
        )


def entries(rows: Sequence[dict], case: str) -> list[Entry]:
    """Returns, in the order of `IMPLEMENTATIONS`, all that have a row of the case."""
    found = []
    for name in IMPLEMENTATIONS:
        own = [row for row in rows if (row["case"], row["implementation"]) == (case, name)]
        measured = {row["round"]: row for row in own if row["status"] == "measured"}
        others = [row for row in own if row["status"] != "measured"]
        if measured:
            found.append(Entry(name, measured))
        elif others:
            why = f"{others[-1]['status']}: {others[-1]['why']}"
            found.append(Entry(name, {}, why))
    return found


def fastest(found: Sequence[Entry], kind: str, task: str) -> Entry | None:
    """Returns the entry of a kind with the lowest median; None if none was measured."""
    measured = [entry for entry in found if entry.kind == kind and entry.rows]
    return min(measured, key=lambda entry: entry.seconds(task).middle, default=None)


def ratio(entry: Entry, reference: Entry | None, task: str) -> Spread | None:
    """Returns the median over rounds of the ratio within a round, its lowest and its highest.

    None if the two were measured in no common round.
    """
    if reference is None:
        return None
    shared = sorted(set(entry.rows) & set(reference.rows))
    ratios = [entry.in_round(task, n) / reference.in_round(task, n) for n in shared]
    if not ratios:
        return None
    return Spread(float(np.median(ratios)), min(ratios), max(ratios))


def disturbances(rows: Sequence[dict]) -> list[float]:
    """Returns how many processors others used during every worker, where that is known."""
    measured = [row["others"] for row in rows if row["status"] == "measured"]
    return [others for others in measured if others is not None]


def versions(rows: Sequence[dict]) -> dict[str, str]:
    """Returns the versions of all packages that were measured; of several, all."""
    found: dict[str, dict] = {}
    for row in rows:
        for package, version in row.get("versions", {}).items():
            found.setdefault(package, {})[version] = None
    return {package: " and ".join(of) for package, of in sorted(found.items())}
