"""The report of a ladder: verdicts, the curve of the differences, and every rung's tables."""

import dataclasses
import shutil
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports import pictures
from tfp_lcma.training.reports.document import Block, Code, Items, Picture, Report, Section, Table
from tfp_lcma.training.reports.page import write_report_files
from tfp_lcma.training.runs.progress import duration
from tfp_lcma.training.studies.compare import tables
from tfp_lcma.training.studies.compare.arms import ARMS
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS, Comparison
from tfp_lcma.training.studies.compare.questions import Answers, correct
from tfp_lcma.training.studies.compare.report import KEPT
from tfp_lcma.training.studies.compare.summary import summarize
from tfp_lcma.training.studies.ladder.choice import CHOSEN, chosen_arms
from tfp_lcma.training.studies.ladder.plan import DATA, Plan, read_plan, steps_of
from tfp_lcma.training.studies.ladder.verdicts import ALIKE, judged
from tfp_lcma.training.studies.machine import machines
from tfp_lcma.training.studies.results import ResultsFile

PLAN, FIGURE = "plan.toml", "differences.png"


def write_report(folder: Path, report: Path) -> Path:
    """Writes `report.md`, its picture, and `report.html`, which holds all in one file.

    A report outside the ladder's folder gets copies of the plan, the choice, the rows and the bits
    of every image.

    Args:
        folder: of a ladder, possibly unfinished, its plan in `plan.toml`.
        report: folder to write into.

    Returns:
        The path of `report.md`.

    Raises:
        ValueError: a file is damaged.
        OSError: there is no plan, or the folder cannot be written.
    """
    plan = read_plan(folder / PLAN)
    rungs = _rungs(plan, folder)
    points = _points(plan, rungs)
    drawn = []
    if points:
        label = f"difference from {plan.baseline}, bits/dim\n(negative: better)"
        pictures.save_differences(report / FIGURE, points, label=label)
        drawn.append(Picture(FIGURE, _CAPTION.format(plan.baseline), "chart"))
    if not report.resolve().is_relative_to(folder.resolve()):
        _copy(folder, report, [PLAN, CHOSEN, *(f"{s}/{name}" for s in rungs for name in KEPT)])
    return write_report_files(report, _document(plan, folder, rungs, drawn))


def document(folder: Path) -> Report:
    """Returns a ladder's report without its picture.

    Raises:
        ValueError: a file is damaged.
        OSError: there is no plan.
    """
    plan = read_plan(folder / PLAN)
    return _document(plan, folder, _rungs(plan, folder), [])


_CAPTION = (
    "Difference from {} in bits/dim against the steps of training, the learning rate decayed over "
    "each length: means over paired seeds with 95% intervals. Filled: test images of seeds that "
    "report; hollow: validation images of seeds that select."
)
_ON_LENGTHS = (
    "A rung counts as longer if the median of the baseline's best steps lies in the last half of "
    "its steps; where it lies before, the steps after it only over-fit."
)


def _rungs(plan: Plan, folder: Path) -> dict[int, Answers]:
    """Returns the answers of every rung that has rows, corrected together."""
    chosen = chosen_arms(plan, folder) or ()
    chosen_from_data = [name for name, arm in ARMS.items() if arm.kind == "data"]
    asked = [
        (arm, question.against)
        for question in plan.questions
        if question.against != plan.baseline
        for name in plan.arms(question.arms, chosen)
        for arm in (chosen_from_data if name == DATA else [name])
        if arm != question.against
    ]
    comparison = dataclasses.replace(
        COMPARISONS["splits"], baseline=plan.baseline, questions=tuple(dict.fromkeys(asked))
    )
    found = {
        steps: _answers(folder / str(steps), comparison)
        for steps in plan.rungs
        if ResultsFile(folder / str(steps) / "results.jsonl").rows()
    }
    correct(list(found.values()))
    return found


def _answers(folder: Path, comparison: Comparison) -> Answers:
    return Answers(summarize(folder, comparison.baseline), comparison)


def _points(plan: Plan, rungs: Mapping[int, Answers]) -> dict[str, list[pictures.Point]]:
    """Returns, by arm, its difference from the baseline at every rung that has one."""
    points: dict[str, list[pictures.Point]] = {}
    for steps, answers in rungs.items():
        for summary in answers.summaries:
            answer = answers.find(summary.name, plan.baseline)
            if answer is not None:
                difference, test = answer.difference, answer.images == "test"
                point = pictures.Point(steps, difference.mean, difference.interval, test)
                points.setdefault(summary.name, []).append(point)
    return points


