"""Configuration files for TensorFlow Serving, beside the models that it is to serve."""

import json
import os
from pathlib import Path

from tfp_lcma.files import written_whole

MODELS_CONFIG = "models.config"
BATCHING_PARAMS = "batching_params.pbtxt"
# The numbers of rows that a batch is filled up to. Few: of a model compiled by
# XLA, every one of them is compiled apart.
BATCH_SIZES = (1, 8, 64)


def write_serving_config(directory: str | os.PathLike, base_path: str = "/models") -> list[Path]:
    """Writes `models.config` and `batching_params.pbtxt` for all models in a folder.

    For `tensorflow_model_server --model_config_file=... --enable_batching
    --batching_parameters_file=...`. What is there by these names is replaced.

    Args:
        directory: Folder of models, `<name>/<version>/` within it.
        base_path: Where the server sees that folder; "/models" is where its docker
            image expects it.

    Returns:
        The paths of the two files.

    Raises:
        ValueError: If there is no exported version in the folder.
    """
    directory = Path(directory)
    names = sorted({path.parents[1].name for path in directory.glob("*/[0-9]*/saved_model.pb")})
    if not names:
        raise ValueError(
            f"directory must hold exported models, <name>/<version>/; found none in {directory}."
        )
    texts = {
        MODELS_CONFIG: _models_config(names, base_path.rstrip("/")),
        BATCHING_PARAMS: _batching_params(),
    }
    for name, text in texts.items():
        with written_whole(directory / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [directory / name for name in texts]


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
        f"max_batch_size {{ value: {BATCH_SIZES[-1]} }}",
        "batch_timeout_micros { value: 2000 }",
        "max_enqueued_batches { value: 100 }",
        *(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES),
    ]
    return "\n".join(lines) + "\n"
