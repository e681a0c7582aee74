"""One process of the benchmark: builds one implementation of one case and times it.

python -m tfp_lcma.training.studies.benchmark.worker --case glow --implementation ours --threads 2

The last line it prints is a JSON object.
"""

import json
import time

import click

from tfp_lcma.training.runs.memory import PeakMemory
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES, Case
from tfp_lcma.training.studies.benchmark.contender import (
    TASKS,
    check_log_prob,
    check_loss,
    check_sample,
)
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS, Implementation

# Calls after the first that are not counted: memory is laid out, threads are awake.
WARMUPS = 2


@click.command(context_settings={"show_default": True})
@click.option("--case", type=click.Choice(list(ALL_CASES)), required=True)
@click.option("--implementation", type=click.Choice(list(IMPLEMENTATIONS)), required=True)
@click.option("--threads", type=click.IntRange(1), required=True, help="Threads of its library.")
@click.option("--repetitions", type=click.IntRange(1), default=10, help="Timed calls a task.")
def main(case, implementation, threads, repetitions):
    """Times one implementation in this process."""
    found = measure(IMPLEMENTATIONS[implementation], ALL_CASES[case], threads, repetitions)
    click.echo(json.dumps(found, allow_nan=False))


def measure(
    implementation: Implementation, case: Case, threads: int, repetitions: int
) -> dict[str, object]:
    """Builds, checks and times a case.

    Args:
        implementation: what builds it.
        case: what is built.
        threads: how many threads it may use.
        repetitions: timed calls a task.

    Returns:
        For every task the seconds of each call and of the first one, which traces and compiles;
        the seconds it took to build; the GPU, None without one; the peak of its memory, or without
        one of the process's beyond the imports'; the number of parameters; the versions of the
        packages.

    Raises:
        ValueError: it does not compute what it says.
    """
    implementation.load()
    memory = PeakMemory()
    began = time.perf_counter()
    contender = implementation.build(case, threads)
    built = time.perf_counter() - began
    first, seconds = {}, {}
    log_prob = None
    for task in TASKS:
        call = getattr(contender, task)
        began = time.perf_counter()
        result = call()
        first[task] = time.perf_counter() - began
        if task == "log_prob":
            check_log_prob(case, result)
            log_prob = result
        elif task == "train_step":
            check_loss(result, log_prob)
        elif implementation.kind != "floor":
            check_sample(case, result)
        seconds[task] = _timed(call, repetitions)
    # Trained on, it still is a density.
    check_log_prob(case, contender.log_prob())
    gpu = contender.gpu
    return {
        "seconds": seconds,
        "first_call_seconds": first,
        "build_seconds": built,
        "gpu": None if gpu is None else gpu.name,
        "peak_megabytes": memory.megabytes() if gpu is None else round(gpu.peak_megabytes(), 1),
        "parameters": contender.parameters,
        "versions": implementation.versions(),
    }


def _timed(call, repetitions):
    for _ in range(WARMUPS):
        call()
    seconds = []
    for _ in range(repetitions):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    main()