def _document(
    plan: Plan, folder: Path, rungs: Mapping[int, Answers], drawn: Sequence[Picture]
) -> Report:
    chosen = chosen_arms(plan, folder)
    verdicts = [
        f"{found.question} {found.verdict.capitalize()}: {found.figures}"
        for found in judged(plan, rungs, chosen)
    ]
    sections = [Section("Difference against steps", drawn)] if drawn else []
    sections.append(Section("Which rungs are longer", [_lengths(plan, rungs), _ON_LENGTHS]))
    for steps, answers in rungs.items():
        sections.append(Section(f"{steps:,} steps", _tables(answers)))
    return Report(
        f"Splits against the length of training: {plan.model} on {plan.data}",
        [
            _commands(plan, folder),
            _facts(plan, rungs, chosen),
            Items(verdicts),
            "Yes: the 95% interval of the difference lies below what is asked. No: it lies above, "
            f"or, where any difference is asked for, within ±{ALIKE} bits/dim. Not decided: "
            "neither, or runs are missing. Of several arms one that is better must be so by its "
            "Holm-corrected p too; a no takes all of them.",
        ],
        sections,
    )


def _tables(answers: Answers) -> list[Block]:
    """Returns a rung's tables; those without rows are left out."""
    named = [
        ("On validation images:", tables.results_table(answers, None)),
        ("On test images:", tables.test_table(answers)),
        ("Questions:", tables.answers_table(answers)),
        ("Failed:", tables.failures_table(answers.summaries)),
    ]
    return [block for said, table in named if table.rows for block in (said, table)]


def _lengths(plan: Plan, rungs: Mapping[int, Answers]) -> Table:
    rows = []
    for steps, answers in rungs.items():
        found = [s for s in answers.summaries if s.name == plan.baseline]
        best = [
            row["best_step"]
            for summary in found
            for row in (summary.runs | summary.reported).values()
            if row.get("best_step") is not None
        ]
        if best:
            counts = "yes" if statistics.median(best) > steps / 2 else "no"
            rows.append([f"{steps:,}", str(len(best)), f"{statistics.median(best):,.0f}",
                         f"{min(best):,} to {max(best):,}", counts])  # fmt: skip
    heads = ["steps", f"runs of {plan.baseline}", "median best step", "range", "counts"]
    return Table(heads, rows)


def _facts(plan: Plan, rungs: Mapping[int, Answers], chosen: tuple[str, ...] | None) -> Table:
    choice = f"of {', '.join(plan.own)}: "
    choice += "not chosen yet" if chosen is None else f"{', '.join(chosen)} (`{CHOSEN}` says why)"
    seeds = {kind: ", ".join(map(str, found)) for kind, found in plan.seeds.items()}
    count = next(iter(rungs.values())).count if rungs else 0
    runs = [(r.steps, seed, arm) for r, seed in plan.tasks() for arm in r.arms]
    facts = {
        "settings": ", ".join(f"{name} {value}" for name, value in plan.settings.items()),
        "lengths": ", ".join(f"{steps:,}" for steps in plan.rungs)
        + " steps; a pre-training takes half as many; 20 looks at validation images a run, of "
        "which the best counts",
        "seeds": f"{seeds['select']} select, on validation images; {seeds['report']} are reported, "
        "on test images",
        "best": choice,
        "time": f"{plan.step_seconds:g} s a step ({plan.note}): "
        f"{duration(plan.step_seconds * steps_of(plan, runs))} of training by plan",
        "p": f"of paired t-tests, corrected by Holm over the {count} pairs of arms that this "
        "report compares, at every length once: on test images where these were read",
    }
    done = [
        row
        for answers in rungs.values()
        for summary in answers.summaries
        for row in (summary.runs | summary.reported).values()
    ]
    if found := machines(done):
        facts["trained on"] = found
    return Table(["", ""], [[name, fact] for name, fact in facts.items()])


def _commands(plan: Plan, folder: Path) -> Code:
    files = [
        ResultsFile(folder / str(steps) / name)
        for steps in plan.rungs
        for name in ("results.jsonl", "test.jsonl")
    ]
    return Code(list(dict.fromkeys(row["command"] for file in files for row in file.rows())))


def _copy(folder: Path, report: Path, patterns: Sequence[str]) -> None:
    for path in (path for pattern in patterns for path in folder.glob(pattern)):
        with written_whole(report / path.relative_to(folder)) as temporary:
            shutil.copyfile(path, temporary)


def keep_plan(plan: Path, folder: Path) -> None:
    """Copies a plan into the folder of its ladder, in the place of an earlier one.

    What was run by the earlier one stays: rows are of an arm, a seed and a number of steps.
    """
    if not (folder / PLAN).exists() or not plan.samefile(folder / PLAN):
        with written_whole(folder / PLAN) as temporary:
            shutil.copyfile(plan, temporary)
