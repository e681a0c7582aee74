"""A network that turns an image into the features that a flow is conditioned on."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfp_lcma.networks.convolution import convolution
from tfp_lcma.serialization import register
from tfp_lcma.validation import check_count


@register
class ImageFeatures(keras.layers.Layer):
    """Convolutions over an image, at its own resolution or, squeezed, at half of it.

    ```none
    h_0 = conv3x3(image, its 2x2 blocks as channels if squeezed)
    h_k = h_(k-1) + conv3x3(relu(h_(k-1)))
    ```

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    network = lcma.networks.ImageFeatures((4, 4, 3), width=6, squeezed=True)
    tuple(network(tf.zeros((2, 4, 4, 3))).shape)  # (2, 2, 2, 6)
    ```
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 32,
        blocks: int = 2,
        squeezed: bool = False,
        **kwargs,
    ):
        """Creates the network, built.

        Args:
            image_shape: `(height, width, channels)` of the images.
            width: Number of channels of the features.
            blocks: Residual blocks, of one convolution each.
            squeezed: Whether features have half of the image's height and width.
            **kwargs: Of `keras.layers.Layer`.

        Raises:
            ValueError: If a number is not a whole one >= 1, or an odd side is to be halved.
        """
        super().__init__(**kwargs)
        self.image_shape = tuple(check_count(size, "image_shape") for size in image_shape)
        self.width, self.squeezed = check_count(width, "width"), bool(squeezed)
        if self.squeezed and any(side % 2 for side in self.image_shape[:2]):
            raise ValueError(
                "image_shape must have an even height and width to be squeezed; got "
                f"{self.image_shape}."
            )
        policy = self.dtype_policy

        def conv():
            return convolution(
                width, 3, padding="same", kernel_initializer="he_normal", dtype=policy
            )

        self.conv_in = conv()
        self.blocks = [conv() for _ in range(check_count(blocks, "blocks"))]
        self.build()

    def build(self, input_shape=None):
        sides, channels = self._sides, self.image_shape[-1]
        self.conv_in.build((None, *sides, 4 * channels if self.squeezed else channels))
        for block in self.blocks:
            block.build((None, *sides, self.width))
        self.built = True

    @property
    def _sides(self):
        """Height and width of the features."""
        height, width, _ = self.image_shape
        return (height // 2, width // 2) if self.squeezed else (height, width)

    def call(self, image):
        if self.squeezed:
            image = tf.nn.space_to_depth(image, 2)
        hidden = self.conv_in(image)
        for block in self.blocks:
            hidden += block(tf.nn.relu(hidden))
        return hidden

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self._sides, self.width)

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "width": self.width,
            "blocks": len(self.blocks),
            "squeezed": self.squeezed,
        }
