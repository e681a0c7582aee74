"""The study: every arm with every seed, each finished one in the results file at once."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from tfp_lcma.multi_scale import level_shapes
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.file_report import FILES
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.progress import Progress
from tfp_lcma.training.runs.run_lock import folder_turn, own_turn, run_lock
from tfp_lcma.training.runs.settings import keep_settings
from tfp_lcma.training.runs.training_failed import TrainingFailedError
from tfp_lcma.training.runs.workers import ALONE, Workers
from tfp_lcma.training.studies.compare.arms import ARMS
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.exchange import Exchange
from tfp_lcma.training.studies.compare.images import IMAGES, ImagesFile
from tfp_lcma.training.studies.compare.measure import measure
from tfp_lcma.training.studies.compare.pretraining import Pretraining
from tfp_lcma.training.studies.compare.splits import Split, same_splits, splits_of
from tfp_lcma.training.studies.quality import FeatureExtractor, load_extractor, load_or_train
from tfp_lcma.training.studies.results import ResultsFile, find

# What a row says of itself, and not of its run.
_OWN = ("arm", "seed", "command", "report")
# What a study goes by.
_STATE = ("config.json", "results.jsonl", "statistics/*", "exchange*.json")


@dataclasses.dataclass(frozen=True)
class Study:
    """What to compare on, and where.

    Attributes:
        recipe: data, flow, optimisation; `steps` and `pretrain_steps` are budgets, spent whole.
        comparison: what it is about, one of `COMPARISONS`.
        dataset: trained on, compared on its validation images.
        folder: everything but the report.
        command: written beside every result that it made.
        extractor_file: network for FID and KID; None: a classifier in `folder`, if there are
            classes.
        progress: what a person sees of it.
        workers: that train together. Only the chief's `folder` counts; the others' is a scratch.
        shared: whether other processes may be at other runs of the study, each alone.
    """

    comparison: str
    recipe: Recipe
    dataset: Dataset
    folder: Path
    command: str
    extractor_file: Path | None = None
    progress: Progress = dataclasses.field(default_factory=Progress)
    workers: Workers = ALONE
    shared: bool = False

    def run(self, arms: Sequence[str], seeds: Sequence[int], *, report: bool = False) -> None:
        """Trains every arm with every seed that has no result yet, but what others are at.

        Args:
            arms: names out of `ARMS`, the baseline first.
            seeds: of initial weights, batches and noise.
            report: whether they are report seeds: no arm is chosen by their results, and only
                their models see the test images.

        Raises:
            ValueError: the folder holds a study with other settings, seeds of the other kind are
                among these, another process has it, or something in it is damaged.
            OSError: the folder cannot be written.
        """
        level_shapes(self.dataset.event_shape, self.recipe.levels, None, self.recipe.patch)
        with run_lock(self.folder, shared=self.shared):
            if not self.workers.chief:
                self.workers.give(self.folder, _STATE)
            keep_settings(self.folder, self._settings())
            if self.workers.chief:
                self.workers.give(self.folder, _STATE)
            if self.dataset.files is not None:
                self.dataset.files.write(self.folder / FILES)
            self._run(arms, seeds, report)

    def _run(self, arms, seeds, report):
        results = ResultsFile(self.folder / "results.jsonl")
        rows = results.rows()
        for row in rows:
            if row["seed"] in seeds and row.get("report", False) != report:
                asked, other = ("report", "select") if report else ("select", "report")
                raise ValueError(
                    f"Seeds that {asked} and seeds that {other} must differ; seed {row['seed']} "
                    f"is there as one of those that {other}."
                )
        if self.workers.chief:
            ImagesFile(self.folder / IMAGES).check(rows, "validation")
        missing = [(seed, [name for name in arms if not find(rows, name, seed)]) for seed in seeds]
        if not any(names for _, names in missing):
            return
        if self.recipe.warmup_steps > self.recipe.steps // 10:
            self.progress.say(
                f"The learning rate rises over {self.recipe.warmup_steps:,} steps, as set, of "
                f"{self.recipe.steps:,}; --set training.warmup_steps=... changes that."
            )
        extractor = self._extractor() if self.workers.chief else None
        for seed, names in missing:
            splits: dict[str, list[Split]] = {}
            for name in names:
                with own_turn(self.folder, f"{name}-{seed}", self.shared) as ours:
                    done = {row["arm"]: row for row in results.rows() if row["seed"] == seed}
                    if not ours or name in done:
                        continue
                    self.progress.say(f"seed {seed}, {name}: {ARMS[name].phrase}")
                    row = {"arm": name, "seed": seed, "command": self.command}
                    row |= {"report": True} if report else {}
                    try:
                        row |= self._result(name, seed, done, splits, extractor)
                    except TrainingFailedError as error:
                        row |= {"failed": str(error)}
                    row = self.workers.of_chief(row)
                    results.append(row)
                self.progress.say(f"    {_outcome(row)}")

    @property
    def _pretraining(self):
        return Pretraining(
            self.recipe, self.dataset, self.folder / "statistics", self.progress.say, self.workers
        )

    def _result(self, name, seed, done, splits, extractor):
        """Returns the numbers of one run; an arm that splits as an earlier one shares its run."""
        arm = ARMS[name]
        factorization = self._factorization(name, seed)
        splits[name] = self._splits(factorization)
        twin = self._twin(name, seed, done, splits)
        if twin:
            run = {key: done[twin][key] for key in done[twin] if key not in _OWN}
            run |= {"same_as": twin}
        else:
            run = measure(
                self.recipe.replaced(**arm.settings),
                self.dataset,
                factorization,
                seed,
                steps=self.workers.of_chief(self._steps(name) if self.workers.chief else None),
                folder=self.folder,
                arm=name,
                extractor=extractor,
                start_from=self._pretraining.model(arm.pretrainings[0], seed) if arm.warm else None,
                follow_channels=COMPARISONS[self.comparison].follows_channels,
                workers=self.workers,
                **arm.options,
            )
        return run | {"pretraining": self._pretraining_cost(arm, seed)}

    def _factorization(self, name, seed):
        arm = ARMS[name]
        statistics = [self._pretraining.statistics(p, seed) for p in arm.pretrainings]
        return arm.build(statistics, seed, self.recipe.steps)

    def _splits(self, factorization) -> list[Split]:
        """Returns what the factorization does at every level; nothing of a flow without a split."""
        if factorization is None:
            return []
        return splits_of(
            factorization, self.dataset.event_shape, self.recipe.levels, self.recipe.patch
        )

    def _twin(self, name, seed, done, splits):
        """Returns an arm whose finished run of this seed is what `name` would repeat, or None."""
        arm = ARMS[name]
        for other, row in done.items():
            candidate = ARMS[other]
            alike = all(
                getattr(candidate, what) == getattr(arm, what)
                for what in ("options", "settings", "warm", "more_time", "as_long_as")
            )
            if not alike or "failed" in row or "same_as" in row:
                continue
            if other not in splits:
                splits[other] = self._splits(self._factorization(other, seed))
            if same_splits(splits[name], splits[other]):
                return other
        return None

    def _steps(self, name):
        """Returns how many steps an arm is trained for."""
        arm, baseline = ARMS[name], COMPARISONS[self.comparison].baseline
        exchange = Exchange(self.recipe, self.dataset, self.folder, baseline, self.progress.say)
        if arm.more_time:
            return self.recipe.steps + round(exchange.of_pretraining()["steps"])
        if arm.as_long_as:
            return round(self.recipe.steps * exchange.of_arms(arm.as_long_as, name)["ratio"])
        return self.recipe.steps

    def _pretraining_cost(self, arm, seed):
        """Returns the seconds of the arm's pre-trainings and of collecting statistics."""
        if not arm.pretrainings:
            return None
        costs = [self._pretraining.cost(name, seed) for name in arm.pretrainings]
        return {
            key: sum(cost[key] for cost in costs)
            for key in ("training_seconds", "collecting_seconds")
        }

    def _settings(self):
        sides = (self.dataset.train, self.dataset.validation, self.dataset.test)
        return dataclasses.asdict(self.recipe) | {
            "comparison": self.comparison,
            "event_shape": list(self.dataset.event_shape),
            "bins": self.dataset.bins,
            "images": [len(side) for side in sides],
            "clusters": [
                None if side.clusters is None else len(set(side.clusters.tolist()))
                for side in sides
            ],
            "extractor": None if self.extractor_file is None else str(self.extractor_file),
        }

    def _extractor(self) -> FeatureExtractor | None:
        if self.extractor_file is not None:
            return load_extractor(self.extractor_file, self.dataset)
        if self.dataset.train.labels is None and self.dataset.train.clusters is None:
            return None
        with folder_turn(self.folder / "turns" / "classifier"):
            return load_or_train(self.folder / "classifier.keras", self.dataset)


def _outcome(row):
    if "failed" in row:
        return f"failed: {row['failed']}"
    shared = f", as {row['same_as']}" if "same_as" in row else ""
    bits = row["validation"]["bits_per_dimension"]
    return f"validation {bits:.4f} bits/dim, {row['seconds']:.0f} s{shared}"
