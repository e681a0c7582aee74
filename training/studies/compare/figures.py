"""The pictures of the report, from what the runs left in the study's folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from tfp_lcma.factorizations import PAIRS, ExitPrice, LogDetStatistics
from tfp_lcma.files import written_whole
from tfp_lcma.training.reports import pictures
from tfp_lcma.training.reports.document import Picture
from tfp_lcma.training.runs.online_choices import ChoiceLog
from tfp_lcma.training.studies.compare.comparisons import Comparison
from tfp_lcma.training.studies.compare.questions import best
from tfp_lcma.training.studies.compare.summary import Summary
from tfp_lcma.training.studies.compare.tables import pair_name, pair_shares


def showcase(summaries: Sequence[Summary], comparison: Comparison) -> list[Summary]:
    """Returns the handful of arms that are drawn: baseline, subjects and the best of each kind."""
    chosen = [best(summaries, "static"), best(summaries, "data")]
    names = [
        comparison.baseline,
        *comparison.subjects,
        *(s.name for s in chosen if s),
        "no-split",
    ]
    by_name = {summary.name: summary for summary in summaries if summary.runs}
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name]


def draw_figures(
    study: Path, report: Path, summaries: Sequence[Summary], comparison: Comparison
) -> list[Picture]:
    """Writes every picture that the results allow into `report`, in the order of the report."""
    drawn = []
    shown = showcase(summaries, comparison)
    curves = {summary.name: mean_curve(summary) for summary in shown}
    curves = {name: curve for name, curve in curves.items() if curve}
    if curves:
        phases = {"validation images, mean over seeds": curves}
        pictures.save_training_curves(report / "curves.png", phases)
        caption = "Validation bits/dim in training, mean over seeds."
        drawn.append(Picture("curves.png", caption, "chart"))
    of_arms: list[tuple[str, str, Literal["images", "map"]]] = [
        ("samples", "Samples of {}, seed {}, not chosen.", "images"),
        ("exit-map", "At which level the pixels are factored out: {}, seed {}.", "map"),
    ]
    for ending, caption, kind in of_arms:
        for summary in shown:
            if ending == "exit-map" and pair_shares(summary) is None:
                continue  # Components of blocks and whole images have no pixels of their own.
            seed = min(summary.runs)
            source = study / "pictures" / f"{Path(summary.runs[seed]['model']).stem}-{ending}.png"
            if source.exists():
                name = f"{summary.name}-{ending}.png"
                with written_whole(report / name) as temporary:
                    shutil.copyfile(source, temporary)
                drawn.append(Picture(name, caption.format(summary.name, seed), kind))
    drawn += _draw_pairs(report, summaries)
    drawn += _draw_choices(study / "choices", report, summaries)
    return drawn + _draw_statistics(study / "statistics", report)


def mean_curve(summary: Summary) -> list[tuple[int, float]]:
    """Returns the mean over seeds of the validation bits at the steps that all seeds looked at."""
    seeds = [
        {row["step"]: row["val_bits_per_dimension"] for row in run["history"]}
        for run in summary.runs.values()
    ]
    steps = sorted(set.intersection(*(set(curve) for curve in seeds)))
    return [(step, float(np.mean([curve[step] for curve in seeds]))) for step in steps]


def _draw_pairs(report, summaries):
    shares = {s.name: pair_shares(s) for s in summaries}
    shares = {name: values for name, values in shares.items() if values is not None}
    drawn = []
    for level in range(max((len(values) for values in shares.values()), default=0)):
        name = f"pairs-level-{level + 1}.png"
        pictures.save_shares(
            report / name,
            {arm: values[level] for arm, values in shares.items()},
            [pair_name(pair) for pair in PAIRS],
            title=f"which two pixels of a 2x2 block stay at level {level + 1} (0 1 over 2 3)",
        )
        caption = f"Which two pixels of each block stay at level {level + 1}, all seeds."
        drawn.append(Picture(name, caption, "chart"))
    return drawn


def _draw_choices(folder, report, summaries):
    """Draws how the choices of splits made while training came to rest, first seeds only."""
    drawn = []
    for summary in (s for s in summaries if s.arm.online and s.runs):
        seed = min(summary.runs)
        curves = ChoiceLog(folder / f"{summary.name}-{seed}.json").curves()
        for level, (steps, shares) in curves.items():
            if len(steps) < 2:
                continue
            name = f"{summary.name}-choices-level-{level + 1}.png"
            caption = (
                f"Which two pixels of a block (0 1 over 2 3) {summary.name} would keep at level "
                f"{level + 1}, while it measures and, last, as it decides, seed {seed}."
            )
            names = [pair_name(pair) for pair in PAIRS]
            pictures.save_share_curves(report / name, steps, shares, names, title=summary.name)
            drawn.append(Picture(name, caption, "chart"))
    return drawn


def _draw_statistics(folder, report):
    """Draws what the first seed's pre-training says about every level."""
    found = sorted(folder.glob("seed-*-plain.npz"), key=lambda path: int(path.name.split("-")[1]))
    if not found:
        return []
    seed = found[0].name.split("-")[1]
    statistics = LogDetStatistics.load(found[0])
    drawn = []
    for level, log_det in enumerate(statistics.log_det):
        name = f"log-det-level-{level + 1}.png"
        title = f"mean log-det to the end of level {level + 1}"
        pictures.save_log_det_map(report / name, log_det, title=title)
        caption = f"{title.capitalize()} of the flow without a split, seed {seed}."
        drawn.append(Picture(name, caption))
    # On patches there are no pairs to have prices.
    blocks = statistics.patch is None
    for level, prices in enumerate(ExitPrice(statistics).prices if blocks else ()):
        name = f"exit-price-level-{level + 1}.png"
        # Several channels: their prices add up.
        maps = {
            f"{pair_name(pair)} removed": prices[..., i].sum(axis=-1)
            for i, pair in enumerate(PAIRS)
        }
        pictures.save_block_maps(report / name, maps, label="exit price, nats per block")
        caption = (
            f"What it costs to factor out each pair of pixels (0 1 over 2 3) at level {level + 1}, "
            f"Gaussian approximation, seed {seed}."
        )
        drawn.append(Picture(name, caption))
    return drawn
