"""One pre-training a seed, shared by all arms that look at it; what it cost stands beside it."""

import dataclasses
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.studies.compare.arms import PRETRAININGS
from tfp_lcma.training.studies.compare.budget import train

import tfp_lcma as lcma
from tfp_lcma.factorizations import LogDetStatistics
from tfp_lcma.files import written_whole

_IMAGES = 2048


class PretrainingFailedError(RuntimeError):
    """Pre-training met a loss that is not a number."""


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """A flow in which nobody leaves, trained for the recipe's `pretrain_steps`.

    Attributes:
        recipe: flow and optimisation.
        dataset: trained on; its training images give the statistics.
        folder: where statistics and costs are kept.
        say: told what is going on.
    """

    recipe: Recipe
    dataset: Dataset
    folder: Path
    say: Callable[[str], None]

    def statistics(self, name: str, seed: int) -> LogDetStatistics:
        """Returns the statistics of one of `PRETRAININGS`, pre-training if need be.

        Raises:
            PretrainingFailedError: the loss became NaN, now or when it was tried before.
            ValueError: the file that is there is damaged.
        """
        self.cost(name, seed)
        return LogDetStatistics.load(self._path(name, seed, "npz"))

    def cost(self, name: str, seed: int) -> dict[str, float]:
        """Returns what a pre-training cost, doing it if need be.

        Returns:
            `steps`, `step_seconds`, `training_seconds`, `collecting_seconds`. The first step's
            graph tracing, which every run pays once, is in none of these.

        Raises:
            PretrainingFailedError: the loss became NaN, now or when it was tried before.
        """
        path = self._path(name, seed, "json")
        if not path.exists():
            self._run(name, seed)
        cost = json.loads(path.read_text(encoding="utf-8"))
        if "failed" in cost:
            raise PretrainingFailedError(f"pre-training ({name}): {cost['failed']}")
        return cost

    def _run(self, name, seed):
        pretrained = PRETRAININGS[name]
        steps = self.recipe.pretrain_steps if pretrained.trained else 0
        self.say(f"seed {seed}, pre-training ({name}): {steps} steps")
        trained = train(
            self.recipe,
            self.dataset,
            None,
            seed,
            steps=steps,
            validate=False,
            **pretrained.options,
        )
        if trained.failed:
            self._write(name, seed, {"failed": trained.failed})
            return
        images = self.dataset.train.images
        rows = np.random.default_rng(seed).permutation(len(images))[:_IMAGES]
        collect = functools.partial(lcma.LogDetCollector(seed=seed).collect, trained.model)
        began = time.perf_counter()
        statistics = collect(images[np.sort(rows)])
        collecting = time.perf_counter() - began
        statistics.save(self._path(name, seed, "npz"))
        cost = {
            "steps": steps,
            "step_seconds": trained.step_seconds,
            "training_seconds": steps * trained.step_seconds,
            "collecting_seconds": collecting,
        }
        # Last, since its presence says that all of it is there.
        self._write(name, seed, cost)

    def _write(self, name, seed, cost):
        with written_whole(self._path(name, seed, "json")) as temporary:
            temporary.write_text(json.dumps(cost, indent=1), encoding="utf-8")

    def _path(self, name, seed, ending):
        return self.folder / f"seed-{seed}-{name}.{ending}"
