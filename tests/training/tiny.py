"""A run and a study of flows that train in a second, without pictures, on toy images.

`python -m tests.training.tiny FOLDER` does both, or carries on with them, for a test that kills it.
"""

import sys
from pathlib import Path

from tests.toys import pictures, tiny_flow
from tfp_lcma import FlowModel
from tfp_lcma.training.data import Dataset, Split
from tfp_lcma.training.recipes import Recipe, load_recipe
from tfp_lcma.training.runs.progress import Progress
from tfp_lcma.training.runs.run import Run

SETTINGS = {
    "steps": 10, "pretrain_steps": 10, "batch_size": 8, "validate_every": 4, "patience": 100,
    "draws": 1, "learning_rate": 2e-3,
}  # fmt: skip


def tiny_recipe(**changes) -> Recipe:
    """Returns a recipe of few steps; of its flow only the number of levels counts."""
    return load_recipe("digits", **(SETTINGS | changes))


def tiny_dataset(count=40) -> Dataset:
    """Returns images that are easy to learn, without classes."""
    return Dataset("toy", *(Split(pictures(count, seed=seed)) for seed in range(3)))


def tiny_run(folder, factorization="lcma", changes=None, **arguments) -> Run:
    """Returns a run that shows nothing."""
    options = {"checkpoint_every": 3, "progress": Progress(quiet=True)} | arguments
    return Run(tiny_recipe(**(changes or {})), factorization, 0, Path(folder), **options)


def tiny_study(folder, dataset, comparison="splits", **changes):
    """Returns a study that shows nothing."""
    from tfp_lcma.training.studies.compare.study import Study

    recipe = tiny_recipe(**({"steps": 6, "pretrain_steps": 4} | changes))
    return Study(comparison, recipe, dataset, Path(folder), "try", progress=Progress(quiet=True))


def build_tiny_flow(self, event_shape, factorization, **options):
    """Stands for `Recipe.build_flow`; the options of RealNVP mean nothing here."""
    return tiny_flow(tuple(event_shape), self.levels, factorization)


def make_small(patch) -> None:
    """Makes runs and studies do with small flows and without pictures, which have tests."""
    from tfp_lcma.training.runs import callbacks, run_pictures
    from tfp_lcma.training.studies.compare import report

    patch(Recipe, "build_flow", build_tiny_flow)
    patch(callbacks, "summaries", lambda *_: [])
    patch(run_pictures, "draw_pictures", lambda *_: None)
    patch(run_pictures, "draw_curves", lambda *_: None)
    patch(report, "draw_figures", lambda *_: [])


def make_eager(patch) -> None:
    """Makes models train without graphs: ten steps of a small flow cost less than a trace."""
    patch(FlowModel, "run_eagerly", property(lambda _: True, lambda *_: None))


def do_both(folder: Path) -> None:
    """Runs a run, and a study of an arm with a pre-training."""
    dataset = tiny_dataset()
    tiny_run(folder / "run", "checkerboard", checkpoint_every=2).execute(dataset)
    tiny_study(folder / "study", dataset, steps=40, pretrain_steps=20).run(["lcma"], [0])


if __name__ == "__main__":
    make_small(setattr)
    do_both(Path(sys.argv[1]))
