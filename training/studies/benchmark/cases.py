"""What is timed: architectures and batches that every implementation builds alike."""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
    """One architecture at one size of image.

    Attributes:
        family: "glow", "real-nvp" or "jet".
        side: height and width of the images.
        width: channels of the couplings' networks; in RealNVP those of the first level's
            checkerboard couplings.
        levels: levels of the flow; half of the channels are factored out between two of them.
        steps: flow steps of a level of Glow, couplings of a level of Jet.
        blocks: blocks of a network, of RealNVP and Jet.
        channels: channels of the images.
        batch: images a batch.
        patch: side of a patch, of Jet alone.
        heads: heads of the attention, of Jet alone.
    """

    family: str
    side: int
    width: int
    levels: int
    steps: int = 0
    blocks: int = 0
    channels: int = 3
    batch: int = 32
    patch: int = 0
    heads: int = 0

    @property
    def event_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.side, self.side, self.channels

    def images(self) -> "np.ndarray":
        """Returns the batch, `[batch, height, width, channels]`, in the flows' own domain.

        Standard normal numbers: no flow learns anything from them, and none runs away.
        """
        import numpy as np

        shape = (self.batch, *self.event_shape)
        return np.random.default_rng(0).standard_normal(shape, np.float32)

    def level_shapes(self) -> list[tuple[int, int, int]]:
        """Returns what every level is given: half the side, twice the channels of the last."""
        return [
            (self.side >> level, self.side >> level, self.channels << level)
            for level in range(self.levels)
        ]

    def describe(self) -> str:
        """Returns the case in a line."""
        size = f"{self.side}×{self.side}×{self.channels}, batch {self.batch}"
        levels = _count(self.levels, "level")
        if self.family == "glow":
            return f"Glow, {levels} × {_count(self.steps, 'step')}, width {self.width}, {size}"
        if self.family == "jet":
            return (
                f"Jet, {_count(self.steps, 'coupling')} of {_count(self.blocks, 'block')}, width "
                f"{self.width}, patches of {self.patch}×{self.patch}, {size}"
            )
        blocks = _count(self.blocks, "residual block")
        return f"RealNVP, {levels}, width {self.width}, {blocks}, {size}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_GLOW = Case("glow", side=32, width=128, levels=3, steps=8)

# The case of this name stands in both series, as depth 8 and as size 32.
CENTRE = "glow"
CASES = {
    CENTRE: _GLOW,
    "real-nvp": Case("real-nvp", side=32, width=32, levels=2, blocks=2),
    "jet": Case("jet", side=32, width=128, levels=1, steps=10, blocks=2, patch=4, heads=4),
    **{f"glow-depth-{n}": dataclasses.replace(_GLOW, steps=n) for n in (4, 16, 32)},
    **{f"glow-size-{n}": dataclasses.replace(_GLOW, side=n) for n in (16, 64)},
}
# To see that everything works, in seconds; their times mean nothing.
TINY_CASES = {
    "tiny-glow": Case("glow", side=8, width=8, levels=2, steps=1, batch=4),
    "tiny-real-nvp": Case("real-nvp", side=8, width=4, levels=2, blocks=1, batch=4),
    "tiny-jet": Case(
        "jet", side=8, width=4, levels=1, steps=2, blocks=1, batch=4, patch=2, heads=2
    ),
}
ALL_CASES = CASES | TINY_CASES
