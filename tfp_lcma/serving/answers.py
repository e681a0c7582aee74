"""What an exported model computes: from the inputs of a signature to its outputs."""

import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.density.dequantization import image_seeds
from tfp_lcma.density.rows import in_range, known, nan_unless
from tfp_lcma.keras_model.flow_model import FlowModel
from tfp_lcma.serving.passes import Passes

# Draws of the noise that a row may ask for: each is a pass for all the rows beside it.
MOST_DRAWS = 1024


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
        return self._summed(self._one_draw(images, seed, 0, *condition))

    def log_prob_with_draws(self, images, seed, draws, *condition):
        """As `log_prob_with_seed`, of several draws: the bound that importance weighting makes."""
        known_number = (draws >= 1) & (draws <= MOST_DRAWS)
        most = tf.reduce_max(tf.where(known_number, draws, 1))

        def with_another(draw, total):
            one = self._one_draw(images, seed, draw, *condition)
            both = tf.reduce_logsumexp(tf.stack([total, one]), axis=0)
            return draw + 1, tf.where(draw < draws, both, total)

        first = tf.constant(1), self._one_draw(images, seed, 0, *condition)
        _, total = tf.while_loop(
            lambda draw, _: draw < most, with_another, first, parallel_iterations=1
        )
        log_prob = total - tf.math.log(tf.cast(draws, total.dtype))
        return self._summed(nan_unless(known_number, log_prob))

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
        passes = self._passes
        event = self._of_pixels(
            passes.event_noised, passes.event_log_prob, images, seed, 0, *condition
        )
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

    def _one_draw(self, images, seed, draw, *condition):
        passes = self._passes
        return self._of_pixels(passes.noised, passes.log_prob, images, seed, draw, *condition)

    def _of_pixels(self, noised, density, images, seed, draw, *condition):
        seeds = tf.broadcast_to(seed, (tf.shape(images)[0], 2))
        x, minus_log_q = noised(images, seeds, draw)
        # The lengths of an estimated log-det's series are shared: those of `FlowModel.log_prob`.
        probes = image_seeds(images, seeds, draw), self._seed[0] + draw
        valid = in_range(images, self._model.bins)
        return self._valid(density(x, *probes, *condition) + minus_log_q, valid, *condition)

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
