"""Checks an exported version as a server would load it: its files, signatures and warm-up.

Needs neither the package's flows nor TensorFlow Probability: what loads here loads
in any server.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_lcma.export_layout import CHECKSUMS, MODEL_CARD, WARM_UP
from tfp_lcma.training.tryout.session import Served, first_line, warm_up_requests


def check_version(version: Path) -> dict[str, Any]:
    """Checks the version in a folder and returns its model card.

    Raises:
        ValueError: Naming all that is wrong.
    """
    problems, card = list(check_files(version)), {}
    if not problems:
        try:
            card = read_card(version)
            problems = list(check_served(version, card))
        except ValueError as error:
            problems = [str(error)]
    if problems:
        raise ValueError("\n".join([f"{version} is damaged:", *problems]))
    return card


def check_files(version: Path) -> Iterator[str]:
    """Yields what is wrong with the files of a version, by their checksums."""
    try:
        lines = (version / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        expected = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        yield f"{CHECKSUMS} cannot be read: {error}"
        return
    found = {
        path.relative_to(version).as_posix()
        for path in version.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    for name in sorted({*expected, MODEL_CARD, "saved_model.pb"} | found - {CHECKSUMS}):
        if name not in found:
            yield f"{name} is missing."
        elif name not in expected:
            yield f"{name} is not among the files that were exported."
        elif not (version / name).is_file():
            yield f"{name} is no file."  # Reading a pipe would wait for its other end.
        else:
            yield from _check_digest(name, version / name, expected[name])


def _check_digest(name: str, file: Path, expected: str) -> Iterator[str]:
    try:
        if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            yield f"{name} is not what was exported."
    except OSError as error:
        yield f"{name} cannot be read: {error.strerror}."


def read_card(version: Path) -> dict[str, Any]:
    """Returns the model card.

    Raises:
        ValueError: If it is missing, no JSON, or lacks what is checked.
    """
    try:
        card = json.loads((version / MODEL_CARD).read_text(encoding="utf-8"))
        table, count = card["signatures"], card["warm_up_requests"]
        for row in table.values():
            for field in (*row["inputs"].values(), *row["outputs"].values()):
                field["dtype"], field["shape"]
        if not isinstance(count, int):
            raise TypeError(f"warm_up_requests is {count!r}")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{MODEL_CARD} cannot be read: {type(error).__name__}: {error}") from error
    return card


def check_served(version: Path, card: dict[str, Any]) -> Iterator[str]:
    """Yields what is wrong with a version in a session: loading, signatures, warm-up."""
    try:
        served = Served(version)
    except (tf.errors.OpError, OSError, ValueError, RuntimeError) as error:
        yield f"saved_model.pb does not load into a session: {first_line(error)}"
        return
    with served:
        yield from check_signatures(served, card["signatures"])
        yield from check_warm_up(served, version, card)


def check_signatures(served: Served, table: dict[str, Any]) -> Iterator[str]:
    """Yields where the signatures of a session differ from those of a model card."""

    def found_in(fields):
        return {
            name: (tf.as_dtype(info.dtype).name, tf.TensorShape(info.tensor_shape).as_list())
            for name, info in fields.items()
        }

    def said_of(fields):
        return {name: (field["dtype"], field["shape"]) for name, field in fields.items()}

    expected = {*table, "serving_default"}
    if set(served.signatures) != expected:
        yield (
            f"saved_model.pb has the signatures {', '.join(sorted(served.signatures))}; "
            f"{MODEL_CARD} has {', '.join(sorted(expected))}."
        )
    for name in sorted(expected & set(served.signatures) & set(table)):
        for side in ("inputs", "outputs"):
            found = found_in(getattr(served.signatures[name], side))
            wanted = said_of(table[name][side])
            if found != wanted:
                yield f"{name} has {side} {found} in saved_model.pb, {wanted} in {MODEL_CARD}."


def check_warm_up(served: Served, version: Path, card: dict[str, Any]) -> Iterator[str]:
    """Yields what is wrong with the warm-up file of a version, having asked all that it holds."""
    expected, count = card["warm_up_requests"], 0
    if expected and not (version / WARM_UP).exists():
        yield f"{WARM_UP} is missing; it had {expected} requests."
        return
    try:
        for name, inputs in warm_up_requests(version):
            yield from _answers_alike(served, name, inputs, count)
            count += 1
    except Exception as error:  # of TensorFlow, protobuf or NumPy, whatever is broken
        yield f"{WARM_UP}, request {count}: {first_line(error)}"
        return
    if count != expected:
        yield f"{WARM_UP} has {count} requests; {MODEL_CARD} says {expected}."


def _answers_alike(served, name, inputs, number):
    """Asks a request; yields what is wrong with the answer."""
    rows, *others = {len(value) for value in inputs.values()}
    if others:
        yield f"{WARM_UP}, request {number}: inputs of {name} differ in their rows."
        return
    for key, value in served.ask(name, inputs).items():
        where = f"{WARM_UP}, request {number}: {key} of {name}"
        if len(value) != rows:
            yield f"{where} has {len(value)} rows; asked for {rows}."
        if not np.isfinite(value).all():
            yield f"{where} is not finite."
