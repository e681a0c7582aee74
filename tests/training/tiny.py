"""The commands on flows that train in a second and without pictures, for tests that kill them.

python -m tests.training.tiny ablation --recipe digits ...
python -m tests.training.tiny train --recipe digits ...
"""

import importlib
import sys

from tfp_lcma.training.recipes.recipe import Recipe

from tests.toys import tiny_flow


def build_tiny_flow(self, event_shape, factorization, **options):
    """Stands for `Recipe.build_flow`; the options of RealNVP mean nothing here."""
    return tiny_flow(tuple(event_shape), self.levels, factorization)


def draw_nothing(patch):
    """Pictures have tests of their own."""
    from tfp_lcma.training.reports import run_pictures as report
    from tfp_lcma.training.runs.run import Run
    from tfp_lcma.training.studies.compare import report as ablation_report

    patch(Run, "_summaries", lambda *_: [])
    patch(report, "draw_pictures", lambda *_: None)
    patch(report, "draw_curves", lambda *_: None)
    patch(ablation_report, "draw_figures", lambda *_: {})


if __name__ == "__main__":
    draw_nothing(setattr)
    Recipe.build_flow = build_tiny_flow
    modules = {
        "train": "tfp_lcma.training.cli.train",
        "ablation": "tfp_lcma.training.studies.compare.__main__",
    }
    importlib.import_module(modules[sys.argv[1]]).main(sys.argv[2:])
