"""The phases of a run: pre-training, the split, training, evaluation, pictures and export."""

import dataclasses
from typing import Any

import keras

import tfp_lcma as lcma
from tfp_lcma import registry
from tfp_lcma.files import within
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.file_report import FILES
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.runs import evaluation, run_pictures, statistics
from tfp_lcma.training.runs.callbacks import callbacks
from tfp_lcma.training.runs.load_run import results_in, start_from
from tfp_lcma.training.runs.run import Run, write_json
from tfp_lcma.training.runs.run_page import write_run_page
from tfp_lcma.training.runs.save_model import of_one_device, save_model
from tfp_lcma.training.runs.trainer import Trainer, fresh_model
from tfp_lcma.training.runs.training_failed import TrainingFailedError

_ROUND_TRIP_IMAGES = 256
# The learning rate rises over at most one of so many steps of a phase.
_WARMUP_SHARE = 10


def train(run: Run, dataset: Dataset, settings: dict[str, Any]) -> dict[str, Any]:
    """Does what is left to do of a run; returns what is to be known about it, to the chief.

    Args:
        run: what to do, and where.
        dataset: its images.
        settings: as its folder holds them.

    Raises:
        ValueError: something in the folder is damaged.
        OSError: the folder cannot be written.
        TrainingFailedError: the loss became NaN; the last good checkpoint is kept.
    """
    say, doing = run.progress.say, run.progress.doing
    for line in _plan(run, dataset, settings):
        say(line)
    _check_views(run)
    chosen_by, pretraining = _statistics(run, dataset, settings["pretrain_steps"])
    factorization = registry.factorization(
        run.factorization,
        steps=settings.get("first_steps", run.recipe.steps),
        seed=run.seed,
        statistics=chosen_by,
    )
    model, training = _fit(run, "training", dataset, factorization, run.recipe.steps)
    if not run.workers.chief:
        return {}
    model = of_one_device(model, run.workers)
    with doing(f"evaluating {len(dataset.test):,} test images"):
        results = _evaluate(run, model, dataset)
    metrics = {
        "recipe": run.recipe.name,
        "factorization": run.factorization,
        "seed": run.seed,
        "steps": run.recipe.steps,
        "parameters": model.count_params(),
        "pretraining": pretraining,
        "training": training,
        "validation": training["best"],
        **results,
    }
    with doing("drawing pictures"):
        _draw(run, model, dataset, metrics)
    save_model(model, run.folder / "model.keras")
    if run.export is not None:
        with doing("exporting"):
            version = lcma.export_saved_model(
                model,
                run.export,
                recipe=settings,
                metrics=results_in(metrics),
                pixels=settings["pixels"],
            )
        metrics["export"] = str(version)
    write_run_page(run.folder, settings, metrics)
    return metrics


def _check_views(run):
    """Raises a ValueError where a split of 2x2 blocks is asked of a flow on patches."""
    kind = registry.FACTORIZATIONS[run.factorization].kind
    if kind is None or run.recipe.patch is None:
        return
    if registry.load(f"tfp_lcma.factorizations:{kind}").views == "blocks":
        raise ValueError(
            f"factorization must be one for patches; {run.factorization} is for 2x2 blocks."
        )


def _plan(run, dataset, settings):
    """Yields lines that say what is about to be done."""
    sides = (dataset.train, dataset.validation, dataset.test)
    counts = "{:,} training, {:,} validation and {:,} test images".format(*map(len, sides))
    shape = "×".join(map(str, dataset.event_shape))
    yield f"{dataset.name}: {counts}, {shape}, {dataset.bins} intensities"
    if dataset.files is not None:
        yield f"{dataset.files.summary()}: {within(run.place, FILES)}"
        grey = dataset.pixels.background
        yield f"Files are turned upright, laid on grey ({grey}) where transparent, and cropped."
    recipe, before = run.recipe, ""
    source = registry.FACTORIZATIONS[run.factorization].source
    if source == registry.FLOW and run.init_from is None:
        before = f"{settings['pretrain_steps']:,} steps of pre-training, then "
    yield (
        f"{recipe.model}, factorization {run.factorization}: {before}at most "
        f"{recipe.steps:,} steps of {recipe.batch_size} images, in {run.place}"
    )
    if run.workers.strategy is not None:
        yield shares(recipe.batch_size, run.workers.replicas)
    short = with_short_warmup(recipe, recipe.steps).warmup_steps
    if short < recipe.warmup_steps:
        rises = f"rises over {short:,} steps, a tenth of them," if short else "is full at once"
        yield f"The learning rate {rises} instead of rising over {recipe.warmup_steps:,} steps."


