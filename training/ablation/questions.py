"""The questions that the study is there to answer, and the answers in words."""

import dataclasses
from collections.abc import Sequence

from training.ablation.arms import BASELINE
from training.ablation.paired import Difference, holm, paired_difference
from training.ablation.summary import Summary

# An arm, and what it is compared with.
QUESTIONS = (
    ("exit-price-level", BASELINE),
    ("haar", BASELINE),
    ("karhunen-loeve", BASELINE),
    ("lcma", BASELINE),
    ("lcma", "complement"),
    ("lcma-position-aware", "lcma"),
    ("exit-price-position-aware", "exit-price"),
)
_KINDS = {"data": "split chosen from data", "static": "other static split"}
_LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Answer:
    """A paired difference in bits per dimension.

    Attributes:
        arm: one arm.
        reference: what it is compared with.
        images: "test" where both were evaluated there, else "validation".
        difference: `arm - reference`; negative: the arm is better.
    """

    arm: str
    reference: str
    images: str
    difference: Difference


def answer(summaries: Sequence[Summary], arm: str, reference: str) -> Answer | None:
    """Compares two arms; None if one of them has no run, or they share no seed."""
    by_name = {summary.name: summary for summary in summaries}
    if arm not in by_name or reference not in by_name:
        return None
    mine, theirs = by_name[arm], by_name[reference]
    on_test = paired_difference(mine.test, theirs.test)
    if on_test is not None:
        return Answer(arm, reference, "test", on_test)
    on_validation = paired_difference(mine.validation, theirs.validation)
    return on_validation and Answer(arm, reference, "validation", on_validation)


def answers(summaries: Sequence[Summary]) -> list[Answer]:
    """Returns the answers to those of `QUESTIONS` whose arms were run."""
    found = (answer(summaries, *question) for question in QUESTIONS)
    return [one for one in found if one is not None]


def best(summaries: Sequence[Summary], kind: str) -> Summary | None:
    """Returns the arm of a kind that is best on validation images, the baseline aside.

    Of arms that share one seed with the baseline nothing is known: they come last.
    """
    arms = (s for s in summaries if s.arm.kind == kind and s.difference is not None)
    return min(arms, key=lambda s: (s.difference.count == 1, s.difference.mean), default=None)


def lcma_sentence(summaries: Sequence[Summary]) -> str:
    """Says whether LCMA beat the static split. One question, asked beforehand: p as it is."""
    found = answer(summaries, "lcma", BASELINE)
    if found is None:
        return f"LCMA was not compared with the static split: lcma and {BASELINE} share no seed."
    return _verdict(found, "LCMA", found.difference.p, "p")


def best_sentence(summaries: Sequence[Summary], kind: str) -> str:
    """Says the same of the best arm of a kind. Chosen among many, so p is corrected for all."""
    chosen = best(summaries, kind)
    if chosen is None:
        return f"No {_KINDS[kind]} shares a seed with {BASELINE}."
    found = answer(summaries, chosen.name, BASELINE)
    p = chosen.corrected_p if found.images == "validation" else _corrected_test(summaries, chosen)
    subject = f"The best {_KINDS[kind]} on validation images, {chosen.name},"
    return _verdict(found, subject, p, "Holm-corrected p")


def _corrected_test(summaries, chosen):
    """Returns p of a test comparison, corrected over all finalists."""
    found = {s.name: answer(summaries, s.name, BASELINE) for s in summaries if s.name != BASELINE}
    tested = {
        name: a.difference.p
        for name, a in found.items()
        if a is not None and a.images == "test" and a.difference.p is not None
    }
    return holm(tested).get(chosen.name)


def _verdict(found: Answer, subject: str, p: float | None, p_name: str) -> str:
    difference = found.difference
    where = f"on {found.images} images"
    seeds = f"{difference.count} seed{'s' if difference.count > 1 else ''}"
    if p is None:
        return (
            f"{subject} and the static checkerboard differ by {difference.mean:+.4f} "
            f"bits/dim {where}, with {seeds}: no difference is shown by one seed."
        )
    numbers = (
        f"{difference.mean:+.4f} ± {difference.standard_error:.4f} bits/dim {where} "
        f"(paired standard error, {seeds}, {p_name} {'< 0.001' if p < 0.001 else f'= {p:.3f}'})"
    )
    if p >= _LEVEL:
        return f"{subject} showed no difference from the static checkerboard: {numbers}."
    outcome = "better" if difference.mean < 0 else "worse"
    return f"{subject} did {outcome} than the static checkerboard: {numbers}."
