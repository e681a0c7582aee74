"""Builds dist/ from the files that git tracks, and checks what a package index would get.

usage: python tests/distribution.py, in the repository's root.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LARGEST_WHEEL = 12 * 2**20
# What only a repository needs.
NOT_DISTRIBUTED = {".gitignore", ".ci/run"}


def build(source: Path, into: Path, *kinds: str) -> None:
    """Builds the kinds of distributions, by default an sdist and from it a wheel."""
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", into, source]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def tracked() -> set[str]:
    """Returns the paths of the files that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True)
    return set(filter(None, listed.stdout.split("\0")))


def contents(wheel: Path) -> dict[str, bytes]:
    """Returns the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def main() -> None:
    """Builds, compares and checks; ends with a sentence if something is wrong."""
    dist = Path("dist")
    shutil.rmtree(dist, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        # A copy: a build folder of an earlier build would leak into the wheel.
        source = Path(folder, "source")
        for name in tracked():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, source / name)
        build(source, dist)
        build(source, Path(folder), "--wheel")
        (sdist,), (wheel,), (direct,) = (
            where.glob(pattern)
            for where, pattern in ((dist, "*.tar.gz"), (dist, "*.whl"), (Path(folder), "*.whl"))
        )
        if contents(wheel) != contents(direct):
            sys.exit(f"{wheel} differs from the wheel that is built from the repository.")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    if missing := tracked() - held - NOT_DISTRIBUTED:
        sys.exit(f"{sdist} lacks {len(missing)} files, such as {min(missing)}.")
    if (size := wheel.stat().st_size) > LARGEST_WHEEL:
        sys.exit(f"{wheel} must be at most {LARGEST_WHEEL:,} bytes; got {size:,}.")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", sdist, wheel], check=True)
    print(f"{sdist}: {sdist.stat().st_size:,} bytes; {wheel}: {size:,} bytes.")


if __name__ == "__main__":
    main()
