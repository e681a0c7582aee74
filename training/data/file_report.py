"""What became of the files below a folder: which were read, which not, and why."""

import csv
import dataclasses
import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfp_lcma.files import written_whole

# What a run's folder calls the report.
FILES = "files.csv"
# Files that a message names.
_MOST_NAMED = 50


@dataclasses.dataclass(frozen=True)
class FileReport:
    """What became of every image file below a folder.

    Attributes:
        folder: That was searched.
        read: The side, train, validation or test, of every file that was read.
        unreadable: Why a file, or a folder, could not be read.
        passed_over: Why a file was not even tried.
    """

    folder: Path | str
    read: Mapping[str, str]
    unreadable: Mapping[str, str]
    passed_over: Mapping[str, str]

    def summary(self) -> str:
        """Returns how many were read, in a line."""
        rest = {"cannot be read": self.unreadable, "passed over": self.passed_over}
        counts = [f"{len(files):,} {what}" for what, files in rest.items() if files]
        tried = len(self.read) + len(self.unreadable)
        return "; ".join([f"{len(self.read):,} of {tried:,} files read", *counts])

    def write(self, path: Path) -> None:
        """Writes a CSV file: a row for every file, its side or why it has none."""
        # Names that are not UTF-8 leave as the bytes they are.
        with (
            written_whole(path) as temporary,
            open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            rows = csv.writer(file, lineterminator=os.linesep)
            rows.writerow(("file", "side", "left_out"))
            rows.writerows((name, side, "") for name, side in self.read.items())
            for left_out in (self.unreadable, self.passed_over):
                rows.writerows((name, "", reason) for name, reason in left_out.items())


class UnreadableFilesError(ValueError):
    """Some files of a folder cannot be read.

    Attributes:
        report: What became of every file.
    """

    def __init__(self, report: FileReport):
        """Names the files."""
        super().__init__(
            f"{len(report.unreadable)} of {len(report.read) + len(report.unreadable)} images below "
            f"{str(report.folder)!r} cannot be read; mend them, take them away, or leave them out "
            f"(on_unreadable='skip', --on-unreadable skip):\n{named(report.unreadable)}"
        )
        self.report = report


def named(files: Iterable[str] | Mapping[str, str]) -> str:
    """Returns files, with what is said of each, as indented lines; of many the first ones."""
    said = files if isinstance(files, Mapping) else dict.fromkeys(files)
    lines = [f"  {shown(file)}" + (f": {text}" if text else "") for file, text in said.items()]
    more = [f"  and {len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
    return "\n".join(lines[:_MOST_NAMED] + more)


def shown(name: str) -> str:
    """Returns a file's name as one line that can be printed anywhere, whatever is in it."""
    # Of what is not printable, spaces of other widths are harmless.
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else repr(c)[1:-1] for c in name
    )