def shares(batch_size: int, replicas: int) -> str:
    """Returns in words how a batch is divided."""
    if replicas == 1:
        return "One replica takes every batch whole: there is no other device."
    share = -(-batch_size // replicas)
    most = "at most " if batch_size % replicas else ""
    return (
        f"{replicas} replicas: of the {batch_size} images of a step {most}{share} each, at the "
        "same learning rate."
    )


def _statistics(run, dataset, pretrain_steps):
    """Returns the statistics that the split is chosen by, and how the pre-training went."""
    folder, pretraining = run.folder, None
    source = registry.FACTORIZATIONS[run.factorization].source
    from_flow = source == registry.FLOW
    if not from_flow and source != registry.IMAGES:
        return None, None
    if from_flow and run.init_from is None:
        model, pretraining = _fit(run, "pretraining", dataset, None, pretrain_steps)
        if statistics.load(folder) is None:
            with run.progress.doing("collecting statistics"):
                statistics.collect(folder, model, dataset, run.seed)
    elif statistics.load(folder) is None and run.init_from is not None:
        statistics.copy(run.init_from, folder)
    elif statistics.load(folder) is None:
        with run.workers.scope():
            model = fresh_model(run.recipe, dataset, None, run.seed, labels=run.labels)
        statistics.initialize(model, dataset, run.seed, run.recipe.batch_size)
        statistics.collect(folder, model, dataset, run.seed)
    return statistics.load(folder), pretraining


def _fit(run, phase, dataset, factorization, steps):
    """Trains a fresh flow, from its last checkpoint on; returns it at its best."""
    trainer = Trainer(
        with_short_warmup(run.recipe, steps),
        dataset,
        factorization,
        run.seed,
        steps=steps,
        phase=phase,
        labels=run.labels,
        patience=run.recipe.patience,
        checkpoints=run.folder / "checkpoints" / phase,
        checkpoint_every=run.checkpoint_every,
        jit_compile=run.jit_compile,
        workers=run.workers,
    )
    course, model = trainer.course, trainer.model
    if run.init_from is not None and not course.step:
        start_from(run.init_from, model)
    run.progress.say(
        f"{phase}: {model.count_params():,} parameters, step {course.step:,} of {steps:,}"
    )
    others = callbacks(run.folder, phase, dataset, trainer, run.seed, run.workers.chief)
    if run.mirror is not None:
        push = run.mirror.push
        others.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: push()))
    try:
        trainer.fit(others, progress=run.progress)
    except TrainingFailedError as error:
        raise TrainingFailedError(
            f"The {error} of {phase}. The last good checkpoint is kept in {run.place}; try "
            "a lower learning rate, in another --run-dir."
        ) from error
    write_json(run.folder / f"history_{phase}.json", course.history)
    return model, {
        "steps": course.step,
        "seconds": course.seconds,
        "best": course.best,
        "history": course.history,
    }


def _evaluate(run, model, dataset):
    """Returns the results on test images, and how exactly the flow inverts."""
    draws, some = run.recipe.draws, dataset.validation.first(_ROUND_TRIP_IMAGES)
    found = {
        "test": evaluation.test_bits(model, dataset.test, draws, run.seed),
        "round_trip": evaluation.round_trips(model, some, run.seed),
    }
    if run.labels:
        found["classification"] = evaluation.accuracy(model, dataset.test, run.seed)
    return found


def _draw(run, model, dataset, metrics):
    phases = {"pre-training": metrics["pretraining"], "training": metrics["training"]}
    run_pictures.draw_curves(run.folder, {k: v["history"] for k, v in phases.items() if v})
    # A flow that was never trained has no log-dets to show.
    shown = statistics.load(run.folder) if metrics["pretraining"] else None
    run_pictures.draw_pictures(run.folder, model, dataset, shown, run.seed)
    run_pictures.draw_online_choices(run.folder)
    run_pictures.draw_channels(run.folder)


def with_short_warmup(recipe: Recipe, steps: int) -> Recipe:
    """Returns the recipe, its learning rate rising over at most a tenth of the steps."""
    short = min(recipe.warmup_steps, steps // _WARMUP_SHARE)
    return dataclasses.replace(recipe, warmup_steps=short)
