"""Two exporters of one model at the same moment, and a third that is killed halfway.

python -m tests.serving.racing FOLDER
"""

import multiprocessing
import os
import signal
import sys
import time

import tensorflow as tf

from tests.toys import pictures, tiny_model
from tfp_lcma import export_saved_model


def export(folder, barrier, halfway=None):
    """Exports a model made in a moment; given an event, stops halfway and sets it."""
    if halfway is not None:

        def half(module, path, **options):
            os.makedirs(os.path.join(path, "variables"))
            with open(os.path.join(path, "saved_model.pb"), "w") as file:
                file.write("half")
            halfway.set()
            time.sleep(600)

        tf.saved_model.save = half
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
