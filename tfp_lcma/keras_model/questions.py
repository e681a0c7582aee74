"""What a trained model can be asked about arrays of images: densities, samples, latents."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfp_lcma import noise
from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.density.distribution import FlowDistribution
from tfp_lcma.density.image_density import ImageDensity
from tfp_lcma.validation import (
    as_array,
    check_condition,
    check_count,
    check_images,
    of_numbers,
    warn_if_scaled,
)

# Images in one pass of the methods that take arrays.
_CHUNK = 256


class Questions:
    """The questions that `FlowModel` answers about images of whole-number intensities.

    Images are uint8, or floats in [0, bins), `[n, height, width, channels]`. `condition` is given
    to a model that has `conditions`, and to no other: classes `[n]` or one for all, or vectors
    `[n, k]` or one for all. Every method raises a ValueError if images or condition are not as
    described, or if the model was never trained or initialised.
    """

    # Of the model.
    bins: int
    conditions: int | tuple[int, ...] | None
    density: ImageDensity
    distribution: FlowDistribution
    event_shape: tuple[int, int, int]
    flow: FlowBijector
    seed: int
    _compiled_functions: dict[str, Callable]

    def _check_initialized(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} lacks _check_initialized().")

    def log_prob(self, x, condition=None, draws: int = 1, seed: int | None = None) -> np.ndarray:
        """Returns a lower bound on the log-probability of images, in nats.

        ```none
        logsumexp over draws u_k of [log p(x + u_k) - log q(u_k | x)] - log draws
        ```

        Draws are taken one after the other, in the memory of one.

        Args:
            x: uint8 images, or floats in [0, bins), `[n, height, width, channels]`.
            condition: What the images are conditioned on.
            draws: Number of dequantisation draws; more tighten the bound.
            seed: Seed of the draws; None: the model's.

        Returns:
            `[n]`.
        """
        return self._log_prob_of(self._seen(x, condition), draws, seed)

    def _log_prob_of(self, rows, draws, seed):
        draws = check_count(draws, "draws")
        samples = [self._by_draw(self.density.log_prob, rows, seed, draw) for draw in range(draws)]
        return np.logaddexp.reduce(np.stack(samples), axis=0) - float(np.log(draws))

    def bits_per_dimension(
        self, x, condition=None, draws: int = 1, seed: int | None = None
    ) -> np.ndarray:
        """Returns -log_prob / (D log 2) for every image: an upper bound, in bits per dimension."""
        return self.density.to_bits(self.log_prob(x, condition, draws, seed))

    def event_log_prob(self, x, condition=None, seed: int | None = None) -> np.ndarray:
        """Returns each dimension's share of `log_prob`, in nats, in the shape of `x`.

        Of one draw, log q among it: in sum a bound, which no share is by itself.
        """
        return self._by_draw(self.density.event_log_prob, self._seen(x, condition), seed, draw=0)

    def class_probabilities(
        self,
        x,
        prior: Sequence[float] | None = None,
        draws: int = 1,
        seed: int | None = None,
    ) -> np.ndarray:
        """Returns the probability of every class given each image, by Bayes' rule.

        ```none
        P(class | x) = p(x | class) P(class) / sum over classes of the same
        ```

        All classes see the same dequantisation noise; p(x | class) is the bound of `log_prob`.

        Args:
            x: Images.
            prior: P(class), one number a class; None: all alike.
            draws: Number of dequantisation draws.
            seed: Seed of the draws; None: the model's.

        Returns:
            `[n, classes]`, rows summing to 1.

        Raises:
            ValueError: If the model is not conditioned on classes, or `prior` is
                no distribution over them.
        """
        if not isinstance(self.conditions, int):
            raise ValueError(
                "class_probabilities() needs a flow that is conditioned on a number of classes; "
                f"this one has conditions={self.conditions}."
            )
        classes = self.conditions
        shares = np.full(classes, 1 / classes) if prior is None else as_array(prior, "prior")
        numbers = shares.shape == (classes,) and of_numbers(shares.dtype)
        sound = numbers and (shares >= 0).all()
        if not sound or abs(shares.sum() - 1) > 1e-6:
            raise ValueError(
                f"prior must hold {classes} probabilities that sum to 1; got {shares}."
            )
        images, _ = self._seen(x, 0)
        every = (np.full(len(images), k, np.int32) for k in range(classes))
        scores = [self._log_prob_of((images, k), draws, seed) for k in every]
        with np.errstate(divide="ignore"):
            joint = np.stack(scores, axis=-1).astype(np.float64) + np.log(shares)
        joint -= joint.max(axis=-1, keepdims=True)
        return np.exp(joint) / np.exp(joint).sum(axis=-1, keepdims=True)

    def sample(
        self,
        n: int,
        condition=None,
        seed: int | None = None,
        temperature: float | Sequence[float] = 1.0,
    ) -> np.ndarray:
        """Returns `n` images as float32 in [0, bins); their whole parts are intensities.

        Args:
            n: Number of images.
            condition: What to condition them on.
            seed: Whole number; the same seed gives the same images. None: any.
            temperature: Scale of the noise, one number or one per level.
        """
        self._check_initialized()
        n = check_count(n, "n")
        seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        shape = (n, *self.event_shape)
        z = tf.random.stateless_normal(shape, noise.seed_pair(seed), dtype=self.flow.dtype)
        return self._as_images(self.decode(self.distribution.temper(z, temperature), condition))

    def encode(self, x, condition=None) -> np.ndarray:
        """Returns the latents of images; whole numbers stand for the middle of their bin."""
        rows = self._mid_bin(*self._seen(x, condition))
        return self._by_chunks("encode", self.distribution.encode, rows)

    def decode(self, z, condition=None) -> np.ndarray:
        """Returns images of latents `[n, height, width, channels]`, as continuous intensities."""
        self._check_initialized()
        z = as_array(z, "z")
        if z.ndim != 4 or len(z) == 0 or z.shape[1:] != self.event_shape:
            raise ValueError(
                f"z must have shape [n, {', '.join(map(str, self.event_shape))}], n >= 1; "
                f"got {list(z.shape)}."
            )
        if not of_numbers(z.dtype):
            raise ValueError(f"z must hold numbers; got dtype {z.dtype}.")
        z = z.astype(self.flow.dtype.as_numpy_dtype)
        if not np.isfinite(z).all():
            raise ValueError("z must be finite; got NaN or infinity.")
        condition = check_condition(condition, self.conditions, len(z), "condition")
        images = self._by_chunks("decode", self.distribution.decode, (z, condition))
        lost = np.isnan(images).any(axis=(1, 2, 3)).sum() if self.flow.iterates else 0
        if lost:
            raise ValueError(
                f"z must have images that the flow's iteration finds; got {lost} of {len(z)} rows "
                "for which it did not converge."
            )
        return images

    def interpolate(
        self, start, end, condition=None, steps: int = 8, spherical: bool = False
    ) -> np.ndarray:
        """Walks between images in noise space: `[n, steps, height, width, channels]`.

        All images of a walk have one condition.
        """
        first, last = (
            self._rows(x, condition, name) for x, name in ((start, "start"), (end, "end"))
        )
        warn_if_scaled(self.bins, start=first[0], end=last[0])
        (first, condition), (last, _) = self._mid_bin(*first), self._mid_bin(*last)
        if len(first) != len(last):
            raise ValueError(
                f"start and end must be as many; got {len(first)} and {len(last)} images."
            )
        path = self.distribution.interpolate(first, last, condition, steps, spherical)
        return self._as_images(path.numpy())

    # Helpers.

    def _by_draw(self, function, rows, seed, draw):
        """Runs one of the two over the whole parts of an array of images."""
        images, condition = rows
        images = np.floor(images).astype(np.uint8)
        arguments = (self._seed(seed), tf.constant(draw))

        def of_rows(images, condition, seed, draw):
            return function(images, seed, draw, condition)

        return self._by_chunks(function.__name__, of_rows, (images, condition), *arguments)

    def _seed(self, seed):
        return noise.seed_pair(self.seed if seed is None else seed)

    def _as_images(self, x):
        """Clips continuous intensities to the range of images."""
        return np.clip(x, 0, np.nextafter(np.float32(self.bins), 0)).astype(np.float32)

    def _by_chunks(
        self,
        key: str,
        function: Callable[..., tf.Tensor],
        rows: tuple[np.ndarray, np.ndarray | None],
        *arguments: tf.Tensor,
    ) -> np.ndarray:
        """Runs a function of images and condition over rows of both, a bounded number at a time.

        Args:
            key: Name under which it is kept once compiled.
            function: Called with a chunk of either, and with `arguments`.
            rows: Images, or latents, and the condition or None.
            *arguments: Tensors that are the same for all chunks.
        """
        conditional = rows[1] is not None
        arrays = [array for array in rows if array is not None]
        if key not in self._compiled_functions:
            specs = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
            specs += [tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments]
            # TensorFlow counts tracings by a function's code and warns of five: here every model's
            # every question has the same code. A partial is counted by itself.
            called = functools.partial(function if conditional else _unconditional(function))
            self._compiled_functions[key] = tf.function(
                called, input_signature=specs, autograph=False
            )
        compiled = self._compiled_functions[key]
        starts = range(0, len(arrays[0]), _CHUNK)
        chunks = [compiled(*(a[i : i + _CHUNK] for a in arrays), *arguments) for i in starts]
        return np.concatenate([chunk.numpy() for chunk in chunks])

    def _rows(self, x, condition, argument="x"):
        """Returns checked images and condition."""
        self._check_initialized()
        images = check_images(x, self.event_shape, self.bins, argument)
        return images, check_condition(condition, self.conditions, len(images), "condition")

    def _seen(self, x, condition, argument="x"):
        """Returns checked images and condition; warns of images that look scaled."""
        rows = self._rows(x, condition, argument)
        warn_if_scaled(self.bins, **{argument: rows[0]})
        return rows

    def _mid_bin(self, images, condition):
        """Returns images as continuous intensities, whole numbers in the middle of their bin."""
        middle = images + 0.5 if images.dtype.kind in "ui" else images
        return middle.astype(self.flow.dtype.as_numpy_dtype), condition


def _unconditional(function):
    """Returns a function of images and a condition without the condition, which is None."""
    return lambda x, *others: function(x, None, *others)
