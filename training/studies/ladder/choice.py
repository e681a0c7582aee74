"""Which of a plan's own arms go on to the longest rung: chosen once, and written down."""

import json
from pathlib import Path

from tfp_lcma.files import written_whole
from tfp_lcma.training.studies.compare.paired import Difference, paired_difference
from tfp_lcma.training.studies.ladder.plan import Plan
from tfp_lcma.training.studies.results import ResultsFile, find

CHOSEN = "chosen.json"


def chosen_arms(plan: Plan, folder: Path) -> tuple[str, ...] | None:
    """Returns the best of a plan's own arms, choosing them if all that it takes has been run.

    The best have the lowest mean difference from the baseline on validation images, over the seeds
    that select, at the plan's rung. Runs that failed drop their arm; an arm that split as the
    baseline or a better one at every seed is that one.

    Args:
        plan: says among which, how many, and at which rung.
        folder: of the ladder; the choice is kept in it.

    Returns:
        Names, the best first; None until the runs are there.

    Raises:
        ValueError: a file is damaged.
    """
    file = folder / CHOSEN
    if file.exists():
        return tuple(json.loads(file.read_text(encoding="utf-8"))["chosen"])
    rows = ResultsFile(folder / str(plan.chosen_at) / "results.jsonl").rows()
    runs = {
        name: [find(rows, name, seed) for seed in plan.seeds["select"]]
        for name in (plan.baseline, *plan.own)
    }
    if any(None in found for found in runs.values()):
        return None
    differences = _differences(plan, runs)
    chosen: list[str] = []
    for name in sorted(differences, key=lambda name: differences[name].mean):
        shared = {row.get("same_as") for row in runs[name]}
        if len(chosen) < plan.best and not shared <= {plan.baseline, *chosen}:
            chosen.append(name)
    why = {name: {"difference": d.mean, "interval": d.interval} for name, d in differences.items()}
    with written_whole(file) as temporary:
        found = {
            "chosen": chosen,
            "rule": f"the {plan.best} lowest mean differences from {plan.baseline} on validation "
            f"images, after {plan.chosen_at} steps, over seeds {list(plan.seeds['select'])}, "
            f"without arms that split as {plan.baseline} or a better one at every seed",
            "differences": why,
        }
        temporary.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return tuple(chosen)


def _differences(plan: Plan, runs) -> dict[str, Difference]:
    bits = {
        name: {row["seed"]: row["validation"]["bits_per_dimension"] for row in found}
        for name, found in runs.items()
        if not any("failed" in row for row in found)
    }
    reference = bits.get(plan.baseline, {})
    found = {name: paired_difference(bits[name], reference) for name in plan.own if name in bits}
    return {name: difference for name, difference in found.items() if difference is not None}
