"""The report: tables, sentences and pictures, remade at any time from a study's folder."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tfp_lcma.files import written_whole
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
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.figures import draw_figures
from tfp_lcma.training.studies.compare.images import IMAGES
from tfp_lcma.training.studies.compare.questions import (
    Answers,
    best_sentences,
    subject_sentences,
)
from tfp_lcma.training.studies.compare.scores import ON_SCORES, scores_table
from tfp_lcma.training.studies.compare.summary import Summary, summarize
from tfp_lcma.training.studies.machine import machines
from tfp_lcma.training.studies.results import ResultsFile

# What a study can be carried on from, and every number of its report is made of.
KEPT = ("config.json", "results.jsonl", "test.jsonl", IMAGES, "exchange*.json")


def write_report(study: Path, report: Path) -> Path:
    """Writes `report.md`, its pictures, and `report.html`, which holds all in one file.

    A report outside the study's folder gets copies of the rows and of the bits of every image.

    Args:
        study: folder of a study, possibly unfinished.
        report: folder to write into.

    Returns:
        The path of `report.md`.

    Raises:
        ValueError: a file of the study is damaged.
        OSError: the study has no configuration, or the folder cannot be written.
    """
    settings, answers = _read(study)
    summaries, comparison = answers.summaries, answers.comparison
    drawn = [*draw_figures(study, report, summaries, comparison), *draw_channels(report, summaries)]
    if not report.resolve().is_relative_to(study.resolve()):
        for path in (path for pattern in KEPT for path in study.glob(pattern)):
            with written_whole(report / path.name) as temporary:
                shutil.copyfile(path, temporary)
    return write_report_files(report, _document(study, settings, answers, drawn))


def document(study: Path) -> Report:
    """Returns a study's report without pictures.

    Raises:
        ValueError: a file of the study is damaged.
        OSError: the study has no configuration.
    """
    return _document(study, *_read(study), [])


def _read(study: Path) -> tuple[dict, Answers]:
    settings = json.loads((study / "config.json").read_text(encoding="utf-8"))
    comparison = COMPARISONS[settings["comparison"]]
    return settings, Answers(summarize(study, comparison.baseline), comparison)


def _document(study: Path, settings: dict, answers: Answers, drawn: Sequence[Picture]) -> Report:
    exchange, summaries = _exchange(study), answers.summaries
    results = tables.results_table(answers, exchange.get("steps"))
    of_tables = [
        ("All arms", results, _how_to_read(settings, answers)),
        ("Test images", tables.test_table(answers), _ON_TEST),
        ("Named questions", tables.answers_table(answers), _ON_QUESTIONS),
        ("How Gaussian what is factored out is", entropies_table(summaries), ON_ENTROPIES),
        ("Runs that failed", tables.failures_table(summaries), ""),
    ]
    after = [("Which pixels stay", tables.pairs_table(summaries), _ON_PAIRS)]
    # Where masked couplings have to do with the pixel grid.
    if settings["model"] == "real_nvp":
        after.append(("What the scores follow", scores_table(study / "statistics"), ON_SCORES))
    pictures = [Section("Pictures", drawn)] if drawn else []
    return Report(
        f"{answers.comparison.title} on {settings['name']}",
        [
            _commands(study),
            _facts(settings, summaries, exchange),
            *subject_sentences(answers),
            *best_sentences(answers),
        ],
        [*_sections(of_tables), *pictures, *_sections(after)],
    )


def _sections(of_tables: Sequence[tuple[str, Table, str]]) -> list[Section]:
    """Returns a section a table, and what is said about it; none of a table without rows."""
    return [
        Section(title, [table, text] if text else [table])
        for title, table, text in of_tables
        if table.rows
    ]


_ON_TEST = (
    "Bits/dim of images that took part in no choice, read once; differences as in the table above."
)
_ON_QUESTIONS = (
    "Paired over seeds, bits/dim; negative: the arm is better than what it is compared with."
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
    rows = [row for s in summaries for row in (s.runs | s.reported).values()]
    facts = {
        "data": f"{settings['source']}, {height}×{width}×{channels}, {settings['bins']} "
        f"intensities; {train:,} training, {validation:,} validation, {test:,} test images",
        "flow": f"`{settings['model']}`, "
        + ", ".join(f"{name} {value}" for name, value in settings["flow"].items())
        + f"; {_range({row['parameters'] for row in rows})} parameters",
        "budget": f"{settings['steps']:,} steps of {settings['batch_size']} images a run, "
        f"{_read_at(rows)}, no early stopping; pre-training {settings['pretrain_steps']:,} steps",
        "runs": f"{len(rows)} runs of {len(summaries)} arms; within a seed all arms share initial "
        "weights, batches and noise",
        "seeds": _seeds(summaries),
        "evaluation": f"{settings['draws']} dequantisation draws an image",
    }
    if found := machines(rows):
        facts["trained on"] = found
    if exchange:
        facts["cost"] = (
            "a step of the flow without a split takes {step_ratio:.2f} times as long as one of the "
            "baseline (95% interval {low:.2f} to {high:.2f}), collecting statistics as long as "
            "{collecting:.0f} steps, a pre-training with it as long as {steps:.0f}; timed in turn"
        ).format(**exchange)
    return Table(["", ""], [[name, fact] for name, fact in facts.items()])


def _read_at(rows: Sequence[dict]) -> str:
    best = sum(row.get("best_step") is not None for row in rows)
    if not best:
        return "last weights"
    read = "read at the best look at validation images on the way"
    return read if best == len(rows) else f"{read} ({len(rows) - best} runs: last weights)"


def _seeds(summaries: Sequence[Summary]) -> str:
    chosen = ", ".join(map(str, sorted({seed for s in summaries for seed in s.runs})))
    reported = ", ".join(map(str, sorted({seed for s in summaries for seed in s.reported})))
    if not reported:
        return f"{chosen}: winners were selected on the same seeds that are reported"
    if reported == chosen:
        return f"{reported}: no arm was selected on them"
    return f"{chosen} select, on validation images; {reported} are reported, on test images"


def _range(numbers) -> str:
    if not numbers:
        return NOTHING
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _how_to_read(settings: dict, answers: Answers) -> str:
    summaries, baseline = answers.summaries, answers.comparison.baseline
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
        f"{'s' if validation_clusters > 1 else ''} (photographs or groups of like pictures): "
        "intervals over seeds say nothing about other ones."
        if validation_clusters
        else ""
    )
    over_images = (
        " The error over images is the standard error of the same difference over the images that "
        "were looked at, means over seeds first."
        if any(s.images["validation"].bits for s in summaries)
        else ""
    )
    foreground = (
        " Bits/dim that is not background: all bits of the images, their background counted as "
        "what it costs, over the number of the other dimensions; differences are larger by the "
        "same factor, and p is the same."
        if any(s.foreground["validation"] for s in summaries)
        else ""
    )
    return (
        f"Sorted by the paired difference from {baseline}; negative: better. ± is the standard "
        "error over seeds; after a difference stands its two-sided 95% t-interval over paired "
        "seeds: the noise of training, not that of choosing images."
        f"{over_images}{clusters}{foreground} Holm p is of a paired t-test, corrected over the "
        f"{answers.count} pairs of arms that this report compares, each once: on test images, in a "
        "table below, where these were read. Kinds: static looks "
        "at no data, data is chosen from statistics of a pre-trained flow, control is there for "
        f"comparison. {quality} Seconds and milliseconds are those of the machine at hand, busy "
        "or not; pre-training with collecting is also given in steps of the baseline, timed in "
        "turn."
    )
