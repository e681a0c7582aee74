"""Command line: time this package's flows beside those of other libraries."""

import os
from pathlib import Path

import click
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES, CASES
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS


@click.command(context_settings={"show_default": True})
@click.option("--cases", help=f"Of {', '.join(ALL_CASES)}.  [default: all that are not tiny]")
@click.option("--implementations", help=f"Of {', '.join(IMPLEMENTATIONS)}.  [default: all]")
@click.option("--rounds", type=click.IntRange(1), default=5, help="Processes of each.")
@click.option(
    "--repetitions", type=click.IntRange(1), default=10, help="Timed calls a task and process."
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=os.cpu_count,
    show_default="as many as there are processors",
    help="Threads of every library.",
)
@click.option("--timeout", type=float, default=3600.0, help="Seconds that a process may take.")
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    default=Path("runs") / "benchmark",
    help="Where results go.",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    help="Where the report goes.  [default: report in the run's folder]",
)
@click.option("--report-only", is_flag=True, help="Time nothing, write the report.")
@click.option("--quiet", is_flag=True, help="Show the report's path only.")
def main(
    cases,
    implementations,
    rounds,
    repetitions,
    threads,
    timeout,
    run_dir,
    report_dir,
    report_only,
    quiet,
):
    """Times log_prob, sampling and a training step, and reports how they compare.

    `pip install ".[bench]"` brings the other libraries; what is missing is named in the report.
    Interrupted, the same command carries on; with more rounds or cases it runs what is missing.
    """
    from tfp_lcma.training.studies.benchmark.report import write_report
    from tfp_lcma.training.studies.benchmark.run import Benchmark

    try:
        if not report_only:
            benchmark = Benchmark(
                folder=run_dir,
                threads=threads,
                repetitions=repetitions,
                timeout=timeout,
                say=(lambda text: None) if quiet else click.echo,
            )
            benchmark.run(
                _names(cases, CASES, ALL_CASES, "cases"),
                _names(implementations, IMPLEMENTATIONS, IMPLEMENTATIONS, "implementations"),
                rounds,
            )
        path = write_report(run_dir, report_dir or run_dir / "report")
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The report is {path}.")


def _names(text, default, known, what):
    """Returns the names in a text, in order, or a ValueError that says which there are."""
    if text is None:
        return list(default)
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"{what} must be some of {', '.join(known)}; got {text!r}.")
    return names


if __name__ == "__main__":
    main()
