"""What a study is about: its arms, the one that all are compared with, and its questions."""

import dataclasses
from collections.abc import Sequence

from tfp_lcma.registry import check_name
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.studies.compare.arms import (
    ARMS,
    DEQUANTIZATIONS,
    EXIT_PRIORS,
    QUARTERS,
    SHUFFLES,
    SPLITS,
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A kind of study.

    Attributes:
        title: of the report.
        arms: names out of `ARMS`.
        baseline: the arm that all others are compared with.
        called: what sentences call the baseline.
        subjects: arms whose comparison with the baseline was asked for beforehand, and what
            sentences call them.
        kinds: kinds of arms of which the best is named.
        questions: further ones: an arm, and what it is compared with.
        follows_channels: whether every run looks at which channels are factored out, and how
            Gaussian they are.
    """

    title: str
    arms: tuple[str, ...]
    baseline: str
    called: str
    subjects: dict[str, str]
    kinds: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]
    follows_channels: bool = False

    def choose(self, names: Sequence[str], argument: str) -> tuple[str, ...]:
        """Returns the names, the baseline first, since everything is compared with it.

        Args:
            names: of arms; none at all stay none.
            argument: what to call them in an error.

        Raises:
            ValueError: there is no such arm.
        """
        for name in names:
            check_name(argument, name, self.arms)
        return tuple(dict.fromkeys((self.baseline, *names))) if names else ()

    def possible(self, recipe: Recipe) -> list[str]:
        """Returns the arms that the recipe's model has the options for."""
        return [name for name in self.arms if all(map(recipe.takes, ARMS[name].needs))]


COMPARISONS = {
    "splits": Comparison(
        title="What is factored out: a comparison of splits",
        arms=tuple(SPLITS),
        baseline="checkerboard",
        called="the static checkerboard",
        subjects={"lcma": "LCMA"},
        kinds=("data", "static"),
        questions=(
            ("exit-price-level", "checkerboard"),
            ("haar", "checkerboard"),
            ("karhunen-loeve", "checkerboard"),
            ("lcma", "checkerboard"),
            ("lcma", "complement"),
            ("lcma-position-aware", "lcma"),
            ("exit-price-position-aware", "exit-price"),
            ("lcma-averaged", "lcma"),
            ("lcma-warm", "checkerboard-warm"),
            ("checkerboard-warm", "checkerboard"),
            ("whitened", "checkerboard"),
            ("whitened", "learned-convolution"),
            ("least-squares-exit", "checkerboard-gaussian"),
            ("whitened-least-squares", "checkerboard-gaussian"),
            ("whitened-least-squares", "learned-convolution-gaussian"),
            ("whitened-least-squares", "whitened-gaussian"),
        ),
    ),
    "exit-priors": Comparison(
        title="What is factored out, and under which prior: a comparison",
        arms=tuple(EXIT_PRIORS),
        baseline="conditional-gaussian",
        called="the conditional Gaussian",
        subjects={
            "channel-autoregressive": "The channel-autoregressive prior",
            "standard-normal": "The standard normal",
        },
        kinds=(),
        questions=(
            ("channel-autoregressive", "conditional-gaussian"),
            ("channel-autoregressive", "conditional-gaussian-as-long"),
            ("channel-autoregressive-lcma", "channel-autoregressive"),
            ("standard-normal", "conditional-gaussian"),
        ),
    ),
    "patches": Comparison(
        title="Which of a patch's dimensions are factored out: a comparison",
        arms=("channel", "learned-convolution", "lcma", "lcma-channel", *QUARTERS, "no-split"),
        baseline="channel",
        called="JetFormer's fixed half",
        subjects={"lcma": "LCMA", "learned-convolution": "A learned linear map"},
        kinds=(),
        questions=(
            ("channel", "no-split"),
            ("lcma", "channel"),
            ("lcma-channel", "channel"),
            ("learned-convolution", "channel"),
            ("channel-quarter", "no-split"),
            ("lcma-quarter", "channel-quarter"),
            ("lcma-channel-quarter", "channel-quarter"),
            ("learned-convolution-quarter", "channel-quarter"),
        ),
    ),
    "shuffles": Comparison(
        title="Shuffles before the split: a comparison",
        arms=("channel", *SHUFFLES, "learned-convolution", "lcma-view", "lcma-channel"),
        baseline="channel",
        called="the split without a shuffle",
        subjects={
            "entropy-published": "The published shuffle",
            "entropy-invariant": "The invariant shuffle",
        },
        kinds=(),
        questions=(
            ("entropy-published", "channel"),
            ("entropy-published", "random-channels"),
            ("entropy-published", "entropy-published-weight-0"),
            ("entropy-published", "entropy-invariant"),
            ("entropy-invariant", "channel"),
            ("entropy-invariant", "random-channels"),
            ("entropy-invariant", "entropy-reversed"),
            ("entropy-invariant", "learned-convolution"),
            ("entropy-invariant", "lcma-view"),
        ),
        follows_channels=True,
    ),
    "dequantization": Comparison(
        title="Uniform and variational dequantisation: a comparison of bounds",
        arms=tuple(DEQUANTIZATIONS),
        baseline="uniform-dequantization",
        called="uniform dequantisation",
        subjects={"variational-dequantization": "Variational dequantisation"},
        kinds=(),
        questions=(
            ("variational-dequantization", "uniform-dequantization"),
            ("variational-dequantization", "uniform-dequantization-as-long"),
        ),
    ),
}
