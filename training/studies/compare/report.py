"""The report: tables, sentences and pictures, remade at any time from a study's folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports.tables import NOTHING, markdown
from tfp_lcma.training.studies.compare import tables
from tfp_lcma.training.studies.compare.channels import ON_ENTROPIES, draw_channels, entropies_table
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.figures import draw_figures
from tfp_lcma.training.studies.compare.questions import answers, best_sentences, subject_sentences
from tfp_lcma.training.studies.compare.scores import ON_SCORES, scores_table
from tfp_lcma.training.studies.compare.summary import Summary, summarize
from tfp_lcma.training.studies.results import ResultsFile


def write_report(study: Path, report: Path) -> Path:
    """Writes `report.md` and its pictures; returns the former's path.

    Args:
        study: folder of a study, possibly unfinished.
        report: folder to write into.

    Raises:
        ValueError: a file of the study is damaged.
        OSError: the study has no configuration, or the folder cannot be written.
    """
    settings = json.loads((study / "config.json").read_text(encoding="utf-8"))
    comparison = COMPARISONS[settings["comparison"]]
    summaries = summarize(study, comparison.baseline)
    exchange = _exchange(study)
    captions = draw_figures(study, report, summaries, comparison)
    captions |= draw_channels(report, summaries)
    questions = answers(summaries, comparison)
    table = tables.results_table(summaries, comparison.baseline, exchange.get("steps"))
    failures = tables.failures_table(summaries)
    pairs = tables.pairs_table(summaries)
    entropies = entropies_table(summaries)
    # Where masked couplings have to do with the pixel grid.
    scores = settings["model"] == "real_nvp" and scores_table(study / "statistics")
    parts = [
        f"# {comparison.title} on {settings['name']}",
        _commands(study),
        _facts(settings, summaries, exchange),
        *subject_sentences(summaries, comparison),
        *best_sentences(summaries, comparison),
        f"## All arms\n\n{table}",
        _how_to_read(settings, summaries, comparison.baseline),
        questions and f"## Named questions\n\n{tables.answers_table(questions)}\n\n{_ON_QUESTIONS}",
        entropies and f"## How Gaussian what is factored out is\n\n{entropies}\n\n{ON_ENTROPIES}",
        failures and f"## Runs that failed\n\n{failures}",
        "## Pictures",
        *(f"![{caption}]({name})\n*{caption}*" for name, caption in captions.items()),
        pairs and f"## Which pixels stay\n\n{pairs}\n\n{_ON_PAIRS}",
        scores and f"## What the scores follow\n\n{scores}\n\n{ON_SCORES}",
    ]
    path = report / "report.md"
    with written_whole(path) as temporary:
        temporary.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return path


_ON_QUESTIONS = (
    "Paired over seeds, bits/dim; negative: the arm is better than what it is compared with. p is "
    "of a paired t-test, corrected by Holm over these questions."
)
_ON_PAIRS = (
    "Share of 2×2 blocks, over channels and seeds, that keep each pair of pixels (0 1 over 2 3). "
    "Arms that rotate blocks, or split without regard to them, are not listed."
)


def _commands(study: Path) -> str:
    """Lists the commands that made the numbers, in order."""
    files = (ResultsFile(study / name) for name in ("results.jsonl", "test.jsonl"))
    commands = dict.fromkeys(row["command"] for file in files for row in file.rows())
    return "\n".join(["```", *commands, "```"])


def _exchange(study: Path) -> dict[str, float]:
    """Returns what a pre-training is worth in steps of the baseline; nothing if not measured."""
    file = study / "exchange.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _facts(settings: dict, summaries: Sequence[Summary], exchange: dict[str, float]) -> str:
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
    return markdown(["", ""], [[name, fact] for name, fact in facts.items()])


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
