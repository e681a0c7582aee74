"""What a pre-training is worth in steps of the baseline: both are timed in turn, once a study."""

import json
from collections.abc import Callable
from pathlib import Path

from tfp_lcma.factorizations import Checkerboard
from tfp_lcma.files import written_whole
from training.datasets import Dataset
from training.recipe import Recipe
from training.timing import collecting_steps, fresh_model, ratio, timed

_ROUNDS = 30


def baseline_steps(
    recipe: Recipe, dataset: Dataset, file: Path, say: Callable[[str], None]
) -> dict[str, float]:
    """Returns how many steps of the baseline take as long as one pre-training.

    Args:
        recipe: flow and optimisation.
        dataset: trained on.
        file: where the answer is kept; it is measured if there is none.
        say: told what is going on.

    Returns:
        `step_ratio` (a pre-training step's time over a baseline step's), the ends of its 95%
        interval `low` and `high`, `collecting` (in baseline steps), and `steps`, all together.
    """
    if file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    say("timing steps of pre-training and baseline in turn")
    batch = dataset.train.images[: recipe.batch_size]
    models = {
        "baseline": fresh_model(recipe, dataset, Checkerboard()),
        "pre-training": fresh_model(recipe, dataset, None),
    }
    calls = {
        name: lambda model=model: model.train_on_batch(batch) for name, model in models.items()
    }
    durations = timed(calls, _ROUNDS)
    middle, low, high = ratio(durations["pre-training"], durations["baseline"])
    collecting = middle * collecting_steps(recipe, dataset)
    exchange = {
        "step_ratio": middle,
        "low": low,
        "high": high,
        "collecting": collecting,
        "steps": middle * recipe.pretrain_steps + collecting,
    }
    with written_whole(file) as temporary:
        temporary.write_text(json.dumps(exchange, indent=1), encoding="utf-8")
    return exchange
