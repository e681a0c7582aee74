"""The plan of a ladder: what is run at which length, with which seeds, in which order.

A TOML file:

    data = "photos16"
    model = "real_nvp"
    baseline = "checkerboard"
    select_seeds = "0-2"
    report_seeds = "10-15"
    own = ["exit-price-level", "haar"]   # of which the best are chosen
    best = 1                             # so many of them
    chosen_at = 2800                     # at this rung

    [settings]                           # as --set
    "evaluation.draws" = 2

    [measured]
    step_seconds = 0.07
    note = "30 steps, one thread"
    hours = 9.6                          # what all runs take at that

    [[runs]]                             # the most important first
    steps = 11200
    seeds = "report"
    arms = ["checkerboard", "lcma", "best"]

    [[questions]]
    ask = "Does LCMA beat the checkerboard?"
    arms = ["lcma"]
    against = "checkerboard"
    by = 0.0                             # bits/dim
"""

import dataclasses
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from tfp_lcma.registry import check_name
from tfp_lcma.training.studies.compare.arms import ARMS, PRETRAININGS

BEST, DATA = "best", "data"
Seeds = Literal["select", "report"]
_KEYS = {
    "data": str, "model": str, "baseline": str, "select_seeds": str, "report_seeds": str,
    "own": list, "best": int, "chosen_at": int, "settings": dict, "measured": dict, "runs": list,
    "questions": list,
}  # fmt: skip
_MEASURED = {"step_seconds": float, "note": str, "hours": float}
_RUNS = {"steps": int, "seeds": str, "arms": list}
_QUESTION = {"ask": str, "arms": list, "against": str, "by": float}


@dataclasses.dataclass(frozen=True)
class Runs:
    """Runs of one length.

    Attributes:
        steps: of training.
        seeds: whether they select or report.
        arms: names out of `ARMS`, and `BEST` for those that are chosen.
    """

    steps: int
    seeds: Seeds
    arms: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Question:
    """What the ladder is there to answer, at its longest rung.

    Attributes:
        ask: the question.
        arms: the answer is yes if one of these is better; `BEST` stands for those chosen, `DATA`
            for all splits chosen from data that were run.
        against: what they are compared with.
        by: bits/dim that it must be better by.
    """

    ask: str
    arms: tuple[str, ...]
    against: str
    by: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is run, in the order of importance.

    Attributes:
        data: a data set's name or a path, as `--data`.
        model: of a recipe, as `--model`.
        settings: of the recipe, as `--set`.
        baseline: the arm that all others are compared with.
        seeds: those that select, and those that report; none is both.
        own: arms of which the best are chosen, by validation images of the seeds that select.
        best: how many are chosen.
        chosen_at: at how many steps.
        runs: the most important first.
        questions: what is asked of the longest rung.
        step_seconds: measured time of a training step.
        note: how it was measured.
        hours: what all runs take at that.
    """

    data: str
    model: str
    settings: Mapping[str, Any]
    baseline: str
    seeds: Mapping[Seeds, tuple[int, ...]]
    own: tuple[str, ...]
    best: int
    chosen_at: int
    runs: tuple[Runs, ...]
    questions: tuple[Question, ...]
    step_seconds: float
    note: str
    hours: float

    @property
    def rungs(self) -> list[int]:
        """The numbers of steps, the shortest first."""
        return sorted({runs.steps for runs in self.runs})

    def tasks(self) -> Iterator[tuple[Runs, int]]:
        """Yields every run's block and seed, in the order of the plan."""
        for runs in self.runs:
            for seed in self.seeds[runs.seeds]:
                yield runs, seed

    def arms(self, names: Iterable[str], chosen: Iterable[str] | None) -> tuple[str, ...]:
        """Returns names of arms, those chosen in the place of `BEST`; until then that is left."""
        found: list[str] = []
        for name in names:
            found += [name] if name != BEST or chosen is None else chosen
        return tuple(dict.fromkeys(found))


