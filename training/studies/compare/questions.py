"""The questions that the study is there to answer, and the answers in words."""

import dataclasses
from collections.abc import Sequence

from tfp_lcma.training.studies.compare.comparisons import Comparison
from tfp_lcma.training.studies.compare.paired import Difference, holm, paired_difference
from tfp_lcma.training.studies.compare.summary import Summary

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


def answers(summaries: Sequence[Summary], comparison: Comparison) -> list[Answer]:
    """Returns the answers to those of a comparison's questions whose arms were run."""
    found = (answer(summaries, *question) for question in comparison.questions)
    return [one for one in found if one is not None]


def best(summaries: Sequence[Summary], kind: str) -> Summary | None:
    """Returns the arm of a kind that is best on validation images, the baseline aside.

    Of arms that share one seed with the baseline nothing is known: they come last.
    """
    arms = (s for s in summaries if s.arm.kind == kind and s.difference is not None)
    return min(arms, key=lambda s: (s.difference.count == 1, s.difference.mean), default=None)


def subject_sentences(summaries: Sequence[Summary], comparison: Comparison) -> list[str]:
    """Says of every subject whether it beat the baseline: asked beforehand, so p is as it is."""
    sentences = []
    for arm, subject in comparison.subjects.items():
        found = answer(summaries, arm, comparison.baseline)
        if found is None:
            reason = f"{arm} and {comparison.baseline} share no seed"
            sentences.append(f"{subject} was not compared with {comparison.called}: {reason}.")
        else:
            sentences.append(_verdict(found, subject, comparison.called, found.difference.p, "p"))
    return sentences


def best_sentences(summaries: Sequence[Summary], comparison: Comparison) -> list[str]:
    """Says the same of the best arm of every kind. Chosen among many: p is corrected for all."""
    return [_best_sentence(summaries, comparison, kind) for kind in comparison.kinds]


def _best_sentence(summaries, comparison, kind):
    chosen = best(summaries, kind)
    found = None if chosen is None else answer(summaries, chosen.name, comparison.baseline)
    if chosen is None or found is None:
        return f"No {_KINDS[kind]} shares a seed with {comparison.baseline}."
    p = chosen.corrected_p
    if found.images == "test":
        p = _corrected_test(summaries, comparison.baseline, chosen)
    subject = f"The best {_KINDS[kind]} on validation images, {chosen.name},"
    return _verdict(found, subject, comparison.called, p, "Holm-corrected p")


def _corrected_test(summaries, baseline, chosen):
    """Returns p of a test comparison, corrected over all finalists."""
    found = {s.name: answer(summaries, s.name, baseline) for s in summaries if s.name != baseline}
    tested = {
        name: a.difference.p
        for name, a in found.items()
        if a is not None and a.images == "test" and a.difference.p is not None
    }
    return holm(tested).get(chosen.name)


def _verdict(found: Answer, subject: str, reference: str, p: float | None, p_name: str) -> str:
    difference = found.difference
    where = f"on {found.images} images"
    seeds = f"{difference.count} seed{'s' if difference.count > 1 else ''}"
    if p is None:
        return (
            f"{subject} and {reference} differ by {difference.mean:+.4f} "
            f"bits/dim {where}, with {seeds}: no difference is shown by one seed."
        )
    numbers = (
        f"{difference.mean:+.4f} ± {difference.standard_error:.4f} bits/dim {where} "
        f"(paired standard error, {seeds}, {p_name} {'< 0.001' if p < 0.001 else f'= {p:.3f}'})"
    )
    if p >= _LEVEL:
        return f"{subject} showed no difference from {reference}: {numbers}."
    outcome = "better" if difference.mean < 0 else "worse"
    return f"{subject} did {outcome} than {reference}: {numbers}."
