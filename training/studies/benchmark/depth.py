"""Memory and start of a training step against depth.

python -m tfp_lcma.training.studies.benchmark.depth --report-dir docs/results/depth

Every depth and implementation has a process of its own, one at a time; a finished one is a row
of `results.jsonl`, so that an interrupted run carries on. Let nothing else run meanwhile.
"""

import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure
from tfp_lcma.training.runs.memory import PeakMemory
from tfp_lcma.training.runs.run_lock import run_lock
from tfp_lcma.training.runs.settings import keep_settings
from tfp_lcma.training.studies.benchmark.cases import CASES, CENTRE
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS
from tfp_lcma.training.studies.benchmark.run import processor
from tfp_lcma.training.studies.results import ResultsFile

DEPTHS = (4, 8, 16, 32, 64)
COMPARED = ("ours-looped", "ours-looped-invert", "ours-unrolled", "normflows")
# Unrolled, a flow of more steps takes minutes to trace: the loop is there for it.
DEEPEST_UNROLLED = 16
_BYTES_PER_MEGABYTE = 2**20


@click.command(context_settings={"show_default": True})
@click.option("--report-dir", type=click.Path(path_type=Path), default=Path("runs/depth"))
@click.option("--depths", default=",".join(map(str, DEPTHS)), help="Flow steps of a level.")
@click.option("--batch", type=click.IntRange(1), default=32, help="Images a batch.")
@click.option("--width", type=click.IntRange(1), default=128, help="Of the networks.")
@click.option("--side", type=click.IntRange(8), default=32, help="Of the images.")
@click.option("--threads", type=click.IntRange(1), default=2, help="Of every library.")
@click.option("--repetitions", type=click.IntRange(1), default=5, help="Timed steps.")
@click.option("--worker", hidden=True, help="Measures one in this process: DEPTH IMPLEMENTATION.")
def main(report_dir, depths, batch, width, side, threads, repetitions, worker):
    """Measures a training step of Glow from its first call on, at several depths."""
    settings = {"batch": batch, "width": width, "side": side, "threads": threads}
    if worker is not None:
        depth, name = worker.split()
        click.echo(json.dumps(measure(int(depth), name, repetitions, **settings)))
        return
    with run_lock(report_dir):
        keep_settings(report_dir, settings | {"processor": processor()})
        _measure_missing(report_dir, depths, repetitions, settings)


def _measure_missing(report_dir, depths, repetitions, settings):
    results = ResultsFile(report_dir / "results.jsonl")
    for depth in map(int, depths.split(",")):
        for name in COMPARED:
            done = any(
                (row["steps"], row["implementation"]) == (depth, name) for row in results.rows()
            )
            too_deep = name == "ours-unrolled" and depth > DEEPEST_UNROLLED
            if done or too_deep or IMPLEMENTATIONS[name].missing():
                continue
            click.echo(f"{IMPLEMENTATIONS[name].title}, {depth} steps a level")
            command = [
                sys.executable,
                "-m",
                "tfp_lcma.training.studies.benchmark.depth",
                "--worker",
            ]
            command += [f"{depth} {name}", "--repetitions", str(repetitions)]
            for option, value in settings.items():
                command += [f"--{option}", str(value)]
            found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results.append(json.loads(found.stdout.splitlines()[-1]))
    write_report(report_dir, settings, results.rows())


def measure(depth: int, name: str, repetitions: int, threads: int, **sizes) -> dict[str, object]:
    """Measures one implementation at one depth, in this process.

    Args:
        depth: flow steps of a level.
        name: of the implementation.
        repetitions: timed steps.
        threads: threads of its library.
        **sizes: `batch`, `width` and `side`.

    Returns:
        Seconds of building, of the first step (which traces), of a step; memory beyond what was
        in use once the model and its optimiser's state were built; the trainable parameters.
    """
    implementation = IMPLEMENTATIONS[name]
    implementation.load()
    case = dataclasses.replace(CASES[CENTRE], steps=depth, **sizes)
    began = time.perf_counter()
    contender = implementation.build(case, threads)
    built = time.perf_counter() - began
    memory, processor, began = PeakMemory(), _cpu_seconds(), time.perf_counter()
    contender.train_step()
    first, first_cpu = time.perf_counter() - began, _cpu_seconds() - processor
    seconds = []
    for _ in range(repetitions):
        began = time.perf_counter()
        contender.train_step()
        seconds.append(time.perf_counter() - began)
    return {
        "implementation": name,
        "steps": depth,
        "build_seconds": built,
        "first_step_seconds": first,
        "first_step_cpu_seconds": first_cpu,
        "step_seconds": statistics.median(seconds),
        "peak_megabytes": memory.megabytes(),
        "parameter_megabytes": 4 * contender.parameters / _BYTES_PER_MEGABYTE,
    }


def write_report(folder: Path, settings: dict, rows: list[dict]) -> None:
    """Writes the table and the picture of finished rows."""
    lines = [
        f"Glow, 3 levels, width {settings['width']}, {settings['side']}×{settings['side']}×3, "
        f"batch {settings['batch']}, {settings['threads']} threads, {processor()}. "
        "Memory is beyond imports, variables and the optimiser's state; gradients and copies of "
        "the parameters are in it.",
        "",
        "| | steps a level | build, s | first step, s | step, s | memory, MB | parameters, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (COMPARED.index(row["implementation"]), row["steps"])):
        numbers = ("build_seconds", "first_step_seconds", "step_seconds")
        cells = [IMPLEMENTATIONS[row["implementation"]].title, str(row["steps"])]
        cells += [f"{row[name]:.2f}" for name in numbers]
        cells += [f"{row[name]:.0f}" for name in ("peak_megabytes", "parameter_megabytes")]
        lines.append(f"| {' | '.join(cells)} |")
    command = "python -m tfp_lcma.training.studies.benchmark.depth " + " ".join(
        f"--{name} {value}" for name, value in settings.items()
    )
    lines += ["", "![Memory and first step against depth](depth.png)", "", f"`{command}`", ""]
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")
    _draw(folder / "depth.png", rows)


def _draw(path, rows):
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2)
    for axes, key, label in (
        (left, "peak_megabytes", "memory of a training step, MB"),
        (right, "first_step_seconds", "first training step, s"),
    ):
        for name in COMPARED:
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


def _cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
