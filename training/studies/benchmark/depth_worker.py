"""One process of the measurement against depth: builds one flow and times its training step.

The last line it prints is a JSON object.
"""

import dataclasses
import json
import resource
import statistics
import time

import click

from tfp_lcma.training.runs.memory import PeakMemory
from tfp_lcma.training.studies.benchmark.cases import CASES, CENTRE
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS

_BYTES_PER_MEGABYTE = 2**20


@click.command()
@click.option("--depth", type=click.IntRange(1), required=True)
@click.option("--implementation", type=click.Choice(list(IMPLEMENTATIONS)), required=True)
@click.option("--repetitions", type=click.IntRange(1), required=True)
@click.option("--threads", type=click.IntRange(1), required=True)
@click.option("--batch", type=click.IntRange(1), required=True)
@click.option("--width", type=click.IntRange(1), required=True)
@click.option("--side", type=click.IntRange(8), required=True)
def main(depth, implementation, repetitions, threads, **sizes):
    """Measures one implementation in this process."""
    click.echo(json.dumps(measure(depth, implementation, repetitions, threads, **sizes)))


def measure(
    depth: int, name: str, repetitions: int, threads: int | None, **sizes: int
) -> dict[str, object]:
    """Measures one implementation at one depth, in this process.

    Args:
        depth: flow steps of a level.
        name: of the implementation.
        repetitions: timed steps.
        threads: threads of its library; None: as many as it likes.
        **sizes: `batch`, `width` and `side`.

    Returns:
        Seconds of building, of the first step (which traces), of a step; the GPU, None without
        one; its memory, or without one the process's, beyond what was in use once the model and
        its optimiser's state were built; the trainable parameters.
    """
    implementation = IMPLEMENTATIONS[name]
    implementation.load()
    case = dataclasses.replace(CASES[CENTRE], steps=depth, **sizes)
    began = time.perf_counter()
    contender = implementation.build(case, threads)
    built = time.perf_counter() - began
    gpu = contender.gpu
    before = 0.0 if gpu is None else gpu.megabytes()
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
        "gpu": None if gpu is None else gpu.name,
        "peak_megabytes": memory.megabytes() if gpu is None else gpu.peak_megabytes() - before,
        "parameter_megabytes": 4 * contender.parameters / _BYTES_PER_MEGABYTE,
    }


def _cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
