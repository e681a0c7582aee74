"""Configuration files for TensorFlow Serving, beside the models that it is to serve."""

import json
import os
from pathlib import Path

import tensorflow as tf

from tfp_lcma.export_layout import LARGEST_VERSION, MAX_ROWS, version_number
from tfp_lcma.files import located, names_in, within, written_whole

MODELS_CONFIG = "models.config"
BATCHING_PARAMS = "batching_params.pbtxt"
# The numbers of rows that a batch is filled up to. Few: of a model compiled by
# XLA, every one of them is compiled apart.
BATCH_SIZES = (1, 8, 64)


def write_serving_config(
    directory: str | os.PathLike, base_path: str = "/models"
) -> list[Path | str]:
    """Writes `models.config` and `batching_params.pbtxt` for all models in a folder.

    For `tensorflow_model_server --model_config_file=... --enable_batching
    --batching_parameters_file=...`. What is there by these names is replaced.

    A request may have up to 1,024 rows; one of more than 64 is computed in several batches.

    ```python
    import tempfile

    import numpy as np

    import tfp_lcma as lcma

    model = lcma.FlowModel(lcma.models.real_nvp((4, 4, 1), levels=1, width=4, blocks=1))
    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1), "uint8")
    model.initialize(images)
    folder = tempfile.mkdtemp()
    lcma.export_saved_model(model, f"{folder}/digits")
    models, batching = lcma.serving.write_serving_config(folder)
    models.name, batching.name  # ('models.config', 'batching_params.pbtxt')
    ```

    Args:
        directory: Folder of models, `<name>/<version>/` within it. What is hidden, and folders
            without a SavedModel, are passed over.
        base_path: Where the server sees that folder; "/models" is where its docker
            image expects it.

    Returns:
        The paths of the two files.

    Raises:
        ValueError: If there is no exported version in the folder, or a SavedModel that a server
            would not find: without a version, or with one that is no whole number of 64 bits.
        OSError: If the files cannot be written.
    """
    place = located(directory, "directory")
    names = [
        name
        for name in names_in(place)
        if not name.startswith(".") and _has_versions(within(place, name))
    ]
    if not names:
        raise ValueError(
            f"directory must hold exported models, <name>/<version>/; found none in {place}."
        )
    texts = {
        MODELS_CONFIG: _models_config(names, base_path.rstrip("/")),
        BATCHING_PARAMS: _batching_params(),
    }
    for name, text in texts.items():
        with written_whole(within(place, name)) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [within(place, name) for name in texts]


def _has_versions(model: Path | str) -> bool:
    """Says whether a folder holds exported versions, all of which a server would find."""
    versions = [
        name
        for name in names_in(model)
        if not name.startswith(".") and _is_saved_model(within(model, name))
    ]
    lost = [within(model, name) for name in versions if version_number(name) is None]
    lost += [model] if _is_saved_model(model) else []
    if lost:
        raise ValueError(
            f"directory must hold <name>/<version>/, versions from 0 to {LARGEST_VERSION}; got a "
            f"SavedModel in {lost[0]}."
        )
    return bool(versions)


def _is_saved_model(folder: Path | str) -> bool:
    return tf.io.gfile.exists(os.fspath(within(folder, "saved_model.pb")))


def _models_config(names: list[str], base_path: str) -> str:
    # A string of a text proto is quoted as one of JSON is.
    configs = (
        "  config {\n"
        f"    name: {json.dumps(name)}\n"
        f"    base_path: {json.dumps(f'{base_path}/{name}')}\n"
        '    model_platform: "tensorflow"\n'
        "  }\n"
        for name in names
    )
    return f"model_config_list {{\n{''.join(configs)}}}\n"


def _batching_params() -> str:
    # Two milliseconds are little beside a pass of 64 images through a flow.
    lines = [
        # Of one request, which is split into batches of at most the other size.
        f"max_batch_size {{ value: {MAX_ROWS} }}",
        "enable_large_batch_splitting { value: true }",
        f"max_execution_batch_size {{ value: {BATCH_SIZES[-1]} }}",
        "batch_timeout_micros { value: 2000 }",
        "max_enqueued_batches { value: 100 }",
        *(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES),
    ]
    return "\n".join(lines) + "\n"
