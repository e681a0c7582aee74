"""One run, from images to an exported model; killed and started again it carries on."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras

import tfp_lcma as lcma
from tfp_lcma import registry
from tfp_lcma.files import within, written_whole
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.file_report import FILES
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.recipes.tables import write_recipe
from tfp_lcma.training.runs import evaluation, run_pictures, statistics
from tfp_lcma.training.runs.callbacks import callbacks
from tfp_lcma.training.runs.load_run import results_in, start_from
from tfp_lcma.training.runs.mirror import Mirror
from tfp_lcma.training.runs.progress import Progress
from tfp_lcma.training.runs.run_lock import run_lock
from tfp_lcma.training.runs.save_model import save_model
from tfp_lcma.training.runs.settings import keep_or_extend
from tfp_lcma.training.runs.trainer import Trainer, TrainingFailedError, fresh_model

_ROUND_TRIP_IMAGES = 256
# The learning rate rises over at most one of so many steps of a phase.
_WARMUP_SHARE = 10


@dataclasses.dataclass(frozen=True)
class Run:
    """What to do, and where.

    A finished run that is given more steps is extended: it continues where it ended, its optimiser
    too, under the learning rate that a run of the new length has from that step on, and with its
    patience renewed. Its pre-training and its split stay what they were.

    Attributes:
        recipe: data, flow and optimisation; the learning rate rises over at most a tenth of a
            phase's steps, however long `warmup_steps` is.
        factorization: one of `tfp_lcma.registry.FACTORIZATIONS`.
        seed: of initial weights, batches, noise and pictures.
        folder: everything the run writes but the export.
        export: folder of the exported versions; None: no export.
        labels: whether the flow is conditioned on the classes of the images.
        init_from: folder of another run of the same flow: its best weights are the initial ones,
            and its statistics choose the split, without a pre-training; None: fresh weights.
        checkpoint_every: steps between two checkpoints.
        jit_compile: whether Keras compiles its steps with XLA.
        progress: what a person sees of it.
        mirror: what keeps `folder` alike in another file system, at every look; None: it is here.
    """

    recipe: Recipe
    factorization: str
    seed: int
    folder: Path
    export: Path | str | None = None
    labels: bool = False
    init_from: Path | None = None
    checkpoint_every: int = 200
    jit_compile: bool = False
    progress: Progress = dataclasses.field(default_factory=Progress)
    mirror: Mirror | None = None

    @property
    def place(self) -> Path | str:
        """Where everything is that the run writes but the export."""
        return self.folder if self.mirror is None else self.mirror.place

    def execute(self, dataset: Dataset) -> dict[str, Any]:
        """Runs, or carries on with, every phase; returns what `metrics.json` holds.

        Raises:
            ValueError: the folder holds a run with other settings, another process has it, or
                something in it is damaged.
            OSError: the folder cannot be written.
            TrainingFailedError: the loss became NaN; the last good checkpoint is kept.
        """
        lcma.multi_scale.level_shapes(dataset.event_shape, self.recipe.levels, None)
        if self.labels and dataset.classes is None:
            raise ValueError(
                f"--labels must be left out: the data set {dataset.name} has no classes."
            )
        finished = self.folder / "metrics.json"
        with run_lock(self.folder):
            settings = keep_or_extend(self.folder, self._settings(dataset), finished.exists())
            write_recipe(
                self.folder / "recipe.toml",
                self.recipe,
                factorization=self.factorization,
                seed=self.seed,
                labels=self.labels,
            )
            if dataset.files is not None:
                dataset.files.write(self.folder / FILES)
            if finished.exists():
                metrics = json.loads(finished.read_text(encoding="utf-8"))
                if metrics["steps"] == self.recipe.steps:
                    self.progress.say(f"{self.place} is complete; delete it to run again.")
                    return metrics
            metrics = self._train(dataset, settings)
            _write_json(finished, metrics)
            return metrics

    def _settings(self, dataset):
        found = dataclasses.asdict(self.recipe) | {
            "factorization": self.factorization,
            "seed": self.seed,
            "labels": self.labels,
            "init_from": self.init_from and str(self.init_from),
            "event_shape": dataset.event_shape,
            "bins": dataset.bins,
            "pixels": dataset.pixels and dataset.pixels.to_config(),
            "images": [len(s) for s in (dataset.train, dataset.validation, dataset.test)],
        }
        return found | ({"classes": dataset.classes} if self.labels else {})

    def _train(self, dataset, settings):
        """Does what is left to do; returns what is to be known about it."""
        say, doing = self.progress.say, self.progress.doing
        for line in self._plan(dataset, settings):
            say(line)
        chosen_by, pretraining = self._statistics(dataset, settings["pretrain_steps"])
        factorization = registry.factorization(
            self.factorization,
            steps=settings.get("first_steps", self.recipe.steps),
            seed=self.seed,
            statistics=chosen_by,
        )
        model, training = self._fit("training", dataset, factorization, self.recipe.steps)
        with doing(f"evaluating {len(dataset.test):,} test images"):
            results = self._evaluate(model, dataset)
        metrics = {
            "recipe": self.recipe.name,
            "factorization": self.factorization,
            "seed": self.seed,
            "steps": self.recipe.steps,
            "parameters": model.count_params(),
            "pretraining": pretraining,
            "training": training,
            "validation": training["best"],
            **results,
        }
        with doing("drawing pictures"):
            self._draw(model, dataset, metrics)
        save_model(model, self.folder / "model.keras")
        if self.export is not None:
            with doing("exporting"):
                version = lcma.export_saved_model(
                    model,
                    self.export,
                    recipe=settings,
                    metrics=results_in(metrics),
                    pixels=settings["pixels"],
                )
            metrics["export"] = str(version)
        return metrics

    def _plan(self, dataset, settings):
        """Yields lines that say what is about to be done."""
        sides = (dataset.train, dataset.validation, dataset.test)
        counts = "{:,} training, {:,} validation and {:,} test images".format(*map(len, sides))
        shape = "×".join(map(str, dataset.event_shape))
        yield f"{dataset.name}: {counts}, {shape}, {dataset.bins} intensities"
        if dataset.files is not None:
            yield f"{dataset.files.summary()}: {within(self.place, FILES)}"
            grey = dataset.pixels.background
            yield f"Files are turned upright, laid on grey ({grey}) where transparent, and cropped."
        recipe, before = self.recipe, ""
        source = registry.FACTORIZATIONS[self.factorization].source
        if source == registry.FLOW and self.init_from is None:
            before = f"{settings['pretrain_steps']:,} steps of pre-training, then "
        yield (
            f"{recipe.model}, factorization {self.factorization}: {before}at most "
            f"{recipe.steps:,} steps of {recipe.batch_size} images, in {self.place}"
        )
        short = with_short_warmup(recipe, recipe.steps).warmup_steps
        if short < recipe.warmup_steps:
            yield (
                f"The learning rate rises over {short:,} steps, a tenth of them, instead of "
                f"{recipe.warmup_steps:,}."
            )

    def _statistics(self, dataset, pretrain_steps):
        """Returns the statistics that the split is chosen by, and how the pre-training went."""
        folder, pretraining = self.folder, None
        source = registry.FACTORIZATIONS[self.factorization].source
        from_flow = source == registry.FLOW
        if not from_flow and source != registry.IMAGES:
            return None, None
        if from_flow and self.init_from is None:
            model, pretraining = self._fit("pretraining", dataset, None, pretrain_steps)
            if statistics.load(folder) is None:
                with self.progress.doing("collecting statistics"):
                    statistics.collect(folder, model, dataset, self.seed)
        elif statistics.load(folder) is None and self.init_from is not None:
            statistics.copy(self.init_from, folder)
        elif statistics.load(folder) is None:
            model = fresh_model(self.recipe, dataset, None, self.seed, labels=self.labels)
            statistics.initialize(model, dataset, self.seed, self.recipe.batch_size)
            statistics.collect(folder, model, dataset, self.seed)
        return statistics.load(folder), pretraining

    def _fit(self, phase, dataset, factorization, steps):
        """Trains a fresh flow, from its last checkpoint on; returns it at its best."""
        trainer = Trainer(
            with_short_warmup(self.recipe, steps),
            dataset,
            factorization,
            self.seed,
            steps=steps,
            phase=phase,
            labels=self.labels,
            patience=self.recipe.patience,
            checkpoints=self.folder / "checkpoints" / phase,
            checkpoint_every=self.checkpoint_every,
            jit_compile=self.jit_compile,
        )
        course, model = trainer.course, trainer.model
        if self.init_from is not None and not course.step:
            start_from(self.init_from, model)
        self.progress.say(
            f"{phase}: {model.count_params():,} parameters, step {course.step:,} of {steps:,}"
        )
        others = callbacks(self.folder, phase, dataset, trainer, self.seed)
        if self.mirror is not None:
            push = self.mirror.push
            others.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: push()))
        try:
            trainer.fit(others, progress=self.progress)
        except TrainingFailedError as error:
            raise TrainingFailedError(
                f"The {error} of {phase}. The last good checkpoint is kept in {self.place}; try "
                "a lower learning rate, in another --run-dir."
            ) from error
        _write_json(self.folder / f"history_{phase}.json", course.history)
        return model, {
            "steps": course.step,
            "seconds": course.seconds,
            "best": course.best,
            "history": course.history,
        }

    def _evaluate(self, model, dataset):
        """Returns the results on test images, and how exactly the flow inverts."""
        draws, some = self.recipe.draws, dataset.validation.first(_ROUND_TRIP_IMAGES)
        found = {
            "test": evaluation.test_bits(model, dataset.test, draws, self.seed),
            "round_trip": evaluation.round_trips(model, some, self.seed),
        }
        if self.labels:
            found["classification"] = evaluation.accuracy(model, dataset.test, self.seed)
        return found

    def _draw(self, model, dataset, metrics):
        phases = {"pre-training": metrics["pretraining"], "training": metrics["training"]}
        run_pictures.draw_curves(self.folder, {k: v["history"] for k, v in phases.items() if v})
        # A flow that was never trained has no log-dets to show.
        shown = statistics.load(self.folder) if metrics["pretraining"] else None
        run_pictures.draw_pictures(self.folder, model, dataset, shown, self.seed)
        run_pictures.draw_online_choices(self.folder)
        run_pictures.draw_channels(self.folder)


def with_short_warmup(recipe: Recipe, steps: int) -> Recipe:
    """Returns the recipe, its learning rate rising over at most a tenth of the steps."""
    short = min(recipe.warmup_steps, steps // _WARMUP_SHARE)
    return dataclasses.replace(recipe, warmup_steps=short)


def _write_json(path, content):
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
