"""A split that is chosen while the multi-scale flow itself trains."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tfp_lcma.bijectors.variable_permutation import VariablePermutation
from tfp_lcma.factorizations.exit_price import ExitPrice, pair_prices
from tfp_lcma.factorizations.factorization import Factorization, view
from tfp_lcma.factorizations.likelihood import LikelihoodContribution, LikelihoodGain
from tfp_lcma.factorizations.ranking import check_choice
from tfp_lcma.factorizations.static import Checkerboard, random_block_order
from tfp_lcma.factorizations.statistics import LogDetStatistics
from tfp_lcma.serialization import register

_RULES = {
    "likelihood_contribution": LikelihoodContribution,
    "likelihood_gain": LikelihoodGain,
    "exit_price": ExitPrice,
}


@register
class OnlineLikelihoodContribution(Factorization):
    """Measures under random splits for a while, then decides, level by level from the top.

    ```none
    step 0 ............ decide_at[0] ............ decide_at[1] ........... end
    every step draws    level 0 is settled;       the rest is settled;
    a random split      deeper levels are drawn   nothing is drawn any more
    ```

    A dimension that is factored out must be standard normal by then and one that stays need not,
    so what a level does to a dimension depends on its present role. Under a random split within
    every 2x2 block all dimensions play both roles alike. The index of the split is a variable: the
    density is exact at every step, and nothing is traced again.

    Any model takes this factorization; `FlowModel.fit` does the drawing and the
    deciding, through the callback `OnlineSplit`. The protocol is this package's.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.OnlineLikelihoodContribution(decide_at=(500,), rule="exit_price")
    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=split)
    ```

    References:
        Das, Abbeel, Spanos: Likelihood Contribution based Multi-scale Architecture
        for Generative Flows, section 7 (a choice while training, as future work).
    """

    views = "blocks"

    def __init__(
        self,
        decide_at: Sequence[int] = (500,),
        rule: str = "likelihood_contribution",
        seed: int = 0,
        **options,
    ):
        """Creates the factorization.

        Args:
            decide_at: Optimiser steps after which a choice is made, rising: the first settles
                level 0, each next one a level more, the last one all that are left.
            rule: What is factored out: "likelihood_contribution", "likelihood_gain" or
                "exit_price", by the class of that name.
            seed: Of the random splits.
            **options: Of the rule's class, such as `granularity="level"`.

        Raises:
            ValueError: If an argument is not as described.
        """
        super().__init__()
        if "retained" in options:
            raise ValueError(
                "options must hold no retained: the random splits are into halves; got "
                f"{options!r}."
            )
        steps = [int(step) for step in decide_at]
        if not steps or steps[0] < 1 or any(b <= a for a, b in pairwise(steps)):
            raise ValueError(f"decide_at must hold rising steps >= 1; got {decide_at!r}.")
        check_choice("rule", rule, tuple(_RULES))
        self._decide_at, self._rule, self._seed = steps, rule, int(seed)
        self._options = options
        try:
            self._order_by(np.zeros((2, 2, 1, 6) if rule == "exit_price" else (4, 4, 1)))
        except TypeError as error:
            raise ValueError(
                f"options must be arguments of {_RULES[rule].__name__}; got {options!r}."
            ) from error

    @property
    def decide_at(self) -> list[int]:
        """The steps after which a choice is made."""
        return self._decide_at

    def get_config(self) -> dict:
        return {
            "decide_at": self._decide_at,
            "rule": self._rule,
            "seed": self._seed,
            **self._options,
        }

    def bijector(self, level, view_shape):
        order = VariablePermutation(view_shape)
        order.assign(Checkerboard().order(level, view_shape))
        return order

    def drawn_order(self, level: int, view_shape: Sequence[int], step: int) -> np.ndarray:
        """Returns the random order of a level at a step, a function of both and the seed."""
        random = np.random.default_rng([self._seed, level, step])
        return random_block_order(random, view_shape)

    def chosen_order(self, level: int, statistics: LogDetStatistics) -> np.ndarray:
        """Returns the order of a level by the rule.

        Args:
            level: The level to decide, those above it being settled.
            statistics: Gathered in the flow under random splits of this level.
        """
        index = statistics.level_index[level]
        if self._rule == "exit_price":
            return self._order_by(pair_prices(statistics.covariance_of(level, view(index))))
        scores = _RULES[self._rule](statistics, **self._options).scores
        return self._order_by(scores[level].ravel()[index])

    def _order_by(self, measured):
        """Applies the rule to a level as if it were an image of its own."""
        rule = _RULES[self._rule](measured[None], **self._options)
        if self._rule == "exit_price":
            height, width, channels, _ = measured.shape
            return rule.order(0, (height, width, 4 * channels))
        return rule.order(0, view(measured).shape)
