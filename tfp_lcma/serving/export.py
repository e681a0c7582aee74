"""Exporting a trained model as a versioned SavedModel for TensorFlow Serving."""

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_lcma.export_layout import MODEL_CARD
from tfp_lcma.files import located, temporary_sibling, within
from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.keras_model.online_split import variable_orders
from tfp_lcma.serving.checksums import write_checksums
from tfp_lcma.serving.encoded import FilePixels
from tfp_lcma.serving.model_card import card_text, model_card
from tfp_lcma.serving.network_dtype import with_network_dtype
from tfp_lcma.serving.signatures import Signature, build_signatures
from tfp_lcma.serving.versions import publish
from tfp_lcma.serving.warm_up import MOST_REQUESTS, write_warm_up
from tfp_lcma.validation import check_count


def export_saved_model(
    model: FlowModel,
    directory: str | os.PathLike,
    *,
    network_dtype: str | None = None,
    jit_compile: bool = False,
    warm_up_rows: Sequence[int] = (1,),
    recipe: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    pixels: Mapping[str, Any] | None = None,
) -> Path | str:
    """Writes `model` as the next version under `directory`.

    All signatures are over batches of one row or more, with the rows first; images are
    `[n, h, w, c]`:

    | signature | inputs | outputs |
    |---|---|---|
    | `log_prob` | `images` uint8 | `log_prob` `[n]` in nats, `bits_per_dimension` `[n]` |
    | `log_prob_with_seed` | `images` uint8, `seed` int32 `[n, 2]` | the same |
    | `log_prob_with_draws` | the same, `draws` int32 `[n]`, 1 to 1024 | the same |
    | `log_prob_float` | `images` float32 in [0, bins) | the same |
    | `log_prob_int32` | `images` int32 | the same |
    | `log_prob_encoded` | `image_bytes` `[n]`, PNG or JPEG files | the same |
    | `event_log_prob`, its variants but draws | as above | `event_log_prob`, nats `[n, h, w, c]` |
    | `sample` | `seed` | `images` float32 in [0, bins) |
    | `sample_with_temperature` | `seed`, `temperature` `[n]` | the same |
    | `encode` | `images` float32 | `latents` |
    | `decode` | `latents` | `images` |
    | `interpolate` | `first`, `second` float32, `weight` `[n]` in [0, 1] | `images` |

    Each takes `condition` too if the model has conditions: int32 `[n]` classes or float32 `[n, k]`
    vectors. Where a flow that samples by iteration returns `images`, it returns `converged` bool
    `[n]` too: where false, the image is NaN. `serving_default` is `log_prob`.

    A row's answer depends on that row alone. Densities of whole intensities are bounds from one
    dequantisation draw (or several) that depends on the image (and the seed), as `FlowModel`
    has them; those of floats are the flow's exactly there. What makes no sense, such as an
    intensity out of range, is answered by NaN, and so is an image file that is damaged, has
    another size, or would be read otherwise than for training.

    The version also holds a model card (`assets.extra/model.json`), requests by
    which TensorFlow Serving warms it up, and checksums of all files. It appears
    whole, and two exporters at once get different versions. In another file system than this
    machine's it appears file by file, `saved_model.pb` last.

    ```python
    import tempfile

    import numpy as np

    import tfp_lcma as lcma

    model = lcma.FlowModel(lcma.models.real_nvp((4, 4, 1), levels=1, width=4, blocks=1))
    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1), "uint8")
    model.initialize(images)
    folder = tempfile.mkdtemp()
    version = lcma.export_saved_model(model, f"{folder}/digits")
    version.name  # '1'
    ```

    Args:
        model: A trained `FlowModel`.
        directory: Folder of the model's versions; made if it does not exist. Text like
            `gs://bucket/name` for a file system of `tf.io.gfile`.
        network_dtype: "bfloat16": the couplings' networks compute in it, the rest
            in float32; None: as in the model.
        jit_compile: Whether XLA compiles the signatures, for every number of rows
            apart; image files are decoded outside of it.
        warm_up_rows: Numbers of rows of the warm-up requests. Of a compiled model,
            these are compiled before it is served.
        recipe: How the model was trained, for the card; what JSON can hold.
        metrics: How good it is, for the card; what JSON can hold.
        pixels: How an image file becomes an image of the model, as `tfp-lcma` has it in a run's
            settings; only its `background`, the grey behind transparent pixels from 0 to 255, is
            not the model's own. None: a background of 128.

    Returns:
        The folder of the new version, `directory/<integer>`; text where `directory` is in another
        file system.

    Raises:
        ValueError: If the model was never initialised, a weight is not finite, its
            split is still being measured, or an argument is not as described.
        OSError: If the version cannot be written, for instance to a disk that is full.
    """
    place = located(directory, "directory")
    _check_exportable(model)
    rows = [check_count(number, "warm_up_rows") for number in warm_up_rows]
    for name, given in (("recipe", recipe), ("metrics", metrics)):
        _check_plain(given, name)
    files = FilePixels.of_model(model.event_shape, model.bins, pixels)
    if network_dtype is not None:
        model = with_network_dtype(model, network_dtype)
    signatures = build_signatures(model, files=files, jit_compile=jit_compile)
    if len(rows) * len(signatures) > MOST_REQUESTS:
        raise ValueError(
            f"warm_up_rows must make at most {MOST_REQUESTS} requests to {len(signatures)} "
            f"signatures; got {len(rows)} numbers."
        )
    try:
        with temporary_sibling(within(place, "version")) as folder:
            _write_signatures(folder, model, signatures)
            requests = write_warm_up(folder, signatures, rows, model.event_shape)
            card = model_card(
                model,
                signatures,
                recipe=recipe,
                metrics=metrics,
                files=files,
                network_dtype=network_dtype,
                jit_compile=jit_compile,
                warm_up_requests=requests,
            )
            (folder / MODEL_CARD).parent.mkdir(exist_ok=True)
            (folder / MODEL_CARD).write_text(card_text(card), encoding="utf-8")
            write_checksums(folder)
            version = publish(folder, place)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", None) or error
        raise OSError(f"the export cannot be written to {place}: {reason}") from error
    if rows and not requests:
        warnings.warn(
            f"{version} has no warm-up requests: for these, install tensorflow-serving-api, "
            'with pip install "tfp_lcma[serving]".',
            stacklevel=2,
        )
    return version


def _write_signatures(folder: Path, model: FlowModel, signatures: Sequence[Signature]) -> None:
    """Writes the SavedModel itself."""
    # Concrete functions, of which nothing is traced again while saving.
    served = {
        signature.name: signature.function.get_concrete_function() for signature in signatures
    }
    served["serving_default"] = served[signatures[0].name]
    module = tf.Module()
    # A Keras model is no tf.Module: without this list, a session does not find the weights.
    module.weights = [variable.value for variable in model.weights]
    # What is served is not differentiated: gradients of our own are not traced again for it.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, os.fspath(folder), signatures=served, options=options)


def _check_exportable(model: FlowModel) -> None:
    model._check_initialized()
    if not all(order.decided for order in variable_orders(model.flow)):
        raise ValueError(
            "model must have settled its split to be exported: train it beyond the last of "
            f"decide_at={model.flow.factorization.decide_at}."
        )
    for variable in model.variables:
        if not np.isfinite(variable.numpy()).all():
            raise ValueError(
                f"model must have finite weights to be exported; {variable.path} has not."
            )


def _check_plain(value, argument: str) -> None:
    """Raises a ValueError if JSON cannot hold a value."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{argument} must be what JSON can hold; {error}.") from error
