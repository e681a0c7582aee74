"""One arm, one seed: trained, evaluated on validation images, drawn and saved."""

import math
import time
from pathlib import Path

import keras
import numpy as np

import tfp_lcma as lcma
from tfp_lcma.factorizations import Factorization
from tfp_lcma.keras_model.online_split import variable_orders
from tfp_lcma.multi_scale import warm_start
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.reports import pictures
from tfp_lcma.training.runs import evaluation
from tfp_lcma.training.runs.channel_log import to_json
from tfp_lcma.training.runs.foreground import foreground_bits
from tfp_lcma.training.runs.online_choices import ChoiceLog
from tfp_lcma.training.runs.save_model import of_one_device, save_model
from tfp_lcma.training.runs.trainer import Trainer
from tfp_lcma.training.runs.training_failed import TrainingFailedError
from tfp_lcma.training.runs.workers import ALONE, Workers
from tfp_lcma.training.studies.compare.images import IMAGES, ImagesFile
from tfp_lcma.training.studies.compare.splits import pair_counts
from tfp_lcma.training.studies.machine import machine
from tfp_lcma.training.studies.quality import FeatureExtractor, sample_quality

_SAMPLES, _SHOWN = 2000, 36
_SHOWN_LOGS = ("step", "bits_per_dimension", "val_bits_per_dimension")
_WATCHES, _FOLLOWED_IMAGES = 6, 512


def measure(
    recipe: Recipe,
    dataset: Dataset,
    factorization: Factorization | None,
    seed: int,
    *,
    steps: int,
    folder: Path,
    arm: str,
    extractor: FeatureExtractor | None = None,
    start_from: Path | None = None,
    follow_channels: bool = False,
    workers: Workers = ALONE,
    **options,
) -> dict:
    """Trains a flow for `steps` steps and returns its numbers, from validation images only.

    The steps are spent whole; the weights that count are those of the best look on the way.
    Only the chief of several workers measures; the others have none.

    Args:
        recipe: flow and optimisation.
        dataset: trained and evaluated on.
        factorization: which dimensions are factored out; None: none before the end.
        seed: of initial weights, batches, noise and samples.
        steps: steps of training.
        folder: gets `models/ARM-SEED.keras`, the bits of every validation image, pictures and, of
            a split chosen while training, the choices on the way.
        arm: what the flow is called there.
        extractor: what FID and KID look through; None: they are left out.
        start_from: file of a model without a split, whose weights are the start where they fit;
            None: training starts from fresh weights.
        follow_channels: whether to look, in training, at what the splits do to channels.
        workers: that train it together.
        **options: of the recipe's model, beyond the recipe's.

    Raises:
        TrainingFailedError: the loss or the evaluation is not a number.
    """
    began = time.perf_counter()
    name = f"{arm}-{seed}"
    trainer = Trainer(
        recipe,
        dataset,
        factorization,
        seed,
        steps=steps,
        patience=math.inf,
        workers=workers,
        **options,
    )
    model = trainer.model
    if start_from is not None:
        warm_start(model.flow, keras.saving.load_model(start_from).flow)
    channels = lcma.ChannelWatch(dataset.validation.images[:_FOLLOWED_IMAGES], seed=seed)
    callbacks = [channels] if follow_channels and workers.chief else []
    if variable_orders(model.flow):
        log = ChoiceLog(folder / "choices" / f"{name}.json")
        every = max(model.flow.factorization.decide_at[-1] // _WATCHES, 1)
        callbacks.append(lcma.OnlineSplit(watch_every=every, on_watch=log.add))
    trainer.fit(callbacks)
    seconds = time.perf_counter() - began
    if not workers.chief:
        return {}
    model = of_one_device(model, workers)
    bits = evaluation.image_bits(model, dataset.validation, recipe.draws, seed)
    validation = evaluation.mean_bits(bits, model, dataset.validation, recipe.draws)
    if not np.isfinite(validation["bits_per_dimension"]):
        raise TrainingFailedError("bits per dimension of the validation images are not finite")
    file = folder / "models" / f"{name}.keras"
    save_model(model, file)
    images = ImagesFile(folder / IMAGES)
    images.add("validation", arm, seed, bits, dataset.validation.clusters)
    history = trainer.course.history
    return {
        "steps": steps,
        "best_step": trainer.course.best_step,
        "parameters": model.count_params(),
        "seconds": seconds,
        "machine": machine(),
        "step_seconds": trainer.course.step_seconds,
        "validation": validation,
        "foreground": foreground_bits(bits, dataset.validation),
        "image_bits": IMAGES,
        **_draw(model, dataset, seed, folder / "pictures", name, extractor),
        "history": [{key: row[key] for key in row if key in _SHOWN_LOGS} for row in history],
        "channels": [[to_json(level) for level in look] for look in channels.history] or None,
        "pairs": pair_counts(model.flow.splits) if _halves_blocks(model.flow) else None,
        "model": file.relative_to(folder).as_posix(),
    }


def _halves_blocks(flow):
    """Says whether a flow has splits of 2x2 blocks."""
    return bool(flow.splits) and flow.patch is None


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
