"""The floor: what the convolutions of a case cost when nothing is done but them.

No implementation with these convolutions can be faster, so how far above the
floor one stands says how much time is its own. Counted are the convolutions
of the couplings' networks and Glow's 1x1 convolutions, which all
implementations have; Glow's exit priors, which some lack, are not.
"""

import dataclasses

import numpy as np

from tfp_lcma.training.studies.benchmark.cases import Case


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A "same" convolution of stride 1 on square images.

    Attributes:
        side: height and width of the image.
        inputs: channels read.
        outputs: channels written.
        size: height and width of the kernel.
    """

    side: int
    inputs: int
    outputs: int
    size: int

    def kernel(self, number: int) -> np.ndarray:
        """Returns `[size, size, inputs, outputs]` that neither amplifies nor dampens noise."""
        shape = (self.size, self.size, self.inputs, self.outputs)
        values = np.random.default_rng(number).standard_normal(shape, np.float32)
        return values / np.float32(np.sqrt(np.prod(shape[:3])))

    def follows(self, other: "Convolution | None") -> bool:
        """Says whether it can read the result of another, or its first channels."""
        return other is not None and other.side == self.side and other.outputs >= self.inputs

    @property
    def multiplications(self) -> int:
        """Multiplications an image."""
        return self.side**2 * self.inputs * self.outputs * self.size**2


def convolutions(case: Case) -> list[Convolution]:
    """Returns a case's convolutions, from the data to the latents."""
    found = []
    for number, (side, _, channels) in enumerate(case.level_shapes()):
        if case.family == "glow":
            found += case.steps * _glow_step(side // 2, 4 * channels, case.width)
            continue
        width, last = case.width << number, number == case.levels - 1
        masked = _residual_network(side, 2 * channels + 1, 2 * channels, width, case.blocks)
        found += (4 if last else 3) * masked
        if not last:
            # Half of 4c channels, doubled by their negatives, in; shift and scale of half out.
            halved = (side // 2, 4 * channels, 4 * channels, 2 * width, case.blocks)
            found += 3 * _residual_network(*halved)
    return found


def _glow_step(side, channels, width):
    return [
        Convolution(side, channels, channels, 1),
        Convolution(side, channels // 2, width, 3),
        Convolution(side, width, width, 1),
        Convolution(side, width, channels, 3),
    ]


def _residual_network(side, features, outputs, width, blocks):
    return [
        Convolution(side, features, width, 3),
        *(2 * blocks * [Convolution(side, width, width, 3)]),
        Convolution(side, width * (blocks + 1), width, 1),
        Convolution(side, width, outputs, 1),
    ]
