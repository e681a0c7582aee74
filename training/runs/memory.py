"""How much memory this process uses, by what Linux says of it."""

import contextlib
import re
from pathlib import Path


class PeakMemory:
    """Measures the peak of this process's resident memory beyond what it has now."""

    def __init__(self):
        """Starts here: forgets the peak so far where Linux allows it."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._before = _megabytes("VmRSS")

    def megabytes(self) -> float | None:
        """Returns the peak since the start, less what there was then; None if unknown."""
        peak = peak_megabytes()
        return None if peak is None or self._before is None else round(peak - self._before, 1)


def peak_megabytes() -> float | None:
    """Returns the peak of this process's resident memory; None if the system does not say."""
    # Of this process alone: getrusage's maximum begins with the parent's.
    return _megabytes("VmHWM")


def _megabytes(name):
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else None
