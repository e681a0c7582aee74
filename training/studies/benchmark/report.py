"""The report: tables and pictures, remade at any time from a benchmark's folder."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports.tables import NOTHING, markdown
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES
from tfp_lcma.training.studies.benchmark.contender import TASKS
from tfp_lcma.training.studies.benchmark.figures import draw_figures
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS
from tfp_lcma.training.studies.benchmark.summary import (
    Entry,
    Spread,
    disturbances,
    entries,
    fastest,
    ratio,
    versions,
)
from tfp_lcma.training.studies.results import ResultsFile

# More of a processor than this, taken by others, and times say more about them.
_QUIET = 0.2
_TITLES = {"log_prob": "log_prob", "sample": "sample", "train_step": "training step"}


def write_report(folder: Path, report: Path) -> Path:
    """Writes `report.md`, its pictures and a copy of the results; returns the former's path.

    Args:
        folder: folder of a benchmark, possibly unfinished.
        report: folder to write into.

    Raises:
        ValueError: a file of the benchmark is damaged, or there is no result yet.
        OSError: the benchmark has no configuration, or the folder cannot be written.
    """
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows = ResultsFile(folder / "results.jsonl").rows()
    if not rows:
        raise ValueError(f"{folder} holds no result yet.")
    by_case = {case: found for case in ALL_CASES if (found := entries(rows, case))}
    captions = draw_figures(report, by_case)
    parts = [
        "# Beside other libraries",
        _warning(rows),
        _facts(settings, rows),
        *(_section(case, found) for case, found in by_case.items()),
        _failures(rows),
        "## How to read this",
        _how_to_read(settings),
        _deviations(by_case),
        captions and "## Pictures",
        *(f"![{caption}]({name})\n*{caption}*" for name, caption in captions.items()),
    ]
    path = report / "report.md"
    with written_whole(path) as temporary:
        temporary.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    for name in ("config.json", "results.jsonl"):
        if folder.resolve() != report.resolve():
            with written_whole(report / name) as temporary:
                shutil.copyfile(folder / name, temporary)
    return path


def _facts(settings: dict, rows: Sequence[dict]) -> str:
    others = disturbances(rows)
    facts = {
        "made by": f"`tfp-lcma benchmark --threads {settings['threads']} "
        f"--repetitions {settings['repetitions']}`, with `--cases`, `--implementations` and "
        "`--rounds` as the tables show; on standard normal numbers",
        "machine": f"{settings['processor']}, {settings['processors']} processors",
        "threads": f"{settings['threads']} for every library",
        "versions": ", ".join(f"{name} {of}" for name, of in versions(rows).items()),
    }
    gpus = {row["gpu"]: None for row in rows if row.get("gpu")}
    if gpus:
        facts["GPU"] = " and ".join(gpus)
    if others:
        facts["disturbance"] = (
            f"other processes used {np.median(others):.2f} processors in the median run, "
            f"{max(others):.2f} in the worst"
        )
    return markdown(["", ""], [[name, fact] for name, fact in facts.items()])


def _warning(rows: Sequence[dict]) -> str:
    """Says so if the machine had other work; PyTorch suffers most, whose threads wait awake."""
    busy = [others for others in disturbances(rows) if others > _QUIET]
    if not busy:
        return ""
    return (
        f"**Not to be relied on: in {len(busy)} of {len(disturbances(rows))} runs other processes "
        f"used more than {_QUIET} of a processor.**"
    )


def _section(case: str, found: Sequence[Entry]) -> str:
    parts = [f"## {ALL_CASES[case].describe()}", seconds_table(found), ratios_table(found)]
    return "\n\n".join(part for part in parts if part)


def seconds_table(found: Sequence[Entry]) -> str:
    """Returns one row an implementation: what it takes, or why that is not known."""
    heads = [
        "seconds a batch", *(_TITLES[task] for task in TASKS),
        "peak memory, MB", "parameters", "until all has run once, s", "rounds",
    ]  # fmt: skip
    rows = []
    for entry in found:
        title = IMPLEMENTATIONS[entry.implementation].title
        if not entry.rows:
            rows.append([title, _cell(entry.trouble), *[""] * (len(heads) - 2)])
            continue
        megabytes = entry.median("peak_megabytes")
        rows.append(
            [
                title,
                *(_seconds(entry.seconds(task)) for task in TASKS),
                NOTHING if megabytes is None else f"{megabytes:,.0f}",
                f"{entry.median('parameters'):,.0f}" if entry.kind != "floor" else NOTHING,
                f"{entry.first_call():.1f}",
                str(len(entry.rows)),
            ]
        )
    return markdown(heads, rows)


def ratios_table(found: Sequence[Entry]) -> str:
    """Returns one row an implementation; nothing if there is nothing to compare with."""
    peers = {task: fastest(found, "peer", task) for task in TASKS}
    floors = {task: fastest(found, "floor", task) for task in TASKS}
    references = [(task, of[task]) for of in (peers, floors) for task in TASKS if of[task]]
    if not references:
        return ""
    heads = ["times as long as"]
    for task, of in references:
        name = "the floor" if of.kind == "floor" else IMPLEMENTATIONS[of.implementation].title
        heads.append(f"{name}: {_TITLES[task]}")
    rows = [
        [
            IMPLEMENTATIONS[entry.implementation].title,
            *(_ratio(ratio(entry, of, task)) for task, of in references),
        ]
        for entry in found
        if entry.rows and entry.kind != "floor"
    ]
    return markdown(heads, rows) if rows else ""


def _failures(rows: Sequence[dict]) -> str:
    failed = [row for row in rows if row["status"] == "failed"]
    if not failed:
        return ""
    cells = [
        [
            row["case"],
            IMPLEMENTATIONS[row["implementation"]].title,
            str(row["round"] + 1),
            _cell(row["why"]),
        ]
        for row in failed
    ]
    table = markdown(["case", "implementation", "round", "why"], cells)
    return f"## Processes that failed\n\n{table}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _seconds(spread: Spread) -> str:
    return f"{spread.middle:.3g} ({spread.low:.3g} to {spread.high:.3g})"


def _ratio(spread: Spread | None) -> str:
    if spread is None:
        return NOTHING
    return f"{spread.middle:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def _how_to_read(settings: dict) -> str:
    return (
        "Every implementation of a case runs in processes of its own, one at a time, in an order "
        f"that alternates from round to round; each process times {settings['repetitions']} calls "
        "a task after three that are not counted. Seconds are the median over all calls of all "
        "rounds, in brackets the quartiles. Ratios are taken between medians of the same round, "
        "against the fastest peer of each task and against the floor; shown is their median over "
        "rounds, in brackets the lowest and the highest. The floor is the case's convolutions run "
        "alone, one after the other, in TensorFlow or in PyTorch, whichever is faster; of Jet its "
        "transformers in Keras, updates by Adam included. A training "
        "step is forward, backward and an update of Adam, each library's own. Memory is the peak "
        "of a process's resident memory beyond what it had after its imports, over all tasks, "
        "compilation included; on a GPU it is the peak of what the library "
        "took of the GPU's. Each process checks that it has one finite log-density an image, "
        "finite samples in the images' shape, and that training starts from the very loss that "
        "log_prob gives."
    )


def _deviations(by_case: dict[str, Sequence[Entry]]) -> str:
    """Lists where an architecture is not quite ours, families and names in order, each once."""
    lines: dict[tuple[str, str], list[str]] = {}
    for case, found in by_case.items():
        family = ALL_CASES[case].family
        for entry in found:
            implementation = IMPLEMENTATIONS[entry.implementation]
            if text := implementation.deviations[family]:
                key = (family, text)
                lines.setdefault(key, []).append(implementation.title)
    name = {"glow": "Glow", "real-nvp": "RealNVP", "jet": "Jet"}
    listed = [
        f"- {name[family]}, {' and '.join(dict.fromkeys(titles))}: {text}."
        for (family, text), titles in lines.items()
    ]
    return "\n".join(["Where architectures are not quite those of `tfp_lcma`:", "", *listed])
