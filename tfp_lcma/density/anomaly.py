"""How unlike the training images an image is: scores and maps, higher is more anomalous.

They are functions of what a model says about images, here or behind a server:

```python
bits = model.bits_per_dimension(images)  # a score already, fooled by simple images
typical = model.bits_per_dimension(training_images).mean()
lcma.anomaly.typicality(bits, typical)
lcma.anomaly.complexity_corrected(bits, images)

usual = model.event_log_prob(training_images).mean(axis=0)
lcma.anomaly.anomaly_map(model.event_log_prob(images), usual, window=3)  # [n, h, w]
```

#### References

[1]: Eric Nalisnick, Akihiro Matsukawa, Yee Whye Teh and Balaji Lakshminarayanan.
     Detecting Out-of-Distribution Inputs to Deep Generative Models Using
     Typicality. 2019. https://arxiv.org/abs/1906.02994

[2]: Joan Serrà, David Álvarez, Vicenç Gómez, Olga Slizovskaia, José F. Núñez and
     Jordi Luque. Input Complexity and Out-of-distribution Detection with
     Likelihood-based Generative Models. ICLR 2020.
     https://arxiv.org/abs/1909.11480
"""

import numpy as np
import tensorflow as tf

from tfp_lcma.validation import as_array, check_count, check_images, of_numbers

# The most channels that a PNG file holds.
_PNG_CHANNELS = 4


def typicality(bits_per_dimension: np.ndarray, typical: float) -> np.ndarray:
    """Returns how far images are from the bits per dimension of typical ones.

    ```none
    |b(x) - mean over training images of b|,  b bits per dimension
    ```

    The typicality test of [1] for batches of one image: what is too likely is
    as suspicious as what is too unlikely.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    lcma.anomaly.typicality(np.array([3.0, 5.5]), typical=4.0).tolist()  # [1.0, 1.5]
    ```

    Args:
        bits_per_dimension: Of the images, `[n]`.
        typical: Their mean over training images; over held-out ones if the flow
            has learnt the training images by heart.

    Returns:
        `[n]`, bits per dimension.

    Raises:
        ValueError: If an argument has another shape or is not finite.
    """
    bits = _finite(bits_per_dimension, 1, "bits_per_dimension")
    return np.abs(bits - _finite(typical, 0, "typical"))


def complexity_corrected(
    bits_per_dimension: np.ndarray, images: np.ndarray, bins: int = 256
) -> np.ndarray:
    """Returns how many more bits per dimension the flow needs than a lossless compressor.

    ```none
    b(x) - compressed_bits_per_dimension(x, bins)
    ```

    The score S of [2]. A compressor made for images at large gives simple images few bits, as the
    flow does, so that being simple no longer makes an image likely; read as a likelihood ratio, it
    asks whether the image is better explained by the training images than by images in general.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), "uint8")
    lcma.anomaly.complexity_corrected(np.array([7.0, 8.5]), images).tolist()  # [-1.0, 0.5]
    ```

    Args:
        bits_per_dimension: Of the images, `[n]`.
        images: uint8 (or whole parts of floats) `[n, height, width, channels]`,
            one to four channels.
        bins: Number of intensity values, as the model's.

    Returns:
        `[n]`, bits per dimension; negative where the flow needs fewer.

    Raises:
        ValueError: If an argument is not as described.
    """
    bits = _finite(bits_per_dimension, 1, "bits_per_dimension")
    compressed = compressed_bits_per_dimension(images, bins)
    if len(bits) != len(compressed):
        raise ValueError(
            f"bits_per_dimension and images must be as many; got {len(bits)} and {len(compressed)}."
        )
    return bits - compressed


