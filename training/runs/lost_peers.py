"""What a process does that others wait for, when it fails or loses one of them: it ends."""

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Iterator

import click


@contextlib.contextmanager
def ends_at_once() -> Iterator[None]:
    """Ends the process, with a message, as soon as the block raises.

    Without the farewell of an orderly end, after which TensorFlow would let the others wait for
    ever: they take it as lost, and end too.
    """
    try:
        yield
    except BaseException as error:
        _show(error)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(getattr(error, "exit_code", 1))


def _show(error):
    import tensorflow as tf

    lost = (
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.UnavailableError,
    )
    if isinstance(error, click.ClickException):
        error.show()
    elif isinstance(error, lost):
        click.echo(
            "Error: Another worker was lost, and this one ends. Start all of them again, as "
            f"before: they carry on from the last checkpoint. ({_reason(error)})",
            err=True,
        )
    else:
        traceback.print_exception(error)


def _reason(error):
    """Returns what TensorFlow says of it, without where it noticed."""
    found = re.search(r"aborted by: (.+)", error.message)
    return found[1] if found else error.message
