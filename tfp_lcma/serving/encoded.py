"""Image files to pixels, within a graph."""

import tensorflow as tf

# Numbers of channels that files can be decoded to: grey, colour, colour with transparency.
ENCODED_CHANNELS = (1, 3, 4)


def decode_images(files: tf.Tensor, event_shape: tuple[int, int, int]) -> tf.Tensor:
    """Returns the pixels of PNG or JPEG files, uint8 `[n, height, width, channels]`.

    Grey becomes colour and the other way round, as `event_shape` asks; a size is never changed.

    Args:
        files: Contents of the files, strings `[n]`.
        event_shape: `(height, width, channels)` that every image must have.

    Raises:
        tf.errors.InvalidArgumentError: When run, if a file is neither PNG nor JPEG,
            is damaged, or its image has another size.
    """

    def decode(contents):
        # Reads JPEG as well, and unlike `decode_image` no animations.
        image = tf.io.decode_png(contents, channels=event_shape[-1])
        return tf.ensure_shape(image, event_shape)

    return tf.map_fn(decode, files, fn_output_signature=tf.TensorSpec(event_shape, tf.uint8))