def compressed_bits_per_dimension(images: np.ndarray, bins: int = 256) -> np.ndarray:
    """Returns the length of images as PNG files, in bits per dimension.

    The length of a black image's file is taken off: headers, which all files of a size share, and
    which for an 8×8 image come to 8.6 bits per dimension. A black image so has 0, another constant
    one a few bytes. Where the rest is more than `log2(bins)` it is that: the length of the pixels
    as they are, which small images of few intensities often stay below and PNG files do not.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    noise = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 1), "uint8")
    black = np.zeros((1, 8, 8, 1), "uint8")
    images = np.concatenate([noise, black])
    lcma.anomaly.compressed_bits_per_dimension(images).tolist()  # [8.0, 0.0]
    ```

    Args:
        images: uint8 (or whole parts of floats) `[n, height, width, channels]`,
            one to four channels.
        bins: Number of intensity values, as the model's.

    Returns:
        `[n]`.

    Raises:
        ValueError: If the images are not as described.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not 1 <= images.shape[-1] <= _PNG_CHANNELS:
        raise ValueError(
            f"images must have shape [n, height, width, channels], 1 to {_PNG_CHANNELS} channels; "
            f"got {list(images.shape)}."
        )
    images = np.floor(check_images(images, images.shape[1:], bins, "images")).astype(np.uint8)
    black, *lengths = _png_lengths(np.concatenate([np.zeros_like(images[:1]), images]))
    return np.minimum(8 * (np.array(lengths) - black) / images[0].size, np.log2(bins))


def anomaly_map(
    event_log_prob: np.ndarray, usual: np.ndarray | None = None, window: int = 1
) -> np.ndarray:
    """Returns where images are unlikely, pixel by pixel.

    The negative event log-probability, summed over channels. It is an
    attribution in the flow's own coordinates, exact in sum; where layers mix
    channels after a squeeze (1×1 convolutions) its resolution is their blocks.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    event_log_prob = np.full((1, 4, 4, 3), -2.0)
    event_log_prob[0, 1, 2] = -5.0
    lcma.anomaly.anomaly_map(event_log_prob)[0, 1].tolist()  # [6.0, 6.0, 15.0, 6.0]
    ```

    Args:
        event_log_prob: As `FlowModel.event_log_prob` gives it, nats,
            `[n, height, width, channels]`.
        usual: Its mean over training images, `[height, width, channels]`. With it
            the map says how much less likely a place is than it usually is, without
            it the places that always vary stand out in every image.
        window: Side of the square, an odd number of pixels, over which the map is
            averaged; at the border, over those that there are.

    Returns:
        `[n, height, width]`, nats per pixel.

    Raises:
        ValueError: If an argument has another shape or is not finite, or `window` is not odd.
    """
    surprise = -_finite(event_log_prob, 4, "event_log_prob")
    if usual is not None:
        usual = _finite(usual, 3, "usual")
        if usual.shape != surprise.shape[1:]:
            raise ValueError(
                f"usual must have the shape of an image, {list(surprise.shape[1:])}; "
                f"got {list(usual.shape)}."
            )
        surprise = surprise + usual
    if check_count(window, "window") % 2 == 0:
        raise ValueError(f"window must be odd; got {window}.")
    pixels = surprise.sum(axis=-1, keepdims=True)
    # With padding "SAME" TensorFlow averages over the pixels inside the image only.
    return tf.nn.avg_pool2d(pixels, window, strides=1, padding="SAME").numpy()[..., 0]


def _png_lengths(images: np.ndarray) -> list[int]:
    return [len(file) for file in tf.io.encode_png(images, compression=9).numpy()]


def _finite(values, rank: int, argument: str) -> np.ndarray:
    """Returns finite numbers of a rank as float64."""
    values = as_array(values, argument)
    if not of_numbers(values.dtype):
        raise ValueError(f"{argument} must hold numbers; got dtype {values.dtype}.")
    values = values.astype(np.float64)
    if values.ndim != rank or 0 in values.shape:
        raise ValueError(
            f"{argument} must have {rank} axes, none of them empty; got {list(values.shape)}."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{argument} must be finite; got NaN or infinity.")
    return values