def read_plan(path: Path) -> Plan:
    """Reads and checks a plan.

    Raises:
        ValueError: it is no plan; the message names the key, what was expected and what came.
        OSError: it cannot be read.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be TOML: {error}") from error
    try:
        return _plan(given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def steps_of(plan: Plan, runs: Iterable[tuple[int, int, str]]) -> int:
    """Returns how many steps runs take, with the pre-trainings that they need.

    A pre-training, of half of the steps, is done once a seed and a length.

    Args:
        plan: says how many `BEST` stands for.
        runs: steps, seed and arm of each.
    """
    total, pretrained = 0, set()
    for steps, seed, name in set(runs):
        total += steps * (plan.best if name == BEST else 1)
        needs = ("plain",) if name == BEST else ARMS[name].pretrainings
        pretrained |= {(steps, seed, p) for p in needs if PRETRAININGS[p].trained}
    return total + sum(steps // 2 for steps, _, _ in pretrained)


def _plan(given: Mapping[str, Any]) -> Plan:
    _check("the plan", given, _KEYS)
    _check("measured", given["measured"], _MEASURED)
    for runs in given["runs"]:
        _check("runs", runs, _RUNS)
        _check_choice("seeds", runs["seeds"], ("select", "report"))
    for question in given["questions"]:
        _check("questions", question, _QUESTION)
    seeds: dict[Seeds, tuple[int, ...]] = {
        "select": _seeds("select_seeds", given["select_seeds"]),
        "report": _seeds("report_seeds", given["report_seeds"]),
    }
    if both := sorted({*seeds["select"]} & {*seeds["report"]}):
        raise ValueError(f"report_seeds must have no seed of select_seeds; both have {both}.")
    plan = Plan(
        data=given["data"],
        model=given["model"],
        settings=given["settings"],
        baseline=given["baseline"],
        seeds=seeds,
        own=tuple(given["own"]),
        best=given["best"],
        chosen_at=given["chosen_at"],
        runs=tuple(Runs(r["steps"], r["seeds"], tuple(r["arms"])) for r in given["runs"]),
        questions=tuple(
            Question(q["ask"], tuple(q["arms"]), q["against"], float(q["by"]))
            for q in given["questions"]
        ),
        step_seconds=float(given["measured"]["step_seconds"]),
        note=given["measured"]["note"],
        hours=float(given["measured"]["hours"]),
    )
    _check_arms(plan)
    return plan


def _check_arms(plan: Plan) -> None:
    check_name("baseline", plan.baseline, ARMS)
    for name in plan.own:
        check_name("own", name, ARMS)
    for arms in (*(runs.arms for runs in plan.runs), *(asked.arms for asked in plan.questions)):
        for name in arms:
            check_name("arms", name, (BEST, DATA, *ARMS))
    for question in plan.questions:
        check_name("against", question.against, ARMS)
    selected: set[str] = set()
    for runs in plan.runs:
        if BEST in runs.arms and not selected >= {plan.baseline, *plan.own}:
            raise ValueError(
                f'runs with "{BEST}" must come after those of seeds = "select" at chosen_at = '
                f"{plan.chosen_at} that have the baseline and all of own."
            )
        if DATA in runs.arms:
            raise ValueError(f'"{DATA}" must stand in questions only; it is in runs.')
        if runs.steps == plan.chosen_at and runs.seeds == "select":
            selected |= {*runs.arms}


def _check(where: str, given: Any, kinds: Mapping[str, type]) -> None:
    if not isinstance(given, Mapping) or given.keys() != kinds.keys():
        got = ", ".join(given) if isinstance(given, Mapping) else repr(given)
        raise ValueError(f"{where} must have the keys {', '.join(kinds)}; got {got}.")
    for name, kind in kinds.items():
        fits = (int, float) if kind is float else kind
        if not isinstance(given[name], fits) or isinstance(given[name], bool):
            raise ValueError(f"{name} must be of type {kind.__name__}; got {given[name]!r}.")


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")


def _seeds(name: str, text: str) -> tuple[int, ...]:
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    seeds = range(int(found[1]), int(found[2]) + 1) if found else ()
    if not seeds:
        raise ValueError(f"{name} must be a range like 10-15; got {text!r}.")
    return tuple(seeds)
