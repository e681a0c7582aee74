"""`tfp-lcma benchmark`: beside other libraries, against depth, of parts, of several processes."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource

from tfp_lcma.registry import check_name
from tfp_lcma.training.cli.given import command_given, given_dataset, given_recipe
from tfp_lcma.training.cli.options import (
    complete_data,
    completion,
    data_options,
    threads_option,
)
from tfp_lcma.training.cli.paths import check_folder
from tfp_lcma.training.recipes.compose import model_names
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES, CASES
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS
from tfp_lcma.training.studies.overhead_parts import PARTS

_DEPTHS = "4,8,16,32,64"
# Options that go with one kind of benchmark, by that kind's flag; without a flag: "".
_KINDS = {
    "cases": ("", "--overheads"),
    "implementations": ("", "--depth"),
    "timeout": ("", "--scale"),
    "report_dir": ("",),
    "rounds": ("", "--overheads", "--scale"),
    "repetitions": ("", "--depth"),
    "run_dir": ("", "--depth", "--scale"),
    "report_only": ("", "--depth"),
    **dict.fromkeys(("depths", "batch", "width", "side"), ("--depth",)),
    **dict.fromkeys(("data", "model", "assignments"), ("--overheads", "--scale")),
    **dict.fromkeys(("limit", "data_dir", "on_unreadable"), ("--overheads", "--scale")),
}


@click.command(
    epilog="Example: tfp-lcma benchmark --overheads --data digits --model glow --rounds 30"
)
@click.option("--overheads", is_flag=True, help="What parts of this package cost, as ratios.")
@click.option("--depth", is_flag=True, help="Memory and start of a step, against depth.")
@click.option(
    "--scale", is_flag=True, help="Two processes with and without communication; speed of input."
)
@click.option(
    "--cases",
    help="Names, separated by commas: of flows, or of parts with --overheads.  [default: all]",
    shell_complete=completion(lambda: [*ALL_CASES, *PARTS]),
)
@click.option(
    "--implementations",
    help="Names, separated by commas.  [default: all; with --depth four]",
    shell_complete=completion(lambda: IMPLEMENTATIONS),
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    help="Processes of each; with --overheads or --scale, calls of each.  [default: 5; 60; 10]",
)
@click.option(
    "--repetitions",
    type=click.IntRange(1),
    help="Timed calls a task and process.  [default: 10; with --depth 5]",
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where results go.  [default: runs/benchmark; runs/depth; runs/scale]",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    help="Where the report goes.  [default: report in the run's folder]",
)
@click.option("--report-only", is_flag=True, help="Time nothing, write the report.")
@click.option(
    "--timeout",
    type=float,
    default=3600.0,
    show_default=True,
    help="Seconds that a process may take.",
)
@click.option(
    "--data",
    metavar="NAME|FOLDER|FILE.npz",
    help="With --overheads or --scale: the images.",
    shell_complete=complete_data,
)
@click.option(
    "--model",
    metavar="NAME",
    help="With --overheads or --scale: the flow.  [default: real_nvp]",
    shell_complete=completion(model_names),
)
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="With --overheads or --scale: overrides a setting, such as model.width=128; repeatable.",
)
@data_options
@click.option(
    "--depths", default=_DEPTHS, show_default=True, help="With --depth: flow steps a level."
)
@click.option("--batch", type=click.IntRange(1), default=32, help="With --depth: images a batch.")
@click.option("--width", type=click.IntRange(1), default=128, help="With --depth: of the networks.")
@click.option("--side", type=click.IntRange(8), default=32, help="With --depth: of the images.")
@threads_option
@click.option("--quiet", is_flag=True, help="Show the result only.")
@click.pass_context
def benchmark(context, overheads, depth, scale, threads, quiet, **options):
    """Time log_prob, sampling and training steps, beside other libraries and of single parts.

    `pip install "tfp_lcma[bench]"` brings the other libraries; what is missing is named in the
    report. Interrupted, the same command carries on; with more rounds or cases it runs what is
    missing. Let nothing else run meanwhile.
    """
    kinds = {"--overheads": overheads, "--depth": depth, "--scale": scale}
    given_kinds = [flag for flag, given in kinds.items() if given]
    if len(given_kinds) > 1:
        raise click.UsageError(f"Give one of {', '.join(kinds)}; got {' and '.join(given_kinds)}.")
    kind = "".join(given_kinds)
    _check_options(context, kind)
    say = (lambda text: None) if quiet else click.echo
    timings: dict[str, Callable[..., None]]
    timings = {
        "--overheads": _overheads,
        "--depth": _depth,
        "--scale": functools.partial(_scale, command=command_given(context)),
        "": _libraries,
    }
    try:
        given = {name: value for name, value in options.items() if kind in _KINDS[name]}
        timings[kind](say, threads=threads, **given)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _libraries(
    say, threads, cases, implementations, rounds, repetitions, timeout, run_dir, report_dir,
    report_only,
):  # fmt: skip
    folder = check_folder("--run-dir", run_dir or Path("runs") / "benchmark")
    report = check_folder("--report-dir", report_dir or folder / "report")
    chosen = _names("--cases", cases, ALL_CASES, list(CASES))
    built = _names("--implementations", implementations, IMPLEMENTATIONS, list(IMPLEMENTATIONS))

    from tfp_lcma.training.studies.benchmark.report import write_report
    from tfp_lcma.training.studies.benchmark.run import Benchmark

    if not report_only:
        Benchmark(
            folder=folder,
            threads=threads or os.cpu_count(),
            repetitions=repetitions or 10,
            timeout=timeout,
            say=say,
        ).run(chosen, built, rounds or 5)
    click.echo(f"The report is {write_report(folder, report)}.")


def _depth(
    say, threads, implementations, depths, batch, width, side, repetitions, run_dir, report_only
):
    folder = check_folder("--run-dir", run_dir or Path("runs") / "depth")
    steps = [int(text) for text in depths.split(",") if text.strip().isdigit()]
    if len(steps) != len(depths.split(",")) or 0 in steps:
        raise click.UsageError(f"--depths must be numbers, such as {_DEPTHS}; got {depths!r}.")

    from tfp_lcma.training.studies.benchmark.depth import measure_depths, write_report

    names = _names("--implementations", implementations, IMPLEMENTATIONS, None)
    if not report_only:
        settings = {"batch": batch, "width": width, "side": side, "threads": threads or 2}
        measure_depths(folder, steps, repetitions or 5, settings, say, names)
    click.echo(f"The report is {write_report(folder)}.")


def _overheads(say, threads, cases, rounds, data, model, assignments, **where):
    if data is None:
        raise click.UsageError("Give --data with --overheads.")
    recipe = given_recipe(data, model, None, None, assignments)
    chosen, rounds = _names("--cases", cases, PARTS, list(PARTS)), rounds or 60
    if rounds < 4:
        raise click.UsageError(f"--rounds must be at least 4 with --overheads; got {rounds}.")

    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    dataset = given_dataset(recipe, **where)

    from tfp_lcma.training.runs.many_models import expect_many_models
    from tfp_lcma.training.studies.overheads import overheads

    expect_many_models()
    click.echo(overheads(recipe, dataset, chosen, rounds, say))


def _scale(
    say, command, threads, rounds, run_dir, timeout, data, model, assignments, **where
):  # fmt: skip
    if data is None:
        raise click.UsageError("Give --data with --scale.")
    folder = check_folder("--run-dir", run_dir or Path("runs") / "scale")
    recipe = given_recipe(data, model, None, None, assignments)

    from tfp_lcma.training.runs.threads import use_threads

    use_threads(threads)
    dataset = given_dataset(recipe, **where)

    from tfp_lcma.training.studies.scale.study import measure_scale

    path = measure_scale(folder, recipe, dataset, rounds or 10, timeout, command, say)
    click.echo(f"The report is {path}.")


def _check_options(context, kind):
    """Refuses an option that this kind of benchmark has no use for."""
    for option in context.command.params:
        kinds = _KINDS.get(option.name, (kind,))
        given = context.get_parameter_source(option.name) == ParameterSource.COMMANDLINE
        if given and kind not in kinds:
            flag, wanted = option.opts[0], [other for other in kinds if other]
            if "" not in kinds:
                raise click.UsageError(f"{flag} goes with {' or '.join(wanted)}.")
            raise click.UsageError(f"{flag} does not go with {kind}.")


def _names(flag, text, known, default):
    """Returns the names in a text, in order."""
    if text is None:
        return default
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names or [text]:
        try:
            check_name(flag, name, known)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return names
