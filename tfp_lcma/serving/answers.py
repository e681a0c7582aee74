"""What an exported model computes: from the inputs of a signature to its outputs."""

import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.density.rows import in_range, known, nan_unless
from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.serving.passes import Passes


class Answers:
    """Functions from tensors with any number of rows to dictionaries of such tensors.

    A row that makes no sense (an intensity out of range, a NaN, a class that does
    not exist) is answered by NaN, and `converged` by false: what XLA compiles
    cannot raise, and a batch may hold other people's rows beside it.

    Every method takes, last, the condition of a model that has one.
    """

    def __init__(self, model: FlowModel):
        """Answers for a trained model."""
        self._model, self._passes = model, Passes(model)
        self._seed = noise.seed_pair(model.seed)
        self._dtype = model.flow.dtype

    def log_prob(self, images, *condition):
        """Densities of whole intensities, dequantised by their content alone."""
        return self.log_prob_with_seed(images, self._seed, *condition)

    def log_prob_with_seed(self, images, seed, *condition):
        """Densities of whole intensities, dequantised by their content and a seed."""
        return self._summed(self._of_pixels(self._passes.log_prob, images, seed, *condition))

    def log_prob_int32(self, images, *condition):
        """As `log_prob`, of numbers that a byte may not hold."""
        return self._of_bytes(self.log_prob, images, *condition)

    def log_prob_float(self, images, *condition):
        """Densities at exactly these intensities."""
        return self._summed(self._of_floats(self._passes.log_prob, images, *condition))

    def event_log_prob(self, images, *condition):
        """As `log_prob`, every dimension's share."""
        return self.event_log_prob_with_seed(images, self._seed, *condition)

    def event_log_prob_with_seed(self, images, seed, *condition):
        """As `log_prob_with_seed`, every dimension's share."""
        event = self._of_pixels(self._passes.event_log_prob, images, seed, *condition)
        return {"event_log_prob": event}

    def event_log_prob_int32(self, images, *condition):
        """As `log_prob_int32`, every dimension's share."""
        return self._of_bytes(self.event_log_prob, images, *condition)

    def event_log_prob_float(self, images, *condition):
        """As `log_prob_float`, every dimension's share."""
        event = self._of_floats(self._passes.event_log_prob, images, *condition)
        return {"event_log_prob": event}

    def encode(self, images, *condition):
        """Latents of continuous images."""
        z = self._passes.encode(tf.cast(images, self._dtype), *condition)
        return {"latents": self._valid(z, in_range(images, self._model.bins), *condition)}

    def decode(self, latents, *condition):
        """Images of latents."""
        images, found = self._passes.decode(tf.cast(latents, self._dtype), *condition)
        found &= self._known(*condition)
        answer = {"images": nan_unless(found, images)}
        return answer | ({"converged": found} if self._model.flow.iterates else {})

    def sample(self, seed, *condition):
        """One image a seed."""
        return self.decode(self._noise(seed), *condition)

    def sample_with_temperature(self, seed, temperature, *condition):
        """One image a seed, of noise times the temperature."""
        factor = nan_unless(temperature >= 0, temperature)
        return self.decode(self._noise(seed) * _of_rows(factor), *condition)

    def interpolate(self, first, second, weight, *condition):
        """Images of points on the straight lines between latents."""
        start, end = (self.encode(x, *condition)["latents"] for x in (first, second))
        share = nan_unless((weight >= 0) & (weight <= 1), weight)
        return self.decode(start + _of_rows(share) * (end - start), *condition)

    def _of_pixels(self, density, images, seed, *condition):
        x, probes = self._model.density.dequantized(images, seed)
        # The lengths of an estimated log-det's series are shared: those of `FlowModel.log_prob`.
        probes = probes._replace(shared=self._seed[0])
        valid = in_range(images, self._model.bins)
        return self._valid(density(x, *probes, *condition), valid, *condition)

    def _of_bytes(self, density, images, *condition):
        valid = in_range(images, self._model.bins)
        pixels = tf.saturate_cast(images, tf.uint8)
        return {k: nan_unless(valid, v) for k, v in density(pixels, *condition).items()}

    def _of_floats(self, density, images, *condition):
        # As `FlowModel.distribution.log_prob`: the probes of the flow itself.
        probes = tf.zeros((tf.shape(images)[0], 2), tf.int32), tf.zeros((), tf.int32)
        value = density(tf.cast(images, self._dtype), *probes, *condition)
        return self._valid(value, in_range(images, self._model.bins), *condition)

    def _noise(self, seed):
        return tf.cast(noise.normal_rows(seed, self._model.event_shape, self._dtype), tf.float32)

    def _summed(self, log_prob):
        return {"log_prob": log_prob, "bits_per_dimension": self._model.density.to_bits(log_prob)}

    def _valid(self, value, valid, *condition):
        """Returns a result as float32, NaN where the image or the condition makes no sense."""
        return nan_unless(valid & self._known(*condition), tf.cast(value, tf.float32))

    def _known(self, condition=None):
        return known(condition, self._model.conditions)


def _of_rows(factor):
    """Returns one factor a row, `[n]`, in a shape that multiplies images."""
    return factor[:, None, None, None]
