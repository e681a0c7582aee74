"""Yes, no or not decided: what the longest rung says to each question of a plan."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from tfp_lcma.training.studies.compare.paired import Difference
from tfp_lcma.training.studies.compare.questions import Answer, Answers, p_words, with_interval
from tfp_lcma.training.studies.ladder.plan import BEST, DATA, Plan, Question

# Bits/dim: arms whose difference lies within are as good as each other.
ALIKE = 0.03
_LEVEL = 0.05
_CALLED = {BEST: "the best of our own", DATA: "splits chosen from data"}
Verdict = Literal["yes", "no", "not decided"]


@dataclasses.dataclass(frozen=True)
class Judged:
    """A question and its answer.

    Attributes:
        question: as the plan asks it.
        verdict: from the intervals.
        figures: what it rests on, in words.
    """

    question: str
    verdict: Verdict
    figures: str


def judge(difference: Difference, by: float = 0.0) -> Verdict:
    """Returns whether an arm is better than another, from the 95% interval of the difference.

    Args:
        difference: in bits/dim; negative: the arm is better.
        by: how much better it must be.

    Returns:
        "yes" if the whole interval is better than `-by`, "no" if all of it is worse or, with
        `by` 0, within ±`ALIKE`; else "not decided".
    """
    if difference.interval is None:
        return "not decided"
    low, high = difference.interval
    if high < -by:
        return "yes"
    alike = by == 0.0 and low >= -ALIKE and high <= ALIKE
    return "no" if low > -by or alike else "not decided"


def judged(
    plan: Plan, rungs: Mapping[int, Answers], chosen: tuple[str, ...] | None
) -> list[Judged]:
    """Returns the answers to a plan's questions.

    Of several arms one that is better makes it a yes, if its Holm-corrected p says so too; a no
    takes all of them.

    Args:
        plan: asks.
        rungs: the answers of every rung that has been run, by its steps.
        chosen: the best of the plan's own arms; None: they are not chosen yet.
    """
    return [_judge(plan, question, rungs, chosen) for question in plan.questions]


def _judge(plan, question: Question, rungs, chosen) -> Judged:
    steps = plan.rungs[-1]
    longest = rungs.get(steps)
    names = plan.arms(question.arms, chosen)
    if DATA in names and longest:
        run = [s.name for s in longest.summaries if s.arm.kind == "data"]
        names = tuple(dict.fromkeys((*(name for name in names if name != DATA), *run)))
    names = tuple(name for name in names if name != question.against)
    found = {
        name: longest.find(name, question.against) if longest and name not in _CALLED else None
        for name in names
    }
    missing = [_CALLED.get(name, name) for name, answer in found.items() if answer is None]
    answers = [answer for answer in found.values() if answer is not None]
    verdicts = [_of(answer, question.by, several=len(names) > 1) for answer in answers]
    if "yes" in verdicts:
        verdict: Verdict = "yes"
    elif answers and not missing and set(verdicts) == {"no"}:
        verdict = "no"
    else:
        verdict = "not decided"
    figures = [_figures(answer) for answer in answers]
    if missing:
        figures.append(f"{', '.join(missing)} against {question.against}: not run")
    return Judged(question.ask, verdict, f"after {steps:,} steps, {'; '.join(figures)}.")


def _of(answer: Answer, by: float, several: bool) -> Verdict:
    verdict = judge(answer.difference, by)
    chance = several and (answer.corrected_p is None or answer.corrected_p >= _LEVEL)
    return "not decided" if verdict == "yes" and chance else verdict


def _figures(answer: Answer) -> str:
    count = answer.difference.count
    seeds = f"{count} seed{'s' if count > 1 else ''}"
    return (
        f"{answer.arm} against {answer.reference} {with_interval(answer.difference)} bits/dim "
        f"({answer.images} images, {seeds}, Holm-corrected p {p_words(answer.corrected_p)})"
    )
