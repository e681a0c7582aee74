"""`tfp-lcma` and `python -m tfp_lcma`: the command line, or which extra it needs."""

import contextlib
import importlib.abc
import importlib.util
import os
import sys
import tempfile
import warnings
from typing import Any


def main() -> None:
    """Runs the command line."""
    # Which processor TensorFlow's library found, and which it missed, is nobody's question here;
    # what goes wrong in Python is an exception.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A sentence, without the line of code that it comes from.
    warnings.formatwarning = lambda message, *_: f"Warning: {message}\n"
    if "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _Announcer())
    try:
        from tfp_lcma.training.cli.group import group

        group(prog_name="tfp-lcma")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "tfp_lcma":
            raise
        sys.exit(
            f"tfp-lcma needs the package {error.name}, which comes with the extra 'training': "
            'pip install "tfp_lcma[training]"'
        )


class _Announcer(importlib.abc.MetaPathFinder):
    """Finds TensorFlow, says that it is being imported, which takes seconds, and keeps it quiet."""

    def find_spec(self, name, path, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        print("importing TensorFlow ...", file=sys.stderr, flush=True)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            loader: Any = spec.loader
            run = loader.exec_module

            def run_quietly(module):
                with _quiet():
                    run(module)

            loader.exec_module = run_quietly
        return spec


@contextlib.contextmanager
def _quiet():
    """Shows what is written to the standard error, by libraries too, only if the block fails.

    Libraries write of the processor before they have read which messages are wanted.
    """
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        said = b""
        try:
            yield
        except Exception:
            sys.stderr.flush()
            kept.seek(0)
            said = kept.read()
            raise
        finally:
            os.dup2(shown, 2)
            os.close(shown)
            os.write(2, said)


if __name__ == "__main__":
    main()
