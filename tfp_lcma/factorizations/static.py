"""Factorizations that look at no data."""

import numpy as np

from tfp_lcma.factorizations.factorization import StaticFactorization
from tfp_lcma.serialization import register

# RealNVP's order of the sub-positions dy * 2 + dx of a block: (0,0), (1,1), (0,1), (1,0).
CHECKERBOARD_ORDER = (0, 3, 1, 2)


@register
class Checkerboard(StaticFactorization):
    """RealNVP's split: the diagonal (0,0), (1,1) of every 2x2 block goes on.

    References:
      Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP, section 3.6.
    """

    def get_config(self) -> dict:
        return {}

    def order(self, level, view_shape):
        channels = view_shape[-1] // 4
        return (np.arange(channels) * 4 + np.array(CHECKERBOARD_ORDER)[:, None]).ravel()


@register
class Channel(StaticFactorization):
    """Glow's split: the first half of the view's entries goes on.

    The view counts channel by channel, so on one channel the upper row of every
    block goes on, on several the first channels with all their pixels.

    References:
      Kingma, Dhariwal: Glow, section 3.
    """

    def get_config(self) -> dict:
        return {}

    def order(self, level, view_shape):
        return np.arange(view_shape[-1])
