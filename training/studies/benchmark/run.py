"""Runs the workers, one at a time and in turn, and keeps what they find."""

import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tfp_lcma.training.runs.run_lock import run_lock
from tfp_lcma.training.runs.settings import keep_settings
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES
from tfp_lcma.training.studies.benchmark.disturbance import Disturbance
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS
from tfp_lcma.training.studies.machine import processor
from tfp_lcma.training.studies.results import ResultsFile


@dataclasses.dataclass
class Benchmark:
    """A benchmark in a folder of its own, which holds runs of one machine and one setting.

    Every finished worker is one row of `results.jsonl`, so that an interrupted benchmark
    carries on. What failed once is not tried again, unless its row is deleted.

    Attributes:
        folder: where the results go.
        threads: threads of every library.
        repetitions: timed calls a task and worker.
        timeout: seconds a worker may take.
        say: called with every line of progress.
    """

    folder: Path
    threads: int
    repetitions: int
    timeout: float
    say: Callable[[str], None] = lambda text: None

    @property
    def results(self) -> ResultsFile:
        """The results file."""
        return ResultsFile(self.folder / "results.jsonl")

    def run(self, cases: Sequence[str], implementations: Sequence[str], rounds: int) -> None:
        """Runs whatever is missing.

        Args:
            cases: names of cases.
            implementations: names of implementations.
            rounds: workers of every case and implementation.

        Raises:
            ValueError: the folder belongs to other settings or another process, or a file in it
                is damaged.
            OSError: the folder cannot be written.
        """
        with run_lock(self.folder):
            keep_settings(self.folder, self._settings())
            self._run(cases, implementations, rounds)

    def _run(self, cases, implementations, rounds):
        for case, round_, name in plan(cases, implementations, rounds):
            rows = [
                row
                for row in self.results.rows()
                if (row["case"], row["implementation"]) == (case, name)
            ]
            missing = IMPLEMENTATIONS[name].missing()
            if any(row["status"] == "failed" or row["round"] == round_ for row in rows):
                continue
            if missing and rows:
                continue
            found = {"status": "not installed", "why": ", ".join(missing)}
            if not missing:
                self.say(f"{case}, round {round_ + 1}: {IMPLEMENTATIONS[name].title}")
                found = self._work(case, name)
            row = {
                "case": case,
                "implementation": name,
                "round": None if missing else round_,
                **found,
            }
            self.results.append(row)
            if row["status"] == "failed":
                self.say(f"  failed: {row['why']}")

    def _settings(self) -> dict[str, object]:
        return {
            "threads": self.threads,
            "repetitions": self.repetitions,
            "processor": processor(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        }

    def _work(self, case, name):
        """Runs one worker to its end; returns what it found or why it failed."""
        disturbance = Disturbance()
        words = [sys.executable, "-m", "tfp_lcma.training.studies.benchmark.worker"]
        words += ["--case", case, "--implementation", name]
        words += ["--threads", str(self.threads), "--repetitions", str(self.repetitions)]
        threads = {"OMP_NUM_THREADS": str(self.threads)}
        try:
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                timeout=self.timeout,
                env={**os.environ, **threads},
            )
        except subprocess.TimeoutExpired:
            return {"status": "failed", "why": f"took longer than {self.timeout:g} seconds"}
        if done.returncode:
            return {"status": "failed", "why": _last_line(done)}
        found = json.loads(done.stdout.splitlines()[-1])
        return {"status": "measured", "others": disturbance.processors(), **found}


def plan(
    cases: Sequence[str], implementations: Sequence[str], rounds: int
) -> Iterator[tuple[str, int, str]]:
    """Yields case, round and implementation, the order alternating from round to round.

    What drifts in the machine's speed so meets all implementations of a case alike.
    """
    for case in cases:
        names = [name for name in implementations if IMPLEMENTATIONS[name].builds(ALL_CASES[case])]
        for round_ in range(rounds):
            for name in names if round_ % 2 == 0 else names[::-1]:
                yield case, round_, name


def _last_line(done):
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"ended with code {done.returncode}"
