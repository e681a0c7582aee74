"""The report: tables, sentences and pictures, remade at any time from a study's folder."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfp_lcma.training.reports import pictures
from tfp_lcma.training.reports.document import Code, Items, Picture, Report, Section, Table
from tfp_lcma.training.reports.page import write_report_files
from tfp_lcma.training.reports.tables import error_text
from tfp_lcma.training.studies.anomaly.patches import patch_side
from tfp_lcma.training.studies.anomaly.roc import roc_auc
from tfp_lcma.training.studies.anomaly.scoring import SCORES, map_name
from tfp_lcma.training.studies.anomaly.summary import mean_of, outlier_areas, patch_areas
from tfp_lcma.training.studies.results import ResultsFile

# What the histograms show, as far as it is there: other data, and one of each sort of the rest.
_DRAWN = (
    "digits", "photos16", "photos32", "photos64", "mnist", "fashion_mnist", "noise, 10%",
    "blur, 1 pixel", "contrast × 0.5", "turned by 90°", "constant, every intensity once",
)  # fmt: skip
_DRAWN_MAPS = (
    "flow",
    "flow, less the usual",
    map_name("flow, less the usual", 3),
    map_name("pixel Gaussian", 3),
)


def write_report(study: Path, report: Path) -> Path:
    """Writes `report.md`, its pictures, and `report.html`, which holds all in one file.

    Args:
        study: folder of a study with at least one finished seed.
        report: folder to write into.

    Returns:
        The path of `report.md`.

    Raises:
        ValueError: nothing is finished, or a file of the study is damaged.
        OSError: the study has no configuration, or the folder cannot be written.
    """
    settings = json.loads((study / "config.json").read_text(encoding="utf-8"))
    rows = ResultsFile(study / "results.jsonl").rows()
    if not rows:
        raise ValueError(f"{study} must hold a finished seed to report; it holds none.")
    on_patches = _ON_PATCHES.format(side=patch_side(settings["event_shape"]))
    document = Report(
        f"Anomaly scores on {settings['name']}",
        [Code(list(dict.fromkeys(row["command"] for row in rows))), _facts(settings, rows)],
        [
            Section("Images", [_areas_table(rows), _HOW_TO_READ, _ON_REVERSED, _reversed(rows)]),
            Section("What is simple is likely", [_means_table(rows), _ON_MEANS]),
            Section("Where in an image", [_patches_table(rows), on_patches]),
            Section("Pictures", _draw(study, report, rows[0]["seed"], settings["bins"])),
        ],
    )
    return write_report_files(report, document)


_HOW_TO_READ = (
    "ROC-AUC of test images against each set: the chance that an outlier has the higher score; "
    "0.5 says nothing, below it the score is the wrong way round. ± is DeLong's standard error "
    "over images, in the form for clusters (an image and its corrupted version are one, crops of "
    "a photograph are one); in parentheses the range over seeds. Typicality is measured from the "
    "mean of up to 2,048 training images. The pixel Gaussian is a baseline without a flow: mean "
    "and variance of every pixel over the same images, pixels independent."
)
_ON_REVERSED = (
    "Sets that are surely scored as less anomalous than the test images (two standard errors "
    "below 0.5):"
)
_ON_MEANS = (
    "Mean bits per dimension, of the flow and of the PNG file without its header (the length of a "
    "black image's file is taken off). The complexity-corrected score is their difference."
)
_ON_PATCHES = (
    "ROC-AUC of a map's pixels inside the patch against those outside, mean over images with one "
    "{side}×{side} patch each ± its standard error over images; in parentheses the range over "
    "seeds. A constant map has 0.5. The control asks maps of images without any patch for the "
    "places of the first column's patches: what is above 0.5 there is knowledge of places, not of "
    "patches. The flow's map is the negative log-likelihood per pixel; the usual is its mean over "
    "training images. Maps are averaged over a square of so many pixels where a window is named."
)


def _facts(settings: dict, rows: Sequence[dict]) -> Table:
    height, width, channels = settings["event_shape"]
    bits = ", ".join(
        f"{row['test']['bits_per_dimension']:.3f} ± {error_text(row['test']['standard_error'], 3)}"
        for row in rows
    )
    facts = {
        "data": f"{settings['source']}, {height}×{width}×{channels}, {settings['bins']} "
        f"intensities; {rows[0]['inliers']['images']:,} test images are the inliers",
        "flow": f"`{settings['model']}`, "
        + ", ".join(f"{name} {value}" for name, value in settings["flow"].items())
        + f"; factorization {settings['factorization']}; {rows[0]['parameters']:,} parameters",
        "training": f"at most {settings['steps']:,} steps of {settings['batch_size']} images, "
        "stopped early on validation images; "
        + ", ".join(f"{row['steps']:,} steps in {row['seconds']:.0f} s" for row in rows),
        "seeds": ", ".join(str(row["seed"]) for row in rows),
        "test bits/dim": bits,
        "typical bits/dim": ", ".join(f"{row['typical']:.3f}" for row in rows)
        + " (mean over up to 2,048 training images)",
        "draws": f"{settings['draws']} dequantisation draws an image for scores, one for maps",
    }
    return Table(["", ""], [[name, fact] for name, fact in facts.items()])


def _areas_table(rows: Sequence[dict]) -> Table:
    areas = {score: outlier_areas(rows, score) for score in SCORES}
    lines = [
        [name, f"{values['images']:,}", *(str(areas[score][name]) for score in SCORES)]
        for name, values in rows[0]["outliers"].items()
    ]
    return Table(["outliers", "images", *SCORES.values()], lines)


def _reversed(rows: Sequence[dict]) -> Items:
    """Says of every score which outliers it surely takes for more ordinary than test images."""
    items = []
    for score, label in SCORES.items():
        names = [name for name, area in outlier_areas(rows, score).items() if area.reversed]
        found = "; ".join(names) if names else "none"
        items.append(f"{label}: {found}.")
    return Items(items)


def _means_table(rows: Sequence[dict]) -> Table:
    scores = ("bits_per_dimension", "compressed", "complexity_corrected")
    lines = [
        [name or "test images", *(f"{mean_of(rows, name, score):.2f}" for score in scores)]
        for name in (None, *rows[0]["outliers"])
    ]
    return Table(["images", "flow", "PNG", "difference"], lines)


def _patches_table(rows: Sequence[dict]) -> Table:
    kinds = list(rows[0]["patches"])
    lines = [
        [name, *(str(areas[kind]) for kind in kinds)] for name, areas in patch_areas(rows).items()
    ]
    return Table(["map; patch of", *kinds], lines)


def _draw(study: Path, report: Path, seed: int, bins: int) -> list[Picture]:
    """Writes the pictures of one seed."""
    report.mkdir(parents=True, exist_ok=True)
    with np.load(study / f"kept-{seed}.npz") as file:
        kept = {name: file[name] for name in file.files}
    shown = _below(kept, "image")
    pictures.save_labelled_rows(report / "sets.png", shown, bins=bins)
    _draw_histograms(report / "histograms.png", kept)
    _draw_maps(report / "maps.png", kept, bins)
    return [
        Picture("sets.png", "A few images of every set that is scored."),
        Picture(
            "histograms.png",
            f"Scores of test images and of some of the outliers, seed {seed}.",
            "chart",
        ),
        Picture(
            "maps.png",
            "Images with a pasted patch, framed, and maps; below each its ROC-AUC, "
            f"seed {seed}. Every map has a scale of its own.",
        ),
    ]


def _draw_histograms(path: Path, kept: dict[str, np.ndarray]) -> None:
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name, values in _below(kept, "score").items():
        images, score = name.rsplit("/", 1)
        scores.setdefault(images, {})[SCORES[score]] = values
    own = scores.pop("test images")
    drawn = {name: scores[name] for name in _DRAWN if name in scores}
    titles = {
        (name, score): f"AUC {roc_auc(own[score], values[score]).value:.3f}"
        for name, values in drawn.items()
        for score in own
    }
    pictures.save_score_histograms(path, own, drawn, titles)


def _draw_maps(path: Path, kept: dict[str, np.ndarray], bins: int) -> None:
    patched, masks, maps = (_below(kept, kind) for kind in ("patched", "mask", "map"))
    together = np.concatenate(list(masks.values()))
    drawn = {
        name: np.concatenate([maps[f"{kind}/{name}"] for kind in patched]) for name in _DRAWN_MAPS
    }
    titles = {
        name: [
            f"ROC-AUC {roc_auc(pixels[~mask], pixels[mask]).value:.2f}"
            for pixels, mask in zip(values, together, strict=True)
        ]
        for name, values in drawn.items()
    }
    labels = [kind for kind, images in patched.items() for _ in images]
    images = np.concatenate(list(patched.values()))
    pictures.save_patch_maps(path, images, together, drawn, labels, titles, bins=bins)


def _below(kept: dict[str, np.ndarray], folder: str) -> dict[str, np.ndarray]:
    """Returns the arrays whose names begin with `folder/`, by the rest of their names."""
    start = f"{folder}/"
    return {name.removeprefix(start): x for name, x in kept.items() if name.startswith(start)}
