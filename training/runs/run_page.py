"""The page of a finished run: how it went, what came of it, and what it looks like."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tfp_lcma.training.reports.document import Block, Code, Picture, Report, Section, Table
from tfp_lcma.training.reports.page import write_page
from tfp_lcma.training.reports.tables import NOTHING, error_text
from tfp_lcma.training.runs.progress import duration

PAGE = "report.html"

# What each picture shows, by section, as far as a run drew it; a * stands for a level.
_PICTURES = {
    "Curves": [
        Picture(
            "training_curves.png",
            "Bits per dimension at every look at the validation images; those of training are "
            "means over the steps before it.",
            "chart",
        ),
    ],
    "Samples": [
        Picture("samples.png", "Samples, not chosen; if conditional, a row a class.", "images"),
        Picture(
            "interpolations.png",
            "From one validation image to another in latent space, a row a pair.",
            "images",
        ),
    ],
    "What is factored out": [
        Picture(
            "exit_map.png",
            "At which level of the flow each pixel is factored out; the average training image.",
        ),
        Picture("online_choices_*.png", "Which pixels would have stayed, step by step.", "chart"),
        Picture("channels.png", "Which channels are factored out, in how many images.", "chart"),
        Picture("channels_*.png", "The channels of a split in the course of training."),
        Picture(
            "log_det_*.png",
            "Measured in the flow without a split, from which the split was chosen: the mean "
            "log-determinant of every pixel. Red where the flow spreads the data, blue where it "
            "compresses them.",
        ),
    ],
    "Likelihood maps": [
        Picture(
            "event_log_prob.png",
            "Validation images, and how likely the flow finds each of their pixels: they sum to "
            "the log-likelihood of the image.",
        ),
    ],
    "Inversion": [
        Picture(
            "reconstructions.png", "Validation images, encoded and decoded again, and the error."
        ),
    ],
}


def write_run_page(folder: Path, settings: dict[str, Any], metrics: dict[str, Any]) -> Path:
    """Writes `report.html`, from what the run's folder holds; returns its path.

    Args:
        folder: of a run, its pictures drawn.
        settings: as in its `config.json`.
        metrics: as in its `metrics.json`.

    Raises:
        OSError: the file cannot be written.
    """
    phases = {"pre-training": metrics["pretraining"], "training": metrics["training"]}
    phases = {name: phase for name, phase in phases.items() if phase}
    beside: dict[str, list[Block]] = {
        "Curves": [_looks(phases)],
        "Inversion": [_round_trips(metrics["round_trip"])],
    }
    sections = [
        Section(title, [*_drawn(folder, pictures), *beside.get(title, [])])
        for title, pictures in _PICTURES.items()
    ]
    sections += [
        Section("Results", [_results(metrics)]),
        Section("Timing", [_timing(phases)]),
        Section("Settings", [_settings(settings), *_recipe(folder)]),
    ]
    report = Report(
        f"{settings['name']}, {settings['factorization']}",
        [_about(settings)],
        [section for section in sections if section.blocks],
        _highlights(metrics, phases),
    )
    path = folder / PAGE
    write_page(path, report)
    return path


def _drawn(folder: Path, pictures: Iterable[Picture]) -> list[Block]:
    return [
        Picture(path.name, picture.caption, picture.kind)
        for picture in pictures
        for path in sorted(folder.glob(picture.file))
    ]


def _about(settings: dict[str, Any]) -> str:
    height, width, channels = settings["event_shape"]
    train, validation, test = settings["images"]
    conditional = ", conditioned on their classes" if settings["labels"] else ""
    return (
        f"`{settings['model']}` on images of {height}×{width}×{channels} with {settings['bins']} "
        f"intensities{conditional}: {train:,} to train on, {validation:,} to validate on, "
        f"{test:,} to test on. Data: `{settings['source']}`; factorization "
        f"`{settings['factorization']}`; seed {settings['seed']}."
    )


def _highlights(metrics: dict[str, Any], phases: dict[str, Any]) -> list[tuple[str, str]]:
    test = metrics["test"]
    bits = f"{test['bits_per_dimension']:.4f} ± {error_text(test['standard_error'], 4)}"
    found = [
        (bits, "bits per dimension of test images, an upper bound"),
        (f"{metrics['validation']:.4f}", "of validation images, at the best look"),
        (f"{metrics['parameters']:,}", "parameters"),
        (duration(sum(phase["seconds"] for phase in phases.values())), "of training, all phases"),
    ]
    if "classification" in metrics:
        accuracy = metrics["classification"]["accuracy"]
        found.append((f"{accuracy:.1%}", "of test images classified rightly"))
    return found


def _looks(phases: dict[str, Any]) -> Table:
    rows = [
        [
            name,
            f"{row['step']:,}",
            f"{row['bits_per_dimension']:.4f}",
            f"{row['val_bits_per_dimension']:.4f}",
        ]
        for name, phase in phases.items()
        for row in phase["history"]
    ]
    heads = ["phase", "step", "training, bits/dim", "validation, bits/dim"]
    return Table(heads, rows, folded="The numbers of the curves")


def _round_trips(errors: dict[str, Any]) -> Table:
    rows = [
        ["image, latents, image", f"{errors['x_to_z_to_x']:.1e}", "of the intensities' range"],
        ["latents, image, latents", f"{errors['z_to_x_to_z']:.1e}", "of the latents' range"],
    ]
    return Table(["round trip", "largest error", f"over {errors['images']:,} images"], rows)


def _results(metrics: dict[str, Any]) -> Table:
    test = metrics["test"]
    rows = [
        [
            "bits per dimension, test images",
            f"{test['bits_per_dimension']:.4f}",
            error_text(test["standard_error"], 4),
            f"{test['images']:,}",
            f"an upper bound; {test['dequantization']} dequantisation, {test['draws']} draws an "
            "image",
        ],
        ["bits per dimension, validation images", f"{metrics['validation']:.4f}", NOTHING, NOTHING,
         "at the best look, by which the weights were chosen"],
    ]  # fmt: skip
    if "classification" in metrics:
        right = metrics["classification"]
        rows.append(
            [
                "accuracy, test images",
                f"{right['accuracy']:.4f}",
                error_text(right["standard_error"], 4),
                f"{right['images']:,}",
                "the class of most probability, by Bayes' rule",
            ]
        )
    return Table(["result", "value", "standard error", "images", "how"], rows)


def _timing(phases: dict[str, Any]) -> Table:
    rows = [
        [
            name,
            f"{phase['steps']:,}",
            duration(phase["seconds"]),
            f"{1e3 * phase['seconds'] / phase['steps']:.0f}" if phase["steps"] else NOTHING,
        ]
        for name, phase in phases.items()
    ]
    heads = ["phase", "steps", "time", "ms a step, with building the graph and the looks"]
    return Table(heads, rows)


def _settings(settings: dict[str, Any]) -> Table:
    flow = {f"model.{name}": value for name, value in settings["flow"].items()}
    rows = [
        [name, NOTHING if value is None else str(value)]
        for name, value in (settings | flow).items()
        if name not in ("flow", "pixels")
    ]
    return Table(["setting", "value"], rows, folded="All settings of the run")


def _recipe(folder: Path) -> list[Block]:
    """Returns how to run it again."""
    recipe = folder / "recipe.toml"
    if not recipe.exists():
        return []
    again = "`tfp-lcma train --config recipe.toml` runs it again, with this as `recipe.toml`:"
    return [again, Code(recipe.read_text(encoding="utf-8").splitlines())]
