"""Keras' convolution, for images with their channels last."""

import keras


def convolution(filters: int, kernel_size: int, **options) -> keras.layers.Conv2D:
    """Returns a `keras.layers.Conv2D` on `[batch, height, width, channels]`.

    This package's images have their channels last, whatever `keras.config.image_data_format()` is.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel.
        **options: Of `keras.layers.Conv2D`.
    """
    return keras.layers.Conv2D(filters, kernel_size, data_format="channels_last", **options)
