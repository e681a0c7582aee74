"""`tfp-lcma` and `python -m tfp_lcma`: the command line, or which extra it needs."""

import importlib.abc
import os
import sys
import warnings


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
    """Finds nothing, but says that TensorFlow is being imported: that takes seconds."""

    def find_spec(self, name, path, target=None):
        if name == "tensorflow":
            sys.meta_path.remove(self)
            print("importing TensorFlow ...", file=sys.stderr, flush=True)
        return None


if __name__ == "__main__":
    main()
