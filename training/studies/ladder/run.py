"""Runs what is missing of a plan, the most important first; several processes may share it."""

import dataclasses
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.progress import Progress, duration
from tfp_lcma.training.runs.run_lock import InUseError
from tfp_lcma.training.studies.compare.finalists import read_test
from tfp_lcma.training.studies.compare.study import Study
from tfp_lcma.training.studies.ladder.choice import chosen_arms
from tfp_lcma.training.studies.ladder.plan import BEST, Plan, Runs, steps_of
from tfp_lcma.training.studies.results import ResultsFile, find

COMPARISON = "splits"
# Looks at validation images in a run of any length.
_LOOKS = 20
# Seconds between two looks at what other processes have done.
_PAUSE = 2.0


@dataclasses.dataclass(frozen=True)
class Ladder:
    """A plan, and where it is run: one study a rung, in `folder/STEPS`.

    Attributes:
        plan: what is run.
        recipe: of the plan's data, model and settings.
        dataset: trained on.
        folder: of the ladder.
        command: written beside every result that it made.
        progress: what a person sees of it.
    """

    plan: Plan
    recipe: Recipe
    dataset: Dataset
    folder: Path
    command: str
    progress: Progress = dataclasses.field(default_factory=Progress)

    def run(self) -> None:
        """Runs what is missing, and reads the test images for the seeds that report.

        Any number of processes may be at a ladder: each run, and each reading of the test images,
        is one's own, and whoever has nothing to do waits for the others, whose runs it takes over
        should they die.

        Raises:
            ValueError: a folder holds a study with other settings, or something is damaged.
            OSError: a folder cannot be written.
        """
        waiting, said = list(self.plan.tasks()), False
        while waiting:
            left = [task for task in waiting if not self._do(*task)]
            if len(left) == len(waiting):
                if not said:
                    self.progress.say("Waiting for the other processes, which are at what is left.")
                said = True
                time.sleep(_PAUSE)
            waiting = left

    def _do(self, runs: Runs, seed: int) -> bool:
        """Does of a block and seed what nobody else is at; returns whether all of it is done."""
        names = self.plan.arms(runs.arms, chosen_arms(self.plan, self.folder))
        if BEST in names:
            return False
        folder, report = self.folder / str(runs.steps), runs.seeds == "report"
        missing = _missing(folder, names, seed, report)
        if not missing:
            return True
        study = Study(
            COMPARISON,
            rung_recipe(self.recipe, runs.steps),
            self.dataset,
            folder,
            self.command,
            progress=self.progress,
            shared=True,
        )
        try:
            study.run(names, [seed], report=report)
            if report:
                read_test(
                    folder,
                    self.dataset.test,
                    (),
                    draws=self.recipe.draws,
                    command=self.command,
                    say=self.progress.say,
                    shared=True,
                )
        except InUseError:
            return False
        left_over = _missing(folder, names, seed, report)
        if len(left_over) < len(missing):
            self.progress.say(f"{left(self.plan, self.folder)} left, by the time of finished runs")
        return not left_over


def _missing(folder: Path, names: Sequence[str], seed: int, report: bool) -> list[str]:
    """Returns the arms that have no row yet or, of a seed that reports, none of test images."""
    rows = ResultsFile(folder / "results.jsonl").rows()
    tested = ResultsFile(folder / "test.jsonl").rows()
    found = {name: find(rows, name, seed) for name in names}
    return [
        name
        for name, row in found.items()
        if row is None or (report and "failed" not in row and not find(tested, name, seed))
    ]


def rung_recipe(recipe: Recipe, steps: int) -> Recipe:
    """Returns the recipe of a rung: its learning rate decays over these steps."""
    looks = max(steps // _LOOKS, 1)
    pretrain_steps = max(steps // 2, 1)
    return recipe.replaced(steps=steps, pretrain_steps=pretrain_steps, validate_every=looks)


def left(plan: Plan, folder: Path) -> str:
    """Returns how long what is missing takes, in words."""
    chosen = chosen_arms(plan, folder)
    rows = {
        steps: ResultsFile(folder / str(steps) / "results.jsonl").rows() for steps in plan.rungs
    }
    took = [
        row["seconds"] / row["steps"]
        for found in rows.values()
        for row in found
        if "failed" not in row and "same_as" not in row
    ]
    seconds = statistics.median(took) if took else plan.step_seconds

    def missing() -> Iterator[tuple[int, int, str]]:
        for runs, seed in plan.tasks():
            for name in plan.arms(runs.arms, chosen):
                if not find(rows[runs.steps], name, seed):
                    yield runs.steps, seed, name

    return duration(seconds * steps_of(plan, missing()))
