"""One arm, one seed: trained, evaluated on validation images, drawn and saved."""

import time
from pathlib import Path

import numpy as np
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.reports import pictures
from tfp_lcma.training.runs import evaluation
from tfp_lcma.training.runs.channel_log import to_json
from tfp_lcma.training.studies.compare.budget import train
from tfp_lcma.training.studies.compare.splits import pair_counts
from tfp_lcma.training.studies.quality import FeatureExtractor, sample_quality

import tfp_lcma as lcma
from tfp_lcma.factorizations import Factorization
from tfp_lcma.files import written_whole

_SAMPLES, _SHOWN = 2000, 36


class RunFailedError(RuntimeError):
    """A run has no result, for a reason that belongs into the report."""


def measure(
    recipe: Recipe,
    dataset: Dataset,
    factorization: Factorization | None,
    seed: int,
    *,
    steps: int,
    folder: Path,
    name: str,
    extractor: FeatureExtractor | None = None,
    follow_channels: bool = False,
    **options,
) -> dict:
    """Trains a flow for `steps` steps and returns its numbers, from validation images only.

    Args:
        recipe: flow and optimisation.
        dataset: trained and evaluated on.
        factorization: which dimensions are factored out; None: none before the end.
        seed: of initial weights, batches, noise and samples.
        steps: steps of training.
        folder: gets `models/NAME.keras`, pictures and, of a split chosen while training, the
            choices on the way.
        name: of these files.
        extractor: what FID and KID look through; None: they are left out.
        follow_channels: whether to look, in training, at what the splits do to channels.
        **options: of the recipe's model, beyond the recipe's.

    Raises:
        RunFailedError: the loss or the evaluation is not a number.
    """
    began = time.perf_counter()
    choices = folder / "choices" / f"{name}.json"
    trained = train(
        recipe,
        dataset,
        factorization,
        seed,
        steps=steps,
        choices=choices,
        follow_channels=follow_channels,
        **options,
    )
    seconds = time.perf_counter() - began
    if trained.failed:
        raise RunFailedError(trained.failed)
    model = trained.model
    validation = evaluation.test_bits(model, dataset.validation, recipe.draws, seed)
    if not np.isfinite(validation["bits_per_dimension"]):
        raise RunFailedError("bits per dimension of the validation images are not finite")
    file = folder / "models" / f"{name}.keras"
    with written_whole(file) as temporary:
        # Keras insists on its ending.
        named = temporary.with_suffix(".keras")
        model.save(named)
        named.rename(temporary)
    return {
        "steps": steps,
        "parameters": model.count_params(),
        "seconds": seconds,
        "step_seconds": trained.step_seconds,
        "validation": validation,
        **_draw(model, dataset, seed, folder / "pictures", name, extractor),
        "history": trained.history,
        "channels": [[to_json(level) for level in look] for look in trained.channels] or None,
        "pairs": pair_counts(model.flow.splits) if model.flow.splits else None,
        "model": file.relative_to(folder).as_posix(),
    }


def _draw(
    model: lcma.FlowModel,
    dataset: Dataset,
    seed: int,
    folder: Path,
    name: str,
    extractor: FeatureExtractor | None,
) -> dict:
    """Draws samples and the exit map.

    Returns:
        `sample_milliseconds` an image, and `quality`, None where it cannot be said.
    """
    count = _SHOWN if extractor is None else max(_SHOWN, min(_SAMPLES, len(dataset.train)))
    model.sample(count, seed=seed)  # traced
    began = time.perf_counter()
    samples = model.sample(count, seed=seed)
    found = {"sample_milliseconds": 1e3 * (time.perf_counter() - began) / count, "quality": None}
    background = dataset.train.images[:2048].mean(axis=0) / (dataset.bins - 1)
    pictures.save_exit_map(
        folder / f"{name}-exit-map.png",
        model.flow.exit_map,
        background=background,
        levels=len(model.flow.flows),
    )
    if not np.isfinite(samples).all():
        return found
    shown = np.floor(samples[:_SHOWN]).astype(np.uint8)
    pictures.save_image_grid(folder / f"{name}-samples.png", shown, bins=dataset.bins)
    if extractor is None:
        return found
    # Training images: those to validate on may show other things.
    rows = np.random.default_rng(0).permutation(len(dataset.train))[:_SAMPLES]
    quality = sample_quality(extractor, samples, dataset.train.images[np.sort(rows)])
    return found | {"quality": quality}
