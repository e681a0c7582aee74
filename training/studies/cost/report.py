"""What a recipe costs, as a person reads it."""

from collections.abc import Iterator

from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.reports.tables import markdown
from tfp_lcma.training.studies.cost.flops import Flops
from tfp_lcma.training.studies.cost.flow_cost import Cost
from tfp_lcma.training.studies.cost.measure import Growth

_GIGA, _TERA, _MEGABYTE, _DAY = 1e9, 1e12, 2**20, 86400


def cost_report(recipe: Recipe, cost: Cost, tflops: float | None = None) -> str:
    """Returns tables of operations, memory and, if a speed is given, days.

    Args:
        recipe: what is trained, for how many steps of how many images.
        cost: what was counted of it.
        tflops: operations that a machine does in a second, in 10^12; None: no days.
    """
    return "\n\n".join(_parts(recipe, cost, tflops))


def growth_report(growth: dict[str, Growth], batch: int) -> str:
    """Returns a table of counted and measured memory.

    Args:
        growth: what was found, by `memory`.
        batch: images of the larger batch.
    """
    rows = [
        [f'memory="{memory}"', _megabytes(found.counted), _megabytes(found.measured)]
        for memory, found in growth.items()
    ]
    return markdown(
        [f"MB that a step of {batch} images takes more than of 1", "counted", "measured"], rows
    )


def _parts(recipe: Recipe, cost: Cost, tflops: float | None) -> Iterator[str]:
    shape = "×".join(map(str, cost.event_shape))
    chosen = recipe.flow.get("memory", "keep")
    yield (
        f"{recipe.name}: {recipe.model}, {cost.parameters:,} parameters, images {shape}, "
        f'batches of {recipe.batch_size}, memory="{chosen}"'
    )
    operations = {
        "log_prob": cost.log_prob,
        "sample": cost.sample,
        **{f'training step, memory="{m}"': step.flops for m, step in cost.step.items()},
        f'pre-training step (no split), memory="{chosen}"': cost.pretraining,
    }
    yield markdown(
        ["operations of convolutions and matrix products", "GFLOP an image"],
        [[name, _giga(found)] for name, found in operations.items()],
    )
    if any(found.unbounded for found in operations.values()):
        yield "≥: a loop ends by what it computes, no bound is known, and it counts as run once."
    yield markdown(
        ["memory of a training step, MB", *(f'memory="{memory}"' for memory in cost.step)],
        [
            *([name, *[_megabytes(size)] * len(cost.step)] for name, size in _standing(cost)),
            ["activations", *(_megabytes(step.activations) for step in cost.step.values())],
            ["together", *(_megabytes(_together(cost, memory)) for memory in cost.step)],
        ],
    )
    training = recipe.steps * recipe.batch_size * cost.step[chosen].flops.total
    before = recipe.pretrain_steps * recipe.batch_size * cost.pretraining.total
    yield markdown(
        ["", "steps", "operations", *(["days"] if tflops else [])],
        [
            [name, f"{steps:,}", f"{total:.2g}", *([_days(total, tflops)] if tflops else [])]
            for name, steps, total in (
                ("training", recipe.steps, training),
                ("pre-training, if data choose the split", recipe.pretrain_steps, before),
            )
        ],
    )
    if tflops:
        yield f"Days at {tflops:g} TFLOP/s throughout; evaluation and pictures not counted."


def _standing(cost: Cost) -> list[tuple[str, int]]:
    return [
        ("variables", cost.variables),
        ("the optimiser's state", cost.optimizer),
        ("gradients", cost.gradients),
    ]


def _together(cost: Cost, memory: str) -> int:
    return sum(size for _, size in _standing(cost)) + cost.step[memory].activations


def _giga(found: Flops) -> str:
    return f"{'≥ ' if found.unbounded else ''}{found.total / _GIGA:.3g}"


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:,.0f}" if size >= 10 * _MEGABYTE else f"{size / _MEGABYTE:.2g}"


def _days(operations: float, tflops: float) -> str:
    return f"{operations / (tflops * _TERA) / _DAY:.2g}"
