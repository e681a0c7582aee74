"""Checks an exported version as a server would load it: its files, signatures and warm-up.

python -m tfp_lcma.training.tryout.check_export saved_models/digits

Knows neither this package nor TensorFlow Probability: what loads here loads in
any server. That is why it is a command and no function of the package, which
would bring both along.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import click

CARD, WARM_UP = "assets.extra/model.json", "assets.extra/tf_serving_warmup_requests"
CHECKSUMS = "assets.extra/SHA256SUMS"


@click.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(path):
    """Checks the version at PATH, or the latest of the versions in it.

    Compares all files with their checksums. If they are what was exported, reads
    the model card, loads the SavedModel into a plain TensorFlow session, compares
    its signatures with the card's and asks every warm-up request. Names whatever
    is wrong.
    """
    from tfp_lcma.training.tryout.session import latest_version

    try:
        version = path if (path / "saved_model.pb").exists() else latest_version(path)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    problems = list(check_files(version))
    if not problems:
        try:
            card = read_card(version)
            problems = list(check_served(version, card))
        except ValueError as error:
            problems = [str(error)]
    if problems:
        raise click.ClickException("\n".join([f"{version} is damaged:", *problems]))
    click.echo(
        f"{version}: files, {len(card['signatures'])} signatures and "
        f"{card['warm_up_requests']} warm-up requests are in order."
    )


def check_files(version: Path) -> Iterator[str]:
    """Yields what is wrong with the files of a version, by their checksums."""
    try:
        lines = (version / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        expected = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        yield f"{CHECKSUMS} cannot be read: {error}"
        return
    for name, digest in expected.items():
        path = version / name
        if not path.is_file():
            yield f"{name} is missing."
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            yield f"{name} is not what was exported."


def read_card(version: Path) -> dict:
    """Returns the model card.

    Raises:
        ValueError: it is missing, no JSON, or lacks what the check goes by.
    """
    try:
        card = json.loads((version / CARD).read_text(encoding="utf-8"))
        table, count = card["signatures"], card["warm_up_requests"]
        for row in table.values():
            for field in (*row["inputs"].values(), *row["outputs"].values()):
                field["dtype"], field["shape"]
        if not isinstance(count, int):
            raise TypeError(f"warm_up_requests is {count!r}")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{CARD} cannot be read: {type(error).__name__}: {error}") from error
    return card


def check_served(version: Path, card: dict) -> Iterator[str]:
    """Yields what is wrong with a version in a session: loading, signatures, warm-up."""
    import tensorflow as tf
    from tfp_lcma.training.tryout.session import Served

    try:
        served = Served(version)
    except (tf.errors.OpError, OSError, ValueError, RuntimeError) as error:
        yield f"saved_model.pb does not load into a session: {_first_line(error)}"
        return
    with served:
        yield from check_signatures(served, card["signatures"])
        yield from check_warm_up(served, version / WARM_UP, card)


def check_signatures(served, table: dict) -> Iterator[str]:
    """Yields where the signatures of a session differ from those of a model card."""
    import tensorflow as tf

    def shown(fields):
        return {
            name: (tf.as_dtype(info.dtype).name, tf.TensorShape(info.tensor_shape).as_list())
            for name, info in fields.items()
        }

    def told(fields):
        return {name: (field["dtype"], field["shape"]) for name, field in fields.items()}

    expected = {*table, "serving_default"}
    if set(served.signatures) != expected:
        yield (
            f"saved_model.pb has the signatures {', '.join(sorted(served.signatures))}; {CARD} "
            f"has {', '.join(sorted(expected))}."
        )
    for name in sorted(expected & set(served.signatures) & set(table)):
        for side in ("inputs", "outputs"):
            found, wanted = shown(getattr(served.signatures[name], side)), told(table[name][side])
            if found != wanted:
                yield f"{name} has {side} {found} in saved_model.pb, {wanted} in {CARD}."


def check_warm_up(served, path: Path, card: dict) -> Iterator[str]:
    """Yields what is wrong with a warm-up file, having asked all that it holds."""
    import tensorflow as tf

    expected = card["warm_up_requests"]
    if not path.exists():
        if expected:
            yield f"{WARM_UP} is missing; it had {expected} requests."
        return
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ModuleNotFoundError:
        yield (
            f"{WARM_UP} cannot be asked without the package tensorflow-serving-api: "
            'pip install "tfp_lcma[serving]".'
        )
        return
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            yield from _answers_alike(served, log.predict_log.request, count)
            count += 1
    except Exception as error:  # of TensorFlow, protobuf or NumPy, whatever is broken
        yield f"{WARM_UP}, request {count}: {_first_line(error)}"
        return
    if count != expected:
        yield f"{WARM_UP} has {count} requests; {CARD} says {expected}."


def _answers_alike(served, request, number):
    """Asks a request; yields what is wrong with the answer."""
    import numpy as np
    import tensorflow as tf

    name = request.model_spec.signature_name
    inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
    rows, *others = {len(value) for value in inputs.values()}
    if others:
        yield f"{WARM_UP}, request {number}: inputs of {name} differ in their rows."
        return
    for key, value in served.ask(name, **inputs).items():
        where = f"{WARM_UP}, request {number}: {key} of {name}"
        if len(value) != rows:
            yield f"{where} has {len(value)} rows; asked for {rows}."
        if not np.isfinite(value).all():
            yield f"{where} is not finite."


def _first_line(error):
    # Of TensorFlow's errors, without the names of nodes before them.
    said = str(error).rpartition("}} ")[2].strip()
    return (said or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    main()
