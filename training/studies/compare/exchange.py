"""What one thing is worth in training steps of another: timed in turn, once a study."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from tfp_lcma.files import written_whole
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.studies.compare.arms import ARMS
from tfp_lcma.training.studies.timing import Ratio, collecting, ratios, ready_model

_ROUNDS, _COLLECTINGS = 30, 5


@dataclasses.dataclass(frozen=True)
class Exchange:
    """Rates of exchange between the times of steps; each is measured once and kept.

    Attributes:
        recipe: flow and optimisation.
        dataset: trained on.
        folder: where the rates are kept.
        baseline: the arm in whose steps a pre-training is counted.
        say: called with every line of progress.
    """

    recipe: Recipe
    dataset: Dataset
    folder: Path
    baseline: str
    say: Callable[[str], None]

    def of_pretraining(self) -> dict[str, float]:
        """Returns how many steps of the baseline take as long as one pre-training.

        Returns:
            `step_ratio` (a pre-training step's time over one of the baseline), the ends of
            its 95% interval `low` and `high`, `collecting` (in steps), and `steps`, all together.
        """

        def measure():
            self.say("timing steps of pre-training and baseline in turn")
            models = self._model(None), self._model_of(ARMS[self.baseline])
            middle, low, high = self._step_ratio(*models)
            (once,) = ratios(collecting(self.recipe, self.dataset), _COLLECTINGS).values()
            return {
                "step_ratio": middle,
                "low": low,
                "high": high,
                "collecting": middle * once.median,
                "steps": middle * (self.recipe.pretrain_steps + once.median),
            }

        return self._kept("exchange.json", measure)

    def of_arms(self, arm: str, other: str) -> dict[str, float]:
        """Returns how many steps of `other` take as long as one of `arm`; neither looks at data.

        Returns:
            `ratio`, and the ends of its 95% interval, `low` and `high`.
        """

        def measure():
            self.say(f"timing steps of {arm} and {other} in turn")
            models = [self._model_of(ARMS[name]) for name in (arm, other)]
            middle, low, high = self._step_ratio(*models)
            return {"ratio": middle, "low": low, "high": high}

        return self._kept(f"exchange-{arm}-{other}.json", measure)

    def _model_of(self, arm):
        recipe = self.recipe.replaced(**arm.settings)
        return ready_model(recipe, self.dataset, arm.build([], 0, 1), **arm.options)

    def _model(self, factorization):
        return ready_model(self.recipe, self.dataset, factorization)

    def _step_ratio(self, first, second) -> Ratio:
        """Returns the ratio of two models' step times."""
        batch = self.dataset.train.images[: self.recipe.batch_size]
        calls = {
            name: lambda model=model: model.train_on_batch(batch)
            for name, model in {"second": second, "first": first}.items()
        }
        return ratios(calls, _ROUNDS)["first"]

    def _kept(self, name, measure):
        """Returns what is in a file, measuring and writing it if there is none."""
        file = self.folder / name
        if not file.exists():
            rates = measure()
            with written_whole(file) as temporary:
                temporary.write_text(json.dumps(rates, indent=1), encoding="utf-8")
        return json.loads(file.read_text(encoding="utf-8"))
