"""What goes in and out of signatures: types, shapes, and what they mean."""

import dataclasses

import tensorflow as tf

from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.serving.passes import condition_specs


@dataclasses.dataclass(frozen=True)
class Field:
    """One input or output of a signature.

    Attributes:
        dtype: Of its values.
        shape: Of one row; `()` for one value a row.
        meaning: What it holds, and in which unit.
        usual: A number that makes sense everywhere.
    """

    dtype: tf.DType
    shape: tuple[int, ...]
    meaning: str
    usual: int = 0


class Fields:
    """The inputs and outputs that the signatures of one model are put together from."""

    def __init__(self, model: FlowModel):
        """Describes them for a model."""
        shape, bins = model.event_shape, model.bins
        height, width, _ = shape
        self.pixels = Field(tf.uint8, shape, f"whole intensities from 0 to {bins - 1}")
        self.whole = Field(tf.int32, shape, f"whole intensities from 0 to {bins - 1}")
        self.image = Field(tf.float32, shape, f"intensities in [0, {bins})")
        self.file = Field(
            tf.string,
            (),
            f"a PNG or JPEG file, {height} pixels high, {width} wide; black is 0, white {bins - 1}",
        )
        self.seed = Field(tf.int32, (2,), "the same two numbers draw the same noise")
        self.draws = Field(tf.int32, (), "how many draws of the noise, from 1 to 1024", usual=1)
        self.temperature = Field(tf.float32, (), "factor of the noise, at least 0")
        self.weight = Field(tf.float32, (), "0 for the first image, 1 for the second")
        self.latents = Field(tf.float32, shape, "the image as noise, N(0, 1) per dimension")
        self.densities = {
            "log_prob": Field(tf.float32, (), "log-probability in nats"),
            "bits_per_dimension": Field(tf.float32, (), "-log_prob / (h w c log 2)"),
        }
        self.event_densities = {
            "event_log_prob": Field(tf.float32, shape, "every dimension's share in nats")
        }
        self.images = {"images": self.image}
        if model.flow.iterates:
            self.images["converged"] = Field(
                tf.bool, (), "whether the image was found; else it is NaN"
            )
        self.condition = _condition(model.conditions)


def _condition(conditions) -> dict[str, Field]:
    """Returns what a model with conditions takes beside images; nothing for one without."""
    fields = {}
    for spec in condition_specs(conditions):
        meaning = (
            f"a class from 0 to {conditions - 1}"
            if isinstance(conditions, int)
            else f"a vector of {conditions[0]} numbers"
        )
        fields[spec.name] = Field(spec.dtype, tuple(spec.shape[1:]), meaning)
    return fields
