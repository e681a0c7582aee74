"""A SavedModel with signatures like an export's, made by hand: seconds to write, none to run.

Its flow is x = bins · sigmoid(z · scale), dimension by dimension; what matters here is that
signatures take and give what an export's do, and answer by rows.
"""

import json

import numpy as np
import tensorflow as tf

BINS = 17


class ToyExport(tf.Module):
    """The signatures of an unconditional export, or of one with classes.

    One that iterates says of every second sample that it did not converge.
    """

    def __init__(self, shape, classes, iterates):
        super().__init__()
        self.shape, self.classes, self.iterates = shape, classes, iterates
        scale = np.linspace(0.5, 1.5, np.prod(shape)).reshape(shape)
        self.scale = tf.Variable(scale, dtype="float32")

    def event_log_prob(self, images, *condition, noise=0.5):
        u = (tf.cast(images, tf.float32) + noise) / BINS
        z = (tf.math.log(u) - tf.math.log1p(-u) - self._shift(*condition)) / self.scale
        log_det = -tf.math.log(u * (1 - u)) - tf.math.log(self.scale * BINS)
        return {"event_log_prob": -0.5 * z**2 - 0.5 * np.log(2 * np.pi) + log_det}

    def log_prob(self, images, *condition, noise=0.5):
        event = self.event_log_prob(images, *condition, noise=noise)["event_log_prob"]
        total = tf.reduce_sum(event, axis=[1, 2, 3])
        return {"log_prob": total, "bits_per_dimension": -total / (np.prod(self.shape) * np.log(2))}

    def log_prob_with_seed(self, images, seed, *condition):
        noise = _by_rows(lambda row: tf.random.stateless_uniform([1, 1, 1], row, 0.1, 0.9), seed)
        return self.log_prob(images, *condition, noise=noise)

    def log_prob_float(self, images, *condition):
        return self.log_prob(images, *condition, noise=1e-3)

    def log_prob_encoded(self, files, *condition):
        def decoded(file):
            image = tf.io.decode_image(file, self.shape[-1], expand_animations=False)
            return tf.ensure_shape(image, self.shape)

        return self.log_prob(_by_rows(decoded, files, tf.uint8), *condition)

    def sample(self, seed, *condition):
        return self.sample_with_temperature(seed, tf.ones(1), *condition)

    def sample_with_temperature(self, seed, temperature, *condition):
        z = _by_rows(lambda row: tf.random.stateless_normal(self.shape, row, alg="philox"), seed)
        z = z * self.scale * temperature[:, None, None, None] + self._shift(*condition)
        images = tf.minimum(BINS * tf.sigmoid(z), np.nextafter(np.float32(BINS), np.float32(0)))
        if not self.iterates:
            return {"images": images}
        converged = tf.range(tf.shape(seed)[0]) % 2 == 0
        images = tf.where(converged[:, None, None, None], images, np.nan)
        return {"images": images, "converged": converged}

    def spin(self, steps):
        """Takes some microseconds a step."""

        def spun(count):
            return tf.while_loop(lambda step: step < count, lambda step: step + 1, [0])[0]

        return {"steps": _by_rows(spun, steps, tf.int32)}

    def signatures(self):
        """Returns the concrete functions by name."""
        images = tf.TensorSpec((None, *self.shape), tf.uint8, "images")
        seed = tf.TensorSpec((None, 2), tf.int32, "seed")
        temperature = tf.TensorSpec((None,), tf.float32, "temperature")
        specs = {
            self.log_prob: [images],
            self.event_log_prob: [images],
            self.log_prob_with_seed: [images, seed],
            self.log_prob_float: [tf.TensorSpec((None, *self.shape), tf.float32, "images")],
            self.log_prob_encoded: [tf.TensorSpec((None,), tf.string, "image_bytes")],
            self.sample: [seed],
            self.sample_with_temperature: [seed, temperature],
        }
        condition = [tf.TensorSpec((None,), tf.int32, "condition")] if self.classes else []
        made = {
            method.__name__: _concrete(method, [*inputs, *condition])
            for method, inputs in specs.items()
        }
        made["spin"] = _concrete(self.spin, [tf.TensorSpec((None,), tf.int32, "steps")])
        return made | {"serving_default": made["log_prob"]}

    def _shift(self, condition=None):
        if condition is None:
            return 0.0
        return 0.1 * tf.cast(condition, tf.float32)[:, None, None, None]


def write_export(folder, version=1, shape=(8, 8, 1), classes=None, iterates=False):
    """Writes `folder/version` with its model card; returns `folder`."""
    module = ToyExport(shape, classes, iterates)
    module.functions = module.signatures()
    tf.saved_model.save(module, str(folder / str(version)), signatures=module.functions)
    extra = folder / str(version) / "assets.extra"
    extra.mkdir()
    card = {
        "event_shape": list(shape),
        "bins": BINS,
        "conditions": classes,
        "seed": 0,
        "metrics": {"test": {"bits_per_dimension": 3.21}},
    }
    (extra / "model.json").write_text(json.dumps(card))
    return folder


def _by_rows(function, rows, dtype=tf.float32):
    return tf.map_fn(function, rows, fn_output_signature=dtype)


def _concrete(method, specs):
    # A signature's inputs are named after the specs.
    function = tf.function(lambda *args: method(*args), autograph=False)
    return function.get_concrete_function(*specs)
