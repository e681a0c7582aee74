"""Memory and start of a training step against depth.

Every depth and implementation has a process of its own, one at a time; a finished one is a row
of `results.jsonl`, so that an interrupted run carries on.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure
from tfp_lcma.training.reports.tables import markdown
from tfp_lcma.training.runs.run_lock import run_lock
from tfp_lcma.training.runs.settings import keep_settings
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS
from tfp_lcma.training.studies.machine import processor
from tfp_lcma.training.studies.results import ResultsFile

COMPARED = ("ours-looped", "ours-looped-invert", "ours-unrolled", "normflows")
# Unrolled, a flow of more steps takes minutes to trace: the loop is there for it.
DEEPEST_UNROLLED = 16


def measure_depths(
    folder: Path,
    depths: Sequence[int],
    repetitions: int,
    settings: Mapping[str, int],
    say: Callable[[str], None],
    implementations: Sequence[str] | None = None,
) -> None:
    """Measures a training step of Glow from its first call on, wherever that is missing.

    Args:
        folder: where results go.
        depths: flow steps of a level.
        repetitions: timed steps.
        settings: `batch`, `width`, `side` and `threads`.
        say: called with every line of progress.
        implementations: names; None: `COMPARED`, unrolled up to `DEEPEST_UNROLLED`.

    Raises:
        ValueError: the folder belongs to other settings or another process, or a file in it is
            damaged.
        OSError: the folder cannot be written.
    """
    with run_lock(folder):
        keep_settings(folder, {**settings, "processor": processor()})
        results = ResultsFile(folder / "results.jsonl")
        done = {(row["steps"], row["implementation"]) for row in results.rows()}
        for depth in depths:
            for name in implementations or COMPARED:
                too_deep = name == "ours-unrolled" and depth > DEEPEST_UNROLLED
                too_deep &= implementations is None
                if (depth, name) in done or too_deep or IMPLEMENTATIONS[name].missing():
                    continue
                say(f"{IMPLEMENTATIONS[name].title}, {depth} steps a level")
                results.append(measured(depth, name, repetitions=repetitions, **settings))


def measured(depth: int, name: str, **settings: int) -> dict[str, object]:
    """Returns what a worker finds in a process of its own."""
    words = [sys.executable, "-m", "tfp_lcma.training.studies.benchmark.depth_worker"]
    words += ["--depth", str(depth), "--implementation", name]
    for option, value in settings.items():
        words += [f"--{option}", str(value)]
    found = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(found.stdout.splitlines()[-1])


def write_report(folder: Path) -> Path:
    """Writes the table of finished rows and, of several depths, the picture; returns its path.

    Raises:
        ValueError: a file in the folder is damaged.
        OSError: the folder holds no measurement.
    """
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows = ResultsFile(folder / "results.jsonl").rows()
    options = (f"--{name} {value}" for name, value in settings.items() if name != "processor")
    command = " ".join(["tfp-lcma benchmark --depth", *options])
    drawn = len({row["steps"] for row in rows}) > 1
    parts = [
        "# Memory and time against depth",
        "Glow, 3 levels, width {width}, {side}×{side}×3, batch {batch}, {threads} threads, "
        "{where}. Memory is beyond imports, variables and the optimiser's state; gradients "
        "and copies of the parameters are in it.".format(**settings, where=_where(settings, rows)),
        _table(rows),
        drawn and "![Memory and first step against depth](depth.png)",
        f"`{command}`",
    ]
    path = folder / "report.md"
    with written_whole(path) as temporary:
        temporary.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")
    if drawn:
        _draw(folder / "depth.png", rows)
    return path


def _where(settings, rows):
    gpus = dict.fromkeys(row["gpu"] for row in rows if row.get("gpu"))
    return ", ".join([settings["processor"], *gpus])


def _order(name):
    """Returns where the name stands in the table: first what is compared by default."""
    return [*COMPARED, *IMPLEMENTATIONS].index(name)


def _table(rows):
    heads = [
        "", "steps a level", "build, s", "first step, s", "step, s", "memory, MB", "parameters, MB",
    ]  # fmt: skip
    cells = [
        [
            IMPLEMENTATIONS[row["implementation"]].title,
            str(row["steps"]),
            *(f"{row[f'{what}_seconds']:.3g}" for what in ("build", "first_step", "step")),
            *(f"{row[f'{what}_megabytes']:.0f}" for what in ("peak", "parameter")),
        ]
        for row in sorted(rows, key=lambda r: (_order(r["implementation"]), r["steps"]))
    ]
    return markdown(heads, cells)


def _draw(path, rows):
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2)
    for axes, key, label in (
        (left, "peak_megabytes", "memory of a training step, MB"),
        (right, "first_step_seconds", "first training step, s"),
    ):
        for name in sorted({row["implementation"] for row in rows}, key=_order):
            own = sorted((r["steps"], r[key]) for r in rows if r["implementation"] == name)
            if own:
                axes.plot(*zip(*own, strict=True), "o-", label=IMPLEMENTATIONS[name].title)
        axes.set(xlabel="flow steps a level", ylabel=label, xscale="log")
        axes.set_xticks(sorted({row["steps"] for row in rows}))
        axes.get_xaxis().set_major_formatter("{x:.0f}")
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    left.legend()
    save_figure(path, figure)
