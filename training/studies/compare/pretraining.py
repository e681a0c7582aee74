"""Pre-trainings of a seed, shared by all arms that look at them; beside each, what it cost."""

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import tfp_lcma as lcma
from tfp_lcma.factorizations import LogDetStatistics
from tfp_lcma.files import written_whole
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.run_lock import folder_turn
from tfp_lcma.training.runs.save_model import save_model
from tfp_lcma.training.runs.statistics import measured_rows
from tfp_lcma.training.runs.trainer import Trainer
from tfp_lcma.training.runs.training_failed import TrainingFailedError
from tfp_lcma.training.runs.workers import ALONE, Workers
from tfp_lcma.training.studies.compare.arms import PRETRAININGS


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """A flow without a split, trained for the recipe's `pretrain_steps`.

    Attributes:
        recipe: flow and optimisation.
        dataset: trained on; its training images give the statistics.
        folder: where statistics, models and costs are kept.
        say: called with every line of progress.
        workers: that train it together.
    """

    recipe: Recipe
    dataset: Dataset
    folder: Path
    say: Callable[[str], None]
    workers: Workers = ALONE

    def statistics(self, name: str, seed: int) -> LogDetStatistics:
        """Returns the statistics of one of `PRETRAININGS`, pre-training if need be.

        Raises:
            TrainingFailedError: the loss became NaN, now or when it was tried before.
            ValueError: the file that is there is damaged.
        """
        self.cost(name, seed)
        return LogDetStatistics.load(self._path(name, seed, "npz"))

    def model(self, name: str, seed: int) -> Path:
        """Returns the file of one of the pre-trained models, pre-training if need be.

        Raises:
            TrainingFailedError: the loss became NaN, now or when it was tried before.
        """
        path = self._path(name, seed, "keras")
        self.cost(name, seed)
        with self._turn(name, seed):
            if not path.exists():
                # Of a study from before models were kept.
                self._run(name, seed)
        return path

    def cost(self, name: str, seed: int) -> dict[str, float]:
        """Returns what a pre-training cost, doing it if need be.

        Returns:
            `steps`, `step_seconds`, `training_seconds`, `collecting_seconds`. The first step's
            graph tracing, which every run pays once, is in none of these.

        Raises:
            TrainingFailedError: the loss became NaN, now or when it was tried before.
        """
        path = self._path(name, seed, "json")
        with self._turn(name, seed):
            if not path.exists():
                self._run(name, seed)
        cost = json.loads(path.read_text(encoding="utf-8"))
        if "failed" in cost:
            raise TrainingFailedError(f"pre-training ({name}): {cost['failed']}")
        return cost

    def _run(self, name, seed):
        pretrained = PRETRAININGS[name]
        steps = self.recipe.pretrain_steps if pretrained.trained else 0
        self.say(f"seed {seed}, pre-training ({name}): {steps} steps")
        own_seed = pretrained.seed(seed)
        trainer = Trainer(
            self.recipe,
            self.dataset,
            None,
            own_seed,
            steps=steps,
            workers=self.workers,
            **pretrained.options,
        )
        try:
            trainer.fit(validate=False)
        except TrainingFailedError as error:
            self._write(name, seed, {"failed": str(error)})
            return
        if not steps:
            trainer.model.initialize(self.dataset.train.images[: self.recipe.batch_size])
        images, _ = measured_rows(self.dataset, own_seed)
        began = time.perf_counter()
        statistics = lcma.LogDetCollector(seed=own_seed).collect(trainer.model, images)
        collecting = time.perf_counter() - began
        statistics.save(self._path(name, seed, "npz"))
        save_model(trainer.model, self._path(name, seed, "keras"))
        step_seconds = trainer.course.step_seconds
        cost = {
            "steps": steps,
            "step_seconds": step_seconds,
            "training_seconds": steps * step_seconds,
            "collecting_seconds": collecting,
        }
        # Last, since its presence says that all of it is there.
        self._write(name, seed, cost)

    def _write(self, name, seed, cost):
        with written_whole(self._path(name, seed, "json")) as temporary:
            temporary.write_text(json.dumps(cost, indent=1), encoding="utf-8")

    def _turn(self, name, seed):
        """Lets one process at a time do a pre-training."""
        return folder_turn(self.folder.parent / "turns" / f"pretraining-{name}-{seed}")

    def _path(self, name, seed, ending):
        return self.folder / f"seed-{seed}-{name}.{ending}"
