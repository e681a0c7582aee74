"""The report: tables, sentences and pictures, remade at any time from a study's folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from tfp_lcma.training.reports.document import (
    Code,
    Picture,
    Report,
    Section,
    Table,
)
from tfp_lcma.training.reports.page import write_report_files
from tfp_lcma.training.reports.tables import NOTHING
from tfp_lcma.training.studies.compare import tables
from tfp_lcma.training.studies.compare.channels import ON_ENTROPIES, draw_channels, entropies_table
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS, Comparison
from tfp_lcma.training.studies.compare.figures import draw_figures
from tfp_lcma.training.studies.compare.questions import answers, best_sentences, subject_sentences
from tfp_lcma.training.studies.compare.scores import ON_SCORES, scores_table
from tfp_lcma.training.studies.compare.summary import Summary, summarize
from tfp_lcma.training.studies.results import ResultsFile


def write_report(study: Path, report: Path) -> Path:
    """Writes `report.md`, its pictures, and `report.html`, which holds all in one file.

    Args:
        study: folder of a study, possibly unfinished.
        report: folder to write into.

    Returns:
        The path of `report.md`.

    Raises:
        ValueError: a file of the study is damaged.
        OSError: the study has no configuration, or the folder cannot be written.
    """
    settings = json.loads((study / "config.json").read_text(encoding="utf-8"))
    comparison = COMPARISONS[settings["comparison"]]
    summaries = summarize(study, comparison.baseline)
    drawn = [*draw_figures(study, report, summaries, comparison), *draw_channels(report, summaries)]
    document = _document(study, settings, summaries, comparison, drawn)
    return write_report_files(report, document)


def _document(
    study: Path,
    settings: dict,
    summaries: Sequence[Summary],
    comparison: Comparison,
    drawn: Sequence[Picture],
) -> Report:
    exchange = _exchange(study)
    results = tables.results_table(summaries, comparison.baseline, exchange.get("steps"))
    questions = tables.answers_table(answers(summaries, comparison))
    of_tables = [
        ("All arms", results, _how_to_read(settings, summaries, comparison.baseline)),
        ("Named questions", questions, _ON_QUESTIONS),
        ("How Gaussian what is factored out is", entropies_table(summaries), ON_ENTROPIES),
        ("Runs that failed", tables.failures_table(summaries), ""),
    ]
    after = [("Which pixels stay", tables.pairs_table(summaries), _ON_PAIRS)]
    # Where masked couplings have to do with the pixel grid.
    if settings["model"] == "real_nvp":
        after.append(("What the scores follow", scores_table(study / "statistics"), ON_SCORES))
    return Report(
        f"{comparison.title} on {settings['name']}",
        [
            _commands(study),
            _facts(settings, summaries, exchange),
            *subject_sentences(summaries, comparison),
            *best_sentences(summaries, comparison),
        ],
        [*_sections(of_tables), Section("Pictures", drawn), *_sections(after)],
    )


def _sections(of_tables: Sequence[tuple[str, Table, str]]) -> list[Section]:
    """Returns a section a table, and what is said about it; none of a table without rows."""
    return [
        Section(title, [table, text] if text else [table])
        for title, table, text in of_tables
        if table.rows
    ]


_ON_QUESTIONS = (
    "Paired over seeds, bits/dim; negative: the arm is better than what it is compared with. p is "
    "of a paired t-test, corrected by Holm over these questions."
)
_ON_PAIRS = (
    "Share of 2×2 blocks, over channels and seeds, that keep each pair of pixels (0 1 over 2 3). "
    "Arms that rotate blocks, or split without regard to them, are not listed."
)


def _commands(study: Path) -> Code:
    """Lists the commands that made the numbers, in order."""
    files = (ResultsFile(study / name) for name in ("results.jsonl", "test.jsonl"))
    commands = dict.fromkeys(row["command"] for file in files for row in file.rows())
    return Code(list(commands))


def _exchange(study: Path) -> dict[str, float]:
    """Returns what a pre-training is worth in steps of the baseline; nothing if not measured."""
    file = study / "exchange.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _facts(settings: dict, summaries: Sequence[Summary], exchange: dict[str, float]) -> Table:
    height, width, channels = settings["event_shape"]
    train, validation, test = settings["images"]
    parameters = {row["parameters"] for summary in summaries for row in summary.runs.values()}
    seeds = {seed for summary in summaries for seed in summary.runs}
    facts = {
        "data": f"{settings['source']}, {height}×{width}×{channels}, {settings['bins']} "
        f"intensities; {train:,} training, {validation:,} validation, {test:,} test images",
        "flow": f"`{settings['model']}`, "
        + ", ".join(f"{name} {value}" for name, value in settings["flow"].items())
        + f"; {_range(parameters)} parameters",
        "budget": f"{settings['steps']:,} steps of {settings['batch_size']} images a run, last "
        f"weights, no early stopping; pre-training {settings['pretrain_steps']:,} steps",
        "runs": f"{sum(len(s.runs) for s in summaries)} runs of {len(summaries)} arms, seeds "
        f"{', '.join(map(str, sorted(seeds)))}; within a seed all arms share initial weights, "
        "batches and noise",
        "evaluation": f"{settings['draws']} dequantisation draws an image",
    }
    if exchange:
        facts["cost"] = (
            "a step of the flow without a split takes {step_ratio:.2f} times as long as one of the "
            "baseline (95% interval {low:.2f} to {high:.2f}), collecting statistics as long as "
            "{collecting:.0f} steps, a pre-training with it as long as {steps:.0f}; timed in turn"
        ).format(**exchange)
    return Table(["", ""], [[name, fact] for name, fact in facts.items()])


def _range(numbers) -> str:
    if not numbers:
        return NOTHING
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _how_to_read(settings: dict, summaries: Sequence[Summary], baseline: str) -> str:
    qualities = [row["quality"] for s in summaries for row in s.runs.values() if row["quality"]]
    if qualities:
        quality = (
            f"FID and KID compare {qualities[0]['samples']:,} samples with "
            f"{qualities[0]['reference']:,} training images by the features of a small network; "
            "they can be compared within this table only."
        )
    else:
        quality = "FID and KID are left out: the data set has no classes to learn features from."
    validation_clusters = settings["clusters"][1]
    clusters = (
        f" The validation images come from {validation_clusters} cluster"
        f"{'s' if validation_clusters > 1 else ''} (photographs): errors over seeds say nothing "
        "about other ones."
        if validation_clusters
        else ""
    )
    return (
        f"Sorted by the paired difference from {baseline}; negative: better. ± is the standard "
        "error over seeds, of differences over paired seeds: the noise of training, not that of "
        f"choosing images.{clusters} p is of a paired t-test, Holm p is corrected over all arms "
        "of the table. Kinds: static looks at no data, data is chosen from statistics of a "
        "pre-trained flow, control is there for comparison. Test images were read for the "
        f"finalists only, once. {quality} Seconds and milliseconds are those of the machine at "
        "hand, busy or not; pre-training with collecting is also given in steps of the baseline, "
        "timed in turn."
    )
