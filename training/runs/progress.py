"""What a person sees of a run: what is being done; known before TensorFlow is imported."""

import contextlib
import sys
import threading
from collections.abc import Iterator

import click

# Seconds: a silence that needs no word.
_SILENCE = 0.2


class Progress:
    """Lines of text; nothing if nobody is to see them."""

    def __init__(self, quiet: bool = False):
        """Shows everything, or nothing if it is to be quiet."""
        self.quiet = quiet

    def say(self, line: str) -> None:
        """Shows a line at once."""
        if not self.quiet:
            click.echo(line)
            sys.stdout.flush()

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Says what is being done, unless it is done before anybody asks."""
        word = threading.Timer(_SILENCE, self.say, [f"{what} ..."])
        word.start()
        try:
            yield
        finally:
            word.cancel()


def duration(seconds: float) -> str:
    """Returns a time as a person says it: 40 s, 5 min, 2 h 10 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
