"""Checksums of an exported version, in the form that `sha256sum --check` reads."""

import hashlib
from pathlib import Path

from tfp_lcma.export_layout import CHECKSUMS


def write_checksums(version: Path) -> None:
    """Writes the checksums of all files of a version, by their names within it."""
    names = sorted(path.relative_to(version) for path in version.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256((version / name).read_bytes()).hexdigest()}  {name.as_posix()}\n"
        for name in names
    ]
    target = version / CHECKSUMS
    target.parent.mkdir(exist_ok=True)
    target.write_text("".join(lines), encoding="utf-8")
