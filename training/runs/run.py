"""One run, from images to an exported model; killed and started again it carries on."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tfp_lcma.training import registry as factorizations
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.batches import batches
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.reports import run_pictures as report
from tfp_lcma.training.runs import evaluation
from tfp_lcma.training.runs.channel_log import ChannelLog
from tfp_lcma.training.runs.checkpoint import Checkpointer, PatientStopping
from tfp_lcma.training.runs.evaluation import condition_of
from tfp_lcma.training.runs.load_run import results_in
from tfp_lcma.training.runs.online_choices import ChoiceLog
from tfp_lcma.training.runs.run_lock import claim

import tfp_lcma as lcma
from tfp_lcma.factorizations import EntropyInformed, LogDetStatistics
from tfp_lcma.files import written_whole
from tfp_lcma.keras_model.online_split import variable_orders

_VALIDATION_IMAGES = 2000
_ROUND_TRIP_IMAGES = 256
_LOOKS_PER_PICTURE = 4
_MEASURED_IMAGES = 2048
_WATCHES, _WATCHED_IMAGES = 8, 512


class TrainingFailedError(RuntimeError):
    """Training met a loss that is not a number."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What to do, and where.

    Attributes:
        recipe: data, flow and optimisation.
        factorization: one of `tfp_lcma.training.registry.NAMES`.
        labels: whether the flow is conditioned on the classes of the images.
        seed: of initial weights, batches, noise and pictures.
        folder: everything the run writes but the export.
        export: folder of the exported versions; None: no export.
        checkpoint_every: steps between two checkpoints.
        jit_compile: whether Keras compiles its steps with XLA.
        verbose: whether progress is shown.
    """

    recipe: Recipe
    factorization: str
    seed: int
    folder: Path
    export: Path | None = None
    labels: bool = False
    checkpoint_every: int = 200
    jit_compile: bool = False
    verbose: bool = True

    def execute(self, dataset: Dataset) -> dict:
        """Runs, or carries on with, every phase; returns what `metrics.json` holds.

        Raises:
            ValueError: the folder holds a run with other settings, or something
                in it is damaged.
            OSError: the folder cannot be written.
            TrainingFailedError: the loss became NaN; the last good checkpoint is kept.
        """
        lcma.multi_scale.level_shapes(dataset.event_shape, self.recipe.levels, None)
        if self.labels and dataset.classes is None:
            raise ValueError(
                f"labels must be left out: the data set {dataset.name} has no classes."
            )
        settings = dataclasses.asdict(self.recipe) | {
            "factorization": self.factorization,
            "seed": self.seed,
            "labels": self.labels,
            "event_shape": dataset.event_shape,
            "bins": dataset.bins,
            "pixels": dataset.pixels and dataset.pixels.to_config(),
            "images": [len(s) for s in (dataset.train, dataset.validation, dataset.test)],
        }
        if self.labels:
            settings["classes"] = dataset.classes
        claim(self.folder, settings)
        finished = self.folder / "metrics.json"
        if finished.exists():
            self._say(f"{self.folder} is complete; delete it to run again.")
            return json.loads(finished.read_text(encoding="utf-8"))
        statistics, pretraining = None, None
        if self.factorization in factorizations.FROM_STATISTICS:
            statistics, pretraining = self._pretrain(dataset)
        elif self.factorization in factorizations.FROM_IMAGES:
            statistics = self._statistics_of_images(dataset)
        factorization = factorizations.build(
            self.factorization, steps=self.recipe.steps, seed=self.seed, statistics=statistics
        )
        model, training = self._fit("training", dataset, factorization, self.recipe.steps)
        metrics = {
            "recipe": self.recipe.name,
            "factorization": self.factorization,
            "seed": self.seed,
            "parameters": model.count_params(),
            "pretraining": pretraining,
            "training": training,
            "validation": training["best"],
            "test": evaluation.test_bits(model, dataset.test, self.recipe.draws, self.seed),
            "round_trip": evaluation.round_trips(
                model, dataset.validation.first(_ROUND_TRIP_IMAGES), self.seed
            ),
        }
        if self.labels:
            metrics["classification"] = evaluation.accuracy(model, dataset.test, self.seed)
        histories = {"pre-training": pretraining, "training": training}
        report.draw_curves(self.folder, {k: v["history"] for k, v in histories.items() if v})
        # A flow that was never trained has no log-dets to show.
        shown = statistics if pretraining else None
        report.draw_pictures(self.folder, model, dataset, shown, self.seed)
        report.draw_online_choices(self.folder)
        report.draw_channels(self.folder)
        with written_whole(self.folder / "model.keras") as temporary:
            # Keras insists on its ending.
            named = temporary.with_suffix(".keras")
            model.save(named)
            named.rename(temporary)
        if self.export is not None:
            version = lcma.export_saved_model(
                model,
                self.export,
                recipe=settings,
                metrics=results_in(metrics),
                pixels=settings["pixels"],
            )
            metrics["export"] = str(version)
        _write_json(finished, metrics)
        return metrics

    def _pretrain(self, dataset):
        """Returns the statistics of a flow without a split, training it if need be."""
        path = self.folder / "statistics.npz"
        model, summary = self._fit("pretraining", dataset, None, self.recipe.pretrain_steps)
        if path.exists():
            return LogDetStatistics.load(path), summary
        return self._collect(model, dataset), summary

    def _statistics_of_images(self, dataset):
        """Returns the statistics of a flow that is still the identity, up to scales of channels."""
        model = self._model(dataset, None)
        images, condition = self._measured(dataset)
        first = slice(self.recipe.batch_size)
        model.initialize(images[first], None if condition is None else condition[first])
        return self._collect(model, dataset)

    def _collect(self, model, dataset):
        """Gathers statistics and writes them."""
        collector = lcma.LogDetCollector(seed=self.seed)
        statistics = collector.collect(model, *self._measured(dataset))
        statistics.save(self.folder / "statistics.npz")
        return statistics

    def _model(self, dataset, factorization):
        """Returns a fresh model, the same for the same seed."""
        keras.utils.set_random_seed(self.seed)
        conditions = {"conditions": dataset.classes} if self.labels else {}
        flow = self.recipe.build_flow(dataset.event_shape, factorization, **conditions)
        return self.recipe.build_model(flow, dataset.bins, self.seed)

    def _measured(self, dataset):
        """Returns the training images by which a split is chosen, and their labels or None."""
        rows = np.random.default_rng(self.seed).permutation(len(dataset.train))[:_MEASURED_IMAGES]
        rows = np.sort(rows)
        return dataset.train.images[rows], dataset.train.labels[rows] if self.labels else None

    def _fit(self, phase, dataset, factorization, steps):
        """Trains a fresh flow, from its last checkpoint on; returns it at its best."""
        recipe = self.recipe
        model = self._model(dataset, factorization)
        flow = model.flow
        model.compile(optimizer=recipe.build_optimizer(steps), jit_compile=self.jit_compile)
        stopping = PatientStopping(recipe.patience)
        state = Checkpointer(
            self.folder / "checkpoints" / phase, phase, stopping, self.checkpoint_every
        )
        state.attach(model)
        self._say(
            f"\n{phase}: {recipe.name}, factorization "
            f"{self.factorization if factorization else 'none'}, {model.count_params():,} "
            f"parameters, step {state.step} of {steps}"
        )
        shuffles = isinstance(factorization, EntropyInformed) and recipe.levels > 1
        callbacks = [
            stopping,
            state,
            keras.callbacks.TerminateOnNaN(),
            *self._summaries(phase, dataset, shuffles),
        ]
        if shuffles:
            seen = ChannelLog(self.folder / "channels.json")
            looked_at = dataset.validation.first(_WATCHED_IMAGES)
            callbacks.append(
                lcma.ChannelWatch(
                    looked_at.images,
                    condition_of(model, looked_at),
                    log_dir=self.folder / "tensorboard" / phase / "channels",
                    on_watch=lambda levels: seen.add(state.step, levels),
                )
            )
        if variable_orders(flow):
            # Always by the same images: a run that is carried on decides alike.
            log = ChoiceLog(self.folder / "online_choices.json")
            callbacks.append(
                lcma.OnlineSplit(
                    *self._measured(dataset),
                    watch_every=max(flow.factorization.decide_at[-1] // _WATCHES, 1),
                    on_watch=log.add,
                )
            )
        looks = dataset.validation.first(_VALIDATION_IMAGES)
        looks = (looks.images, looks.labels) if self.labels else looks.images
        while state.step < steps and not state.stopped and state.failed_step is None:
            epoch, done = divmod(state.step, recipe.validate_every)
            piece = min(recipe.validate_every - done, steps - state.step)
            whole = piece == recipe.validate_every
            count = (steps - state.step) // recipe.validate_every if whole else 1
            model.fit(
                batches(
                    dataset.train.images,
                    batch_size=recipe.batch_size,
                    seed=self.seed,
                    start=state.step,
                    stop=state.step + count * piece,
                    flip=recipe.flip,
                    labels=dataset.train.labels if self.labels else None,
                ),
                initial_epoch=epoch,
                epochs=epoch + count,
                steps_per_epoch=piece,
                validation_data=tf.data.Dataset.from_tensor_slices(looks).batch(256),
                callbacks=callbacks,
                shuffle=False,
                verbose=1 if self.verbose else 0,
            )
        if state.failed_step is not None:
            raise TrainingFailedError(
                f"The loss of {phase} became NaN or infinite at step {state.failed_step}. The last "
                f"good checkpoint is kept in {self.folder}; try a lower --learning-rate, in "
                "another --run-dir."
            )
        state.restore_best()
        _write_json(self.folder / f"history_{phase}.json", state.history)
        return model, {
            "steps": state.step,
            "seconds": state.seconds,
            "best": stopping.best,
            "history": state.history,
        }

    def _summaries(self, phase, dataset, shuffles):
        """The callbacks that write to TensorBoard."""
        log_dir = self.folder / "tensorboard" / phase
        return [
            keras.callbacks.TensorBoard(log_dir, write_graph=False),
            lcma.ImageSummary(
                log_dir / "pictures",
                report.tensorboard_pictures(dataset, self.seed, shuffles),
                every=_LOOKS_PER_PICTURE,
            ),
        ]

    def _say(self, message):
        if self.verbose:
            print(message, flush=True)


def _write_json(path, content):
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
