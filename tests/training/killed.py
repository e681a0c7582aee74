"""A run of RealNVP with LCMA, as one worker of those in TF_CONFIG, that kills itself: a script.

`python -m tests.training.killed FOLDER STEPS PEER_TIMEOUT eager|graphs [MOMENT TIMES]`
"""

import os
import signal
import sys
from pathlib import Path

import keras

from tests.training.tiny import make_eager, make_small, tiny_dataset, tiny_run
from tfp_lcma import models
from tfp_lcma.training.recipes import Recipe
from tfp_lcma.training.runs import statistics
from tfp_lcma.training.runs.cluster import given_cluster
from tfp_lcma.training.runs.course import Course
from tfp_lcma.training.runs.lost_peers import ends_at_once
from tfp_lcma.training.runs.mirror import local_folder
from tfp_lcma.training.runs.strategies import make_workers
from tfp_lcma.training.runs.threads import use_threads

PRETRAIN_STEPS = 3
MOMENTS = ("pretraining", "split", "training", "checkpoint")


def small_real_nvp(self, event_shape, factorization, **options):
    """Stands for `Recipe.build_flow`."""
    size = {"levels": 2, "width": 4, "blocks": 1}
    return models.real_nvp(tuple(event_shape), factorization=factorization, dtype="float64", **size)


def momentum(self, steps):
    """Stands for `Recipe.build_optimizer`; Adam's first steps follow gradients' last digits."""
    return keras.optimizers.SGD(1e-4, momentum=0.9)


def killed_run(folder, steps, **arguments):
    """Returns the run, whose batches two replicas cannot halve."""
    changes = {"pretrain_steps": PRETRAIN_STEPS, "steps": steps}
    changes |= {"batch_size": 9, "validate_every": 3}
    return tiny_run(folder, changes=changes, checkpoint_every=1, **arguments)


def make_lcma(patch):
    make_small(patch)
    patch(Recipe, "build_flow", small_real_nvp)
    patch(Recipe, "build_optimizer", momentum)


class Kills:
    """Kills this process at a moment, a number of times, a step later each time if there is one."""

    def __init__(self, log: Path, steps: int, moment: str, times: int):
        self._log, self._steps, self._moment, self._times = log, steps, moment, times
        self._done = len(log.read_text()) if log.exists() else 0

    def arrange(self):
        """Puts itself where the moment is."""
        if self._done == self._times:
            return
        if self._moment == "split":
            collect = statistics.collect

            def interrupted(*arguments):
                # All times but the last before the statistics are there.
                if self._done == self._times - 1:
                    collect(*arguments)
                self._kill()

            statistics.collect = interrupted
            return
        phase = "pretraining" if self._moment == "pretraining" else "training"
        last = (PRETRAIN_STEPS if phase == "pretraining" else self._steps) - 1
        name = "save" if self._moment == "checkpoint" else "on_train_batch_begin"
        method = getattr(Course, name)

        def reached(course, *arguments, **logs):
            if course._phase == phase and course.step == min(self._done + 1, last):
                if self._moment == "checkpoint" and course._manager is not None:
                    self._half_written(course)
                self._kill()
            method(course, *arguments, **logs)

        setattr(Course, name, reached)

    def _half_written(self, course):
        folder = Path(course._manager.directory)
        folder.mkdir(parents=True, exist_ok=True)  # as of the first checkpoint
        (folder / f"ckpt-{course.step}.data-00000-of-00001").write_bytes(b"half")

    def _kill(self):
        with self._log.open("a") as log:
            log.write("x")
        os.kill(os.getpid(), signal.SIGKILL)


def main(folder, steps, peer_timeout, how, moment=None, times=0):
    make_lcma(setattr)
    if how == "eager":
        make_eager(setattr)
    if moment:
        # A file for every process; a scratch folder would not outlive the first kill.
        log = folder.with_name(f"{folder.name}-kills")
        Kills(log, int(steps), moment, int(times)).arrange()
    use_threads(1)
    with ends_at_once():
        workers = make_workers("multi-worker", given_cluster(), float(peer_timeout))
        with local_folder(folder, workers.chief) as (own, mirror):
            run = killed_run(own, int(steps), mirror=mirror, workers=workers)
            run.execute(tiny_dataset())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
