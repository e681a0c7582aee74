"""The ablation's command on flows that train in a second, for tests that kill it."""

import sys

from tests.toys import tiny_flow
from training.recipe import Recipe


def build_tiny_flow(self, event_shape, factorization, **options):
    """Stands for `Recipe.build_flow`; the options of RealNVP mean nothing here."""
    return tiny_flow(tuple(event_shape), self.levels, factorization)


if __name__ == "__main__":
    from training.ablation import report
    from training.ablation.__main__ import main

    # Pictures have tests of their own.
    report.draw_figures = lambda *_: {}
    Recipe.build_flow = build_tiny_flow
    main(sys.argv[1:])
