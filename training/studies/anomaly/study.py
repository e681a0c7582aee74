"""A study: for every seed a flow is trained, scores the test images and all others."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from tfp_lcma.files import written_whole
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs.progress import Progress
from tfp_lcma.training.runs.run import Run
from tfp_lcma.training.runs.run_lock import run_lock
from tfp_lcma.training.runs.settings import keep_settings
from tfp_lcma.training.studies.anomaly import image_sets
from tfp_lcma.training.studies.anomaly.patches import Pasted, paste
from tfp_lcma.training.studies.anomaly.roc import roc_auc
from tfp_lcma.training.studies.anomaly.scoring import SCORES, Scorer
from tfp_lcma.training.studies.results import ResultsFile

# What is kept of every set, and of every kind of patch, for the pictures.
_SHOWN_IMAGES, _SHOWN_PATCHES = 12, 2


@dataclasses.dataclass(frozen=True)
class Study:
    """What to train and to score, and where.

    Attributes:
        recipe: data, flow and optimisation.
        factorization: what is factored out, one of `tfp_lcma.registry.FACTORIZATIONS`.
        dataset: what is trained on and what is no anomaly.
        data_dir: folder of prepared data sets.
        folder: of the results, and of the runs.
        count: most images a set.
        command: as it was given, for the report.
        progress: what a person sees of it.
    """

    recipe: Recipe
    factorization: str
    dataset: Dataset
    data_dir: Path | None
    folder: Path
    count: int
    command: str
    progress: Progress = dataclasses.field(default_factory=Progress)

    def run(self, seeds: range) -> None:
        """Adds a row to `results.jsonl` for every seed that has none.

        Raises:
            ValueError: the folder holds a study with other settings, or another process has it.
            OSError: the folder cannot be written.
            TrainingFailedError: the loss became NaN.
        """
        settings = dataclasses.asdict(self.recipe) | {
            "factorization": self.factorization,
            "count": self.count,
            "event_shape": self.dataset.event_shape,
            "bins": self.dataset.bins,
        }
        with run_lock(self.folder):
            keep_settings(self.folder, settings)
            results = ResultsFile(self.folder / "results.jsonl")
            done = {row["seed"] for row in results.rows()}
            for seed in (seed for seed in seeds if seed not in done):
                results.append(self._row(seed))

    def _row(self, seed: int) -> dict:
        """Trains, or loads, the flow of a seed and scores everything."""
        folder = self.folder / f"seed-{seed}"
        run = Run(self.recipe, self.factorization, seed, folder, progress=self.progress)
        metrics = run.execute(self.dataset)
        model = keras.saving.load_model(folder / "model.keras")
        scorer = Scorer(model, self.dataset.train.images, self.recipe.draws, seed)
        # The same images for every seed: only the flows differ.
        own = image_sets.inliers(self.dataset, self.count)
        others = image_sets.outliers(self.dataset, self.count, self.data_dir, seed=0)
        scores = {}
        for images in (own, *others):
            with self.progress.doing(f"seed {seed}: scoring {len(images.images)} × {images.name}"):
                scores[images.name] = scorer.scores(images.images)
        pasted = paste(own.images, self.dataset.bins, seed=0)
        maps = {patches.kind: scorer.maps(patches.images) for patches in pasted}
        self._keep(seed, [own, *others], scores, pasted, maps)
        return {
            "seed": seed,
            "command": self.command,
            "steps": metrics["training"]["steps"],
            "seconds": metrics["training"]["seconds"],
            "parameters": metrics["parameters"],
            "test": metrics["test"],
            "typical": scorer.typical,
            "inliers": _means(scores[own.name]),
            "outliers": {
                images.name: _means(scores[images.name])
                | {"auc": _areas(scores, own, images), "clusters": len(set(images.clusters))}
                for images in others
            },
            "patches": {p.kind: _localisation(maps[p.kind], p) for p in pasted},
        }

    def _keep(self, seed, sets, scores, pasted, maps):
        """Writes the scores of all images, and a few images and maps, for pictures."""
        arrays = {
            f"score/{name}/{score}": values[score] for name, values in scores.items()
            for score in SCORES
        }  # fmt: skip
        for images in sets:
            # Evenly spaced: the same of every set that is made of the test images.
            chosen = np.linspace(0, len(images.images) - 1, _SHOWN_IMAGES).astype(int)
            arrays[f"image/{images.name}"] = images.images[np.unique(chosen)]
        for patches in pasted:
            arrays[f"patched/{patches.kind}"] = patches.images[:_SHOWN_PATCHES]
            arrays[f"mask/{patches.kind}"] = patches.masks[:_SHOWN_PATCHES]
            for name, values in maps[patches.kind].items():
                arrays[f"map/{patches.kind}/{name}"] = values[:_SHOWN_PATCHES]
        with (
            written_whole(self.folder / f"kept-{seed}.npz") as temporary,
            open(temporary, "wb") as file,
        ):
            np.savez_compressed(file, **arrays)


def _means(scores: dict[str, np.ndarray]) -> dict:
    """Returns the mean of every score, and how many images it is of."""
    means = {name: float(values.mean(dtype=np.float64)) for name, values in scores.items()}
    return means | {"images": len(scores["compressed"])}


def _areas(scores, own, others) -> dict[str, list[float]]:
    """Returns the area of every score, and its standard error."""
    return {
        score: list(
            roc_auc(
                scores[own.name][score], scores[others.name][score], own.clusters, others.clusters
            )
        )
        for score in SCORES
    }


def _localisation(maps: dict[str, np.ndarray], pasted: Pasted) -> dict:
    """Returns the mean over images of every map's area, pixels against the mask, and its error."""
    found: dict[str, list[float]] = {}
    for name, values in maps.items():
        areas = np.array(
            [
                roc_auc(pixels[~mask], pixels[mask]).value
                for pixels, mask in zip(values, pasted.masks, strict=True)
            ]
        )
        error = areas.std(ddof=1) / np.sqrt(len(areas)) if len(areas) > 1 else 0.0
        found[name] = [float(areas.mean()), float(error)]
    return {"images": len(pasted.images), "auc": found}
