"""The steps of a phase as a person sees them: a bar or lines, and what the others will take."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import keras

from tfp_lcma.training.runs.course import Course
from tfp_lcma.training.runs.memory import peak_megabytes
from tfp_lcma.training.runs.progress import Progress, duration

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

# Seconds: a rest that needs no estimate.
_SOON = 2.0
# Columns of a terminal that the longest words beside a bar fit into.
_WIDE = 80


class Steps(keras.callbacks.Callback):
    """Shows the steps of a phase and, after the first look, what the others will take.

    Must stand after the phase's `Course` in the list of callbacks, which are those of one or
    several calls of `fit`, within `shown()`.
    """

    def __init__(self, progress: Progress, phase: str, course: Course, steps: int):
        """Creates the callback.

        Args:
            progress: what shows it.
            phase: name of the phase.
            course: where it stands.
            steps: most steps of the phase.
        """
        super().__init__()
        self._progress, self._phase, self._course, self._steps = progress, phase, course, steps
        self._start, self._estimated = course.step, False
        self._built = False
        self._bar: ProgressBar | None = None

    @contextlib.contextmanager
    def shown(self) -> Iterator["Steps"]:
        """Shows the phase until the block ends."""
        with contextlib.ExitStack() as self._open, contextlib.ExitStack() as self._building:
            yield self

    def on_train_batch_begin(self, batch, logs=None):
        if not self._built:
            self._building.enter_context(
                self._progress.doing(f"{self._phase}: building the graph, the first step")
            )

    def on_train_batch_end(self, batch, logs=None):
        if not self._built:
            self._building.close()
            self._built = True
            if sys.stdout.isatty() and not self._progress.quiet:
                bar = click.progressbar(
                    length=self._steps - self._start,
                    label=self._phase,
                    show_pos=True,
                    width=0,  # what the other words of the line leave
                    item_show_func=self._fitting,
                )
                self._bar = self._open.enter_context(bar)
        if self._bar is not None:
            self._bar.update(1)

    def on_epoch_end(self, epoch, logs=None):
        if self._course.failed_step is not None:
            return
        bits = ", ".join(
            f"{name} {logs[key]:.4f}"
            for name, key in (
                ("training", "bits_per_dimension"),
                ("validation", "val_bits_per_dimension"),
            )
            if key in logs
        )
        if self._bar is None:
            where = f"step {self._course.step:,} of {self._steps:,}"
            self._progress.say(f"{self._phase}, {where}: {bits} bits/dim")
        else:
            self._bar.update(0, f"{bits.removeprefix('training ')} bits/dim")
        self._estimate()

    def _fitting(self, bits):
        """Returns what stands beside the bar; None where the terminal would break the line."""
        return bits if shutil.get_terminal_size().columns >= _WIDE else None

    def _estimate(self):
        """Says once how long the other steps will take, and how much memory it took so far."""
        left = self._steps - self._course.step
        # The first step, which builds the graph, does not move the median.
        seconds = self._course.step_seconds * left
        if self._estimated or seconds < _SOON:
            return
        self._estimated = True
        peak = peak_megabytes()
        memory = "" if peak is None else f"; {peak:,.0f} MB of memory at the peak so far"
        if self._bar is not None:
            click.echo("\r\x1b[2K", nl=False)
        self._progress.say(
            f"{self._phase}: about {duration(seconds)} for at most {left:,} more steps, "
            f"looks at validation images aside{memory}"
        )
