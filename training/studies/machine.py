"""What a study was run on."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tfp_lcma.training.studies.benchmark.accelerator import tensorflow_accelerator


def processor() -> str:
    """Returns what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def machine() -> str:
    """Returns what TensorFlow trains on: its GPU, without one the processor."""
    accelerator = tensorflow_accelerator()
    return processor() if accelerator is None else accelerator.name


def machines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns the machines of a study's rows, by what each ran; rows of older studies name none."""
    counts = Counter(row["machine"] for row in rows if row.get("machine"))
    return ", ".join(
        f"{name} ({count:,} {'run' if count == 1 else 'runs'})"
        for name, count in sorted(counts.items())
    )
