"""The signatures of an exported model, as one table.

TensorFlow Serving knows no optional inputs, so every variant is a signature of
its own, and it joins requests into batches: every input and output has the rows
first, and no row's answer depends on the rows beside it.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfp_lcma.density.rows import nan_unless
from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.serving.answers import Answers
from tfp_lcma.serving.encoded import FilePixels, decode_images
from tfp_lcma.serving.fields import Field, Fields


@dataclasses.dataclass(frozen=True)
class Signature:
    """What can be asked of an exported model, and how it is answered.

    Attributes:
        name: Of the signature.
        meaning: What it answers.
        inputs: What it takes, by name, in the order of the function's arguments.
        outputs: What it returns, by name.
        function: From tensors to a dictionary of tensors; traced once, for any number of rows.
    """

    name: str
    meaning: str
    inputs: dict[str, Field]
    outputs: dict[str, Field]
    function: tf.types.experimental.PolymorphicFunction


def build_signatures(
    model: FlowModel, *, files: FilePixels | None = None, jit_compile: bool = False
) -> list[Signature]:
    """Returns the signatures of a model; the first is what is served by default.

    Args:
        model: A trained model.
        files: What is made of image files; None: none are taken.
        jit_compile: Whether XLA compiles them; files are decoded outside of it.
    """
    answers, fields = Answers(model), Fields(model)
    pixels, image, seed = fields.pixels, fields.image, fields.seed
    ways = (
        ("", "dequantised by the image alone", {"images": pixels}),
        ("_with_seed", "dequantised by the image and a seed", {"images": pixels, "seed": seed}),
        ("_int32", "dequantised by the image alone", {"images": fields.whole}),
        ("_float", "at exactly these intensities", {"images": image}),
    )
    questions = [
        (f"{density}{way}", f"{what}, {how}", inputs, outputs)
        for density, what, outputs in (
            ("log_prob", "density", fields.densities),
            ("event_log_prob", "density per dimension", fields.event_densities),
        )
        for way, how, inputs in ways
    ]
    questions += [
        (
            "log_prob_with_draws",
            "density, a bound from several draws of the noise by the image and a seed",
            {"images": pixels, "seed": seed, "draws": fields.draws},
            fields.densities,
        ),
        ("sample", "one image a seed", {"seed": seed}, fields.images),
        (
            "sample_with_temperature",
            "one image a seed, of noise times the temperature",
            {"seed": seed, "temperature": fields.temperature},
            fields.images,
        ),
        ("encode", "latents of images", {"images": image}, {"latents": fields.latents}),
        ("decode", "images of latents", {"latents": fields.latents}, fields.images),
        (
            "interpolate",
            "image of a point on the straight line between two images' latents",
            {"first": image, "second": image, "weight": fields.weight},
            fields.images,
        ),
    ]
    table = []
    for name, meaning, inputs, outputs in questions:
        inputs = inputs | fields.condition
        traced = _traced(getattr(answers, name), inputs, jit_compile or None)
        table.append(Signature(name, meaning, inputs, outputs, traced))
    if files is not None:
        by_content = [row for row in table if row.name in ("log_prob", "event_log_prob")]
        table += [_of_files(row, files, fields) for row in by_content]
    return table


def _of_files(signature: Signature, files: FilePixels, fields: Fields) -> Signature:
    """Returns a signature that takes image files where another takes pixels."""
    inputs = {"image_bytes": fields.file} | fields.condition

    def function(image_bytes, *condition):
        pixels, readable = decode_images(image_bytes, files)
        answer = signature.function(pixels, *condition)
        return {name: nan_unless(readable, value) for name, value in answer.items()}

    return Signature(
        f"{signature.name}_encoded",
        f"{signature.name} of the pixels in files",
        inputs,
        signature.outputs,
        # What is compiled begins at the pixels.
        _traced(function, inputs, jit_compile=None),
    )


def _traced(
    function: Callable[..., dict[str, tf.Tensor]],
    inputs: dict[str, Field],
    jit_compile: bool | None,
) -> tf.types.experimental.PolymorphicFunction:
    specs = [
        tf.TensorSpec((None, *field.shape), field.dtype, name=name)
        for name, field in inputs.items()
    ]
    return tf.function(function, input_signature=specs, jit_compile=jit_compile, autograph=False)
