"""The pictures of a run, in its folder and in TensorBoard."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.factorizations import PAIRS, LogDetStatistics
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.reports import pictures
from tfp_lcma.training.runs.channel_log import ChannelLog
from tfp_lcma.training.runs.evaluation import condition_of
from tfp_lcma.training.runs.online_choices import ChoiceLog

_SAMPLES, _ROWS, _STEPS, _MAPS = 64, 6, 9, 8
_OF_A_CLASS = 8
# As many as a card there shows with letters that can be read.
_MAPS_IN_TENSORBOARD = 4


def draw_pictures(
    folder: Path,
    model: lcma.FlowModel,
    dataset: Dataset,
    statistics: LogDetStatistics | None,
    seed: int,
) -> None:
    """Writes every picture of a run into `folder`, from validation images only."""
    images, bins = dataset.validation.images, dataset.bins
    count, condition = sampled(model)
    samples = np.floor(model.sample(count, condition, seed=seed)).astype(np.uint8)
    columns = None if condition is None else _OF_A_CLASS
    pictures.save_image_grid(folder / "samples.png", samples, bins=bins, columns=columns)

    starts = images[:_ROWS]
    classes = condition_of(model, dataset.validation)
    # Each image walks to the next, the last to the first: any number of images will do.
    walk = model.interpolate(
        starts,
        np.roll(starts, -1, axis=0),
        None if classes is None else classes[:_ROWS],
        steps=_STEPS,
        spherical=True,
    )
    walk = np.floor(walk).astype(np.uint8)
    pictures.save_interpolations(folder / "interpolations.png", walk, bins=bins)

    originals = images[:_MAPS]
    classes = None if classes is None else classes[:_MAPS]
    decoded = model.decode(model.encode(originals, classes), classes)
    decoded = np.clip(np.floor(decoded), 0, bins - 1)
    pictures.save_reconstructions(
        folder / "reconstructions.png", originals, decoded.astype(np.uint8), bins=bins
    )
    maps = model.event_log_prob(originals, classes, seed=seed)
    pictures.save_event_log_prob(folder / "event_log_prob.png", originals, maps, bins=bins)

    background = dataset.train.images[:2048].mean(axis=0) / (bins - 1)
    pictures.save_exit_map(
        folder / "exit_map.png",
        model.flow.exit_map,
        background=background,
        levels=len(model.flow.flows),
    )
    if statistics is not None:
        for level, log_det in enumerate(statistics.log_det):
            pictures.save_log_det_map(
                folder / f"log_det_{level + 1}.png",
                log_det,
                title=f"mean log-det to the end of level {level + 1}",
            )


def sampled(model: lcma.FlowModel) -> tuple[int, np.ndarray | None]:
    """Returns how many samples to show and their condition: of every class a row."""
    if not isinstance(model.conditions, int):
        return _SAMPLES, None
    return model.conditions * _OF_A_CLASS, np.repeat(np.arange(model.conditions), _OF_A_CLASS)


def draw_curves(folder: Path, histories: dict[str, list[dict]]) -> None:
    """Writes the training curves of a run's phases."""
    measured = {"training": "bits_per_dimension", "validation": "val_bits_per_dimension"}
    phases = {
        phase: {
            name: [(row["step"], row[key]) for row in history] for name, key in measured.items()
        }
        for phase, history in histories.items()
    }
    pictures.save_training_curves(folder / "training_curves.png", phases)


def draw_online_choices(folder: Path) -> None:
    """Writes how the choice of a split made while training came to rest, level by level."""
    names = [f"{first}, {second}" for first, second in PAIRS]
    for level, (steps, shares) in ChoiceLog(folder / "online_choices.json").curves().items():
        if len(steps) > 1:
            pictures.save_share_curves(
                folder / f"online_choices_{level + 1}.png",
                steps,
                shares,
                names,
                title=f"which two pixels of a 2x2 block would stay at level {level + 1} "
                "(0 1 over 2 3)",
            )


def draw_channels(folder: Path) -> None:
    """Writes which channels a shuffle factors out, at the end and in the course of training."""
    steps, levels = ChannelLog(folder / "channels.json").history()
    if not steps:
        return
    pictures.save_channel_choices(folder / "channels.png", [looks[-1] for looks in levels])
    for number, looks in enumerate(levels, start=1):
        if len(steps) > 1:
            path = folder / f"channels_{number}.png"
            pictures.save_channel_history(path, steps, looks, number)


def tensorboard_pictures(
    dataset: Dataset, seed: int, shuffles: bool
) -> dict[str, Callable[[lcma.FlowModel], np.ndarray]]:
    """Returns what TensorBoard shows of a model in training: a drawing function for each name.

    Args:
        dataset: what it is trained on.
        seed: of samples and noise.
        shuffles: whether shuffles stand before its splits.
    """
    shown = dataset.validation.first(_SAMPLES)

    def samples(model):
        count, condition = sampled(model)
        drawn = np.floor(model.sample(count, condition, seed=seed)).astype(np.uint8)
        return pictures.draw_image_grid(drawn, columns=_OF_A_CLASS, bins=dataset.bins)

    def exit_map(model):
        return pictures.draw_exit_map(model.flow.exit_map, levels=len(model.flow.flows))

    def event_log_prob(model):
        few = shown.first(_MAPS_IN_TENSORBOARD)
        maps = model.event_log_prob(few.images, condition_of(model, few), seed=seed)
        return pictures.draw_event_log_prob(few.images, maps, dataset.bins, columns=2)

    def log_det(model):
        x = tf.cast(shown.images, model.flow.dtype) + 0.5
        y = model.preprocessing.inverse_and_event_log_det(x)[0]
        condition = condition_of(model, shown)
        log_dets = model.flow.inverse_event_log_det_jacobian(y, condition).numpy()
        title = f"mean log-det of the flow, {len(shown)} validation images"
        return pictures.draw_log_det_map(log_dets.mean(axis=0), title=title)

    def channels(model):
        condition = condition_of(model, shown)
        return pictures.draw_channel_choices(lcma.channel_choices(model, shown.images, condition))

    drawn = {
        "samples": samples,
        "exit_map": exit_map,
        "event_log_prob": event_log_prob,
        "log_det": log_det,
    }
    return drawn | ({"channels": channels} if shuffles else {})
