"""Two processes of one thread each, training with and without communication, in turn."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.recipes.tables import write_recipe

_PROCESSES = 2


def measured_pair(
    recipe: Recipe, event_shape: tuple[int, int, int], rounds: int, steps: int, timeout: float
) -> dict[str, list[float]]:
    """Returns the seconds a round of the slower of two processes.

    Args:
        recipe: flow, optimiser and batch, of which each process takes half.
        event_shape: shape of an image.
        rounds: how often each way is measured.
        steps: training steps a round.
        timeout: seconds after which the processes are ended.

    Raises:
        ValueError: a process failed, or took too long.
    """
    workers = [f"127.0.0.1:{port}" for port in _free_ports(_PROCESSES)]
    with tempfile.TemporaryDirectory() as folder, _sigterm_raises():
        config = Path(folder) / "recipe.toml"
        write_recipe(config, recipe)
        words = [sys.executable, "-m", f"{__package__}.pair_worker", "--config", str(config)]
        words += ["--shape", ",".join(map(str, event_shape))]
        words += ["--rounds", str(rounds), "--steps", str(steps)]
        processes = []
        # Files: they wait for each other, and one would wait for whoever reads its pipe.
        outputs = [Path(folder) / f"{number}.txt" for number in range(_PROCESSES)]
        try:
            for number, output in enumerate(outputs):
                task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": number}}
                environment = {
                    **os.environ,
                    "TF_CONFIG": json.dumps(task),
                    "CUDA_VISIBLE_DEVICES": "-1",
                }
                with output.open("w") as out, output.with_suffix(".log").open("w") as errors:
                    processes.append(
                        subprocess.Popen(words, env=environment, stdout=out, stderr=errors)
                    )
            codes = [process.wait(timeout) for process in processes]
        except subprocess.TimeoutExpired as error:
            raise ValueError(
                f"timeout must be longer than training takes; got {timeout}."
            ) from error
        finally:
            for process in processes:
                process.kill()
                process.wait()
        if any(codes):
            failed = outputs[max(range(_PROCESSES), key=lambda number: codes[number] != 0)]
            raise ValueError(f"a process failed: {failed.with_suffix('.log').read_text()[-2000:]}")
        found = [json.loads(output.read_text().splitlines()[-1]) for output in outputs]
    return {
        name: [max(pair) for pair in zip(*(f[name] for f in found), strict=True)]
        for name in found[0]
    }


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Lets SIGTERM unwind the block, which ends what it has started."""
    kept = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
