"""What takes part in a run's training beside its course: TensorBoard, and logs of splits."""

from pathlib import Path

import keras

import tfp_lcma as lcma
from tfp_lcma.factorizations import EntropyInformed
from tfp_lcma.keras_model.online_split import variable_orders
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.runs import run_pictures
from tfp_lcma.training.runs.channel_log import ChannelLog
from tfp_lcma.training.runs.evaluation import condition_of
from tfp_lcma.training.runs.online_choices import ChoiceLog
from tfp_lcma.training.runs.statistics import measured_rows
from tfp_lcma.training.runs.trainer import Trainer

_LOOKS_PER_PICTURE = 4
_WATCHES, _WATCHED_IMAGES = 8, 512


def callbacks(
    folder: Path, phase: str, dataset: Dataset, trainer: Trainer, seed: int, chief: bool = True
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks of a phase.

    Args:
        folder: of the run; logs go there.
        phase: name of the phase.
        dataset: trained on.
        trainer: of the phase.
        seed: of pictures, and of the images by which a split is chosen.
        chief: whether this process writes what is to be looked at.
    """
    model, course = trainer.model, trainer.course
    shuffles = isinstance(model.flow.factorization, EntropyInformed) and bool(model.flow.splits)
    found: list[keras.callbacks.Callback] = []
    if chief:
        found = summaries(folder / "tensorboard" / phase, dataset, seed, shuffles)
    if shuffles and chief:
        seen = ChannelLog(folder / "channels.json")
        looked_at = dataset.validation.first(_WATCHED_IMAGES)
        found.append(
            lcma.ChannelWatch(
                looked_at.images,
                condition_of(model, looked_at),
                log_dir=folder / "tensorboard" / phase / "channels",
                on_watch=lambda levels: seen.add(course.step, levels),
            )
        )
    if variable_orders(model.flow):
        # Always by the same images: a run that is carried on decides alike.
        log = ChoiceLog(folder / "online_choices.json")
        images, classes = measured_rows(dataset, seed, labels=model.conditions is not None)
        found.append(
            lcma.OnlineSplit(
                images,
                classes,
                watch_every=max(model.flow.factorization.decide_at[-1] // _WATCHES, 1),
                on_watch=log.add,
            )
        )
    return found


def summaries(
    log_dir: Path, dataset: Dataset, seed: int, shuffles: bool
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that write to TensorBoard."""
    return [
        keras.callbacks.TensorBoard(log_dir, write_graph=False),
        lcma.ImageSummary(
            log_dir / "pictures",
            run_pictures.tensorboard_pictures(dataset, seed, shuffles),
            every=_LOOKS_PER_PICTURE,
        ),
    ]
