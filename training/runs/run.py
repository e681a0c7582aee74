"""One run, from images to an exported model; killed and started again it carries on."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

from tfp_lcma.files import read_bytes, within, written_whole
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.file_report import FILES
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.recipes.tables import write_recipe
from tfp_lcma.training.runs.mirror import Mirror
from tfp_lcma.training.runs.progress import Progress
from tfp_lcma.training.runs.run_lock import run_lock
from tfp_lcma.training.runs.settings import keep_or_extend
from tfp_lcma.training.runs.workers import ALONE, Workers

# What a run goes by, besides its checkpoints.
_STATE = ("config.json", "metrics.json", "statistics.npz")


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
        jit_compile: whether Keras compiles its steps with XLA; "auto": where there is a GPU.
        progress: what a person sees of it.
        mirror: what keeps `folder` alike in another file system, at every look; None: it is here.
        workers: that train together. Only the chief's `folder` counts, and only it exports; the
            others' is a scratch, and they are given what they need.
    """

    recipe: Recipe
    factorization: str
    seed: int
    folder: Path
    export: Path | str | None = None
    labels: bool = False
    init_from: Path | None = None
    checkpoint_every: int = 200
    jit_compile: bool | Literal["auto"] = "auto"
    progress: Progress = dataclasses.field(default_factory=Progress)
    mirror: Mirror | None = None
    workers: Workers = ALONE

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
        self.recipe.check_size(*dataset.event_shape[:2])
        if self.labels and dataset.classes is None:
            raise ValueError(
                f"--labels must be left out: the data set {dataset.name} has no classes."
            )
        finished, chief = self.folder / "metrics.json", self.workers.chief
        with run_lock(self.folder):
            if not chief:
                self.workers.give(self.folder, _STATE)
            settings = keep_or_extend(self.folder, self._settings(dataset), finished.exists())
            if chief:
                self.workers.give(self.folder, _STATE)
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
            if chief:
                write_json(finished, metrics)
            if self.mirror is not None:
                self.mirror.push()
            # Nobody ends before all is written.
            return self.workers.of_chief(metrics)

    def _settings(self, dataset):
        found = _given(
            self.recipe,
            factorization=self.factorization,
            seed=self.seed,
            labels=self.labels,
            init_from=self.init_from,
        )
        found |= {
            "event_shape": dataset.event_shape,
            "bins": dataset.bins,
            "pixels": dataset.pixels and dataset.pixels.to_config(),
            "images": [len(s) for s in (dataset.train, dataset.validation, dataset.test)],
        }
        return found | ({"classes": dataset.classes} if self.labels else {})

    def _train(self, dataset, settings):
        # Imports TensorFlow, which the answers of `execute` itself do not wait for.
        from tfp_lcma.training.runs.phases import train

        return train(self, dataset, settings)


def is_complete(place: Path | str, recipe: Recipe, **given: Any) -> bool:
    """Whether a folder holds all of a run; said without its images.

    Args:
        place: of the run, here or in another file system.
        recipe: of the run.
        **given: its `factorization`, `seed`, `labels` and `init_from`.
    """
    try:
        settings, metrics = (json.loads(read_bytes(within(place, name))) for name in _STATE[:2])
    except (OSError, ValueError):
        return False
    expected = json.loads(json.dumps(_given(recipe, **given)))
    return metrics["steps"] == recipe.steps and expected.items() <= settings.items()


def _given(recipe, *, factorization, seed, labels, init_from):
    """Returns the settings that do not depend on the images."""
    return dataclasses.asdict(recipe) | {
        "factorization": factorization,
        "seed": seed,
        "labels": labels,
        "init_from": init_from and str(init_from),
    }


def write_json(path: Path, content: Any) -> None:
    """Writes a file as a whole."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
