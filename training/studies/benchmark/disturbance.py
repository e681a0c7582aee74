"""How busy others keep the machine while a worker runs, by what Linux says of it."""

import os
import resource
import time
from pathlib import Path


class Disturbance:
    """Counts the processors that others use between two moments."""

    def __init__(self):
        """Starts to count."""
        self._busy, self._own, self._began = _busy(), _own(), time.monotonic()

    def processors(self) -> float | None:
        """Returns how many others used on average; None where the system does not say.

        Own are this process and its children that have ended.
        """
        busy = _busy()
        if busy is None or self._busy is None:
            return None
        others = busy - self._busy - (_own() - self._own)
        return round(max(others, 0.0) / max(time.monotonic() - self._began, 1e-3), 2)


def _busy():
    """Returns the seconds that all processors have worked, stolen ones included."""
    try:
        line = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own():
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
