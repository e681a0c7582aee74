"""Two exporters of one model at the same moment, and a third that is killed halfway.

python -m tests.serving.racing FOLDER
"""

import multiprocessing
import os
import signal
import sys
import time

from tests.toys import pictures, tiny_model
from tfp_lcma import export_saved_model, serving


def export(folder, barrier, halfway=None):
    """Exports a model made in a moment, untraced; given an event, stops halfway and sets it."""

    def write(path, model, signatures):
        path.mkdir()
        (path / "saved_model.pb").write_text("half" if halfway else "whole")
        if halfway is not None:
            halfway.set()
            time.sleep(600)

    serving.export._write_signatures = write
    model = tiny_model(levels=1)
    model.initialize(pictures(8))
    barrier.wait(timeout=120)
    export_saved_model(model, folder)


def main(folder):
    # Nothing of TensorFlow has run yet: its threads would not survive a fork.
    context = multiprocessing.get_context("fork")
    barrier, halfway = context.Barrier(3), context.Event()
    exporting = [context.Process(target=export, args=(folder, barrier)) for _ in range(2)]
    killed = context.Process(target=export, args=(folder, barrier, halfway))
    for process in (*exporting, killed):
        process.start()
    if not halfway.wait(timeout=300):
        raise TimeoutError("the third exporter never came halfway")
    os.kill(killed.pid, signal.SIGKILL)
    for process in (*exporting, killed):
        process.join()
    print([process.exitcode for process in (*exporting, killed)])


if __name__ == "__main__":
    main(sys.argv[1])
