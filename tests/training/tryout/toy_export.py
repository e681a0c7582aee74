"""A SavedModel with the signatures of an export, made by hand: seconds to write, none to run.

Its flow is x = bins · sigmoid(z · scale), dimension by dimension; what matters here is that
every signature is there, takes and gives what an export's does, and answers by rows.
"""

import json

import numpy as np
import tensorflow as tf

BINS = 17


class ToyExport(tf.Module):
    """The signatures of an unconditional export, or of one with classes.

    One that iterates says of every second sample that it did not converge.
    """

    def __init__(self, shape=(8, 8, 1), classes=None, iterates=False):
        super().__init__()
        self.shape, self.classes, self.iterates = shape, classes, iterates
        self.scale = tf.Variable(
            np.linspace(0.5, 1.5, np.prod(shape)).reshape(shape), dtype="float32"
        )

    def _density(self, images, condition=None, noise=0.5):
        u = (tf.cast(images, tf.float32) + noise) / BINS
        logit = tf.math.log(u) - tf.math.log1p(-u)
        z = (logit - self._shift(condition)) / self.scale
        log_det = -tf.math.log(u * (1 - u)) - tf.math.log(self.scale * BINS)
        return -0.5 * z**2 - 0.5 * np.log(2 * np.pi) + log_det

    def _images(self, z, condition=None):
        x = BINS * tf.sigmoid(z * self.scale + self._shift(condition))
        images = tf.minimum(x, np.nextafter(np.float32(BINS), np.float32(0)))
        if not self.iterates:
            return {"images": images}
        converged = tf.range(tf.shape(z)[0]) % 2 == 0
        images = tf.where(converged[:, None, None, None], images, np.nan)
        return {"images": images, "converged": converged}

    def _shift(self, condition):
        if condition is None:
            return 0.0
        return 0.1 * tf.cast(condition, tf.float32)[:, None, None, None]

    def _noise(self, seed):
        return tf.map_fn(
            lambda row: tf.random.stateless_normal(self.shape, row, alg="philox"),
            seed,
            fn_output_signature=tf.TensorSpec(self.shape, tf.float32),
        )

    def _decode(self, files):
        return tf.map_fn(
            lambda file: tf.ensure_shape(
                tf.io.decode_image(file, self.shape[-1], expand_animations=False), self.shape
            ),
            files,
            fn_output_signature=tf.TensorSpec(self.shape, tf.uint8),
        )

    def _total(self, event):
        total = tf.reduce_sum(event, axis=[1, 2, 3])
        dimensions = np.prod(self.shape)
        return {"log_prob": total, "bits_per_dimension": -total / (dimensions * np.log(2))}

    def signatures(self):
        """Returns the concrete functions by name."""
        pixels = tf.TensorSpec((None, *self.shape), tf.uint8, name="images")
        floats = tf.TensorSpec((None, *self.shape), tf.float32, name="images")
        files = tf.TensorSpec((None,), tf.string, name="image_bytes")
        seed = tf.TensorSpec((None, 2), tf.int32, name="seed")
        numbers = tf.TensorSpec((None,), tf.float32, name="temperature")
        told = [tf.TensorSpec((None,), tf.int32, name="condition")] if self.classes else []

        def seeded(images, seed, condition=None):
            u = tf.map_fn(
                lambda row: tf.random.stateless_uniform(self.shape, row, 0.01, 0.99, alg="philox"),
                seed,
                fn_output_signature=tf.TensorSpec(self.shape, tf.float32),
            )
            return self._density(images, condition, u)

        densities = {
            "": (lambda images, condition=None: self._density(images, condition), [pixels]),
            "_with_seed": (seeded, [pixels, seed]),
            "_float": (
                lambda images, condition=None: self._density(images, condition, 1e-3),
                [floats],
            ),
            "_encoded": (
                lambda image_bytes, condition=None: self._density(
                    self._decode(image_bytes), condition
                ),
                [files],
            ),
        }
        made = {}
        for suffix, (event, specs) in densities.items():
            made["log_prob" + suffix] = self._concrete(
                lambda *args, event=event: self._total(event(*args)), [*specs, *told]
            )
            made["event_log_prob" + suffix] = self._concrete(
                lambda *args, event=event: {"event_log_prob": event(*args)}, [*specs, *told]
            )

        def sample(seed, condition=None):
            return self._images(self._noise(seed), condition)

        def sample_with_temperature(seed, temperature, condition=None):
            return self._images(self._noise(seed) * temperature[:, None, None, None], condition)

        made["sample"] = self._concrete(sample, [seed, *told])
        made["sample_with_temperature"] = self._concrete(
            sample_with_temperature, [seed, numbers, *told]
        )
        return made | {"serving_default": made["log_prob"]}

    @staticmethod
    def _concrete(function, specs):
        # A signature's inputs are named after the specs.
        return tf.function(lambda *args: function(*args)).get_concrete_function(*specs)


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
        "dtype": "float32",
        "conditions": classes,
        "metrics": {"test": {"bits_per_dimension": 3.21}},
    }
    (extra / "model.json").write_text(json.dumps(card))
    return folder
