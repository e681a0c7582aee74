"""The questions that the study is there to answer, and the answers in words."""

import dataclasses
from collections.abc import Sequence

from tfp_lcma.training.studies.compare.comparisons import Comparison
from tfp_lcma.training.studies.compare.images import ImageError, image_error
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
        images: "test" or "validation".
        difference: `arm - reference`; negative: the arm is better.
        error: that of the difference over images; None where their bits were not kept.
        corrected_p: the difference's p, after Holm's correction over all questions of a report;
            None where other images decide.
    """

    arm: str
    reference: str
    images: str
    difference: Difference
    error: ImageError | None = None
    corrected_p: float | None = None


class Answers:
    """All that a report asks, once each: one family of questions, whatever tables they stand in.

    Attributes:
        summaries: the arms, in the order of the report.
        comparison: what the study is about.
        all: the answers, by arm, reference and images.
        count: how many questions p-values are corrected for.
    """

    def __init__(self, summaries: Sequence[Summary], comparison: Comparison):
        """Answers every question whose arms share a seed.

        These are every arm against the baseline on validation images and, where they were read,
        on test images, and the comparison's own.
        """
        self.summaries = summaries
        self._by_name = {summary.name: summary for summary in summaries}
        self.comparison = comparison
        baseline = comparison.baseline
        asked = [
            (name, baseline, images)
            for images in ("validation", "test")
            for name in self._by_name
            if name != baseline
        ]
        for arm, reference in comparison.questions:
            asked.append((arm, reference, self._images(arm, reference)))
        found = {question: self._compare(*question) for question in dict.fromkeys(asked)}
        answered = {question: answer for question, answer in found.items() if answer is not None}
        self.all = answered
        self.count = 0
        correct([self])

    def find(self, arm: str, reference: str, images: str | None = None) -> Answer | None:
        """Returns an answer; None if one of the arms has no run, or they share no seed.

        Args:
            arm: one arm.
            reference: the baseline, or what a question of the comparison has in its place.
            images: "validation" or "test"; None: "test" where both were evaluated there.
        """
        return self.all.get((arm, reference, images or self._images(arm, reference)))

    def decides(self, answer: Answer) -> bool:
        """Says whether an answer is from the images that its question is decided on."""
        return answer.images == self._images(answer.arm, answer.reference)

    def named(self) -> list[Answer]:
        """Returns the answers to those of the comparison's questions whose arms were run."""
        found = (self.find(*question) for question in self.comparison.questions)
        return [answer for answer in found if answer is not None]

    def best(self, kind: str) -> Summary | None:
        """Returns the arm of a kind that is best on validation images, the baseline aside."""
        return best(self.summaries, kind)

    def _images(self, arm, reference):
        tested = [self._by_name[n].test for n in (arm, reference) if n in self._by_name]
        return "test" if len(tested) == 2 and tested[0].keys() & tested[1].keys() else "validation"

    def _compare(self, arm, reference, images):
        if arm not in self._by_name or reference not in self._by_name:
            return None
        mine, theirs = self._by_name[arm], self._by_name[reference]
        difference = paired_difference(mine.bits(images), theirs.bits(images))
        if difference is None:
            return None
        error = image_error(mine.images[images], theirs.images[images])
        return Answer(arm, reference, images, difference, error)


def correct(family: Sequence[Answers]) -> None:
    """Corrects the p-values of all questions together, by Holm.

    A question is a pair of arms, whichever is named first. It is answered once, on test images
    where both were read; what the same pair does on validation images is given no p.
    """
    p_values = {
        _question(place, answer): answer.difference.p
        for place, answers in enumerate(family)
        for answer in answers.all.values()
        if answer.difference.p is not None and answers.decides(answer)
    }
    corrected = holm(p_values)
    for place, answers in enumerate(family):
        answers.count = len(corrected)
        answers.all = {
            asked: dataclasses.replace(
                answer,
                corrected_p=corrected.get(_question(place, answer))
                if answers.decides(answer)
                else None,
            )
            for asked, answer in answers.all.items()
        }


def _question(place, answer):
    return place, frozenset((answer.arm, answer.reference))


def best(summaries: Sequence[Summary], kind: str) -> Summary | None:
    """Returns the arm of a kind that is best on validation images, the baseline aside.

    Of arms that share one seed with the baseline nothing is known: they come last.
    """
    arms = (s for s in summaries if s.arm.kind == kind and s.difference is not None)
    return min(arms, key=lambda s: (s.difference.count == 1, s.difference.mean), default=None)


def subject_sentences(answers: Answers) -> list[str]:
    """Says of every subject, asked about beforehand, whether it beat the baseline."""
    sentences, comparison = [], answers.comparison
    for arm, subject in comparison.subjects.items():
        found = answers.find(arm, comparison.baseline)
        if found is None:
            reason = f"{arm} and {comparison.baseline} share no seed"
            sentences.append(f"{subject} was not compared with {comparison.called}: {reason}.")
        else:
            sentences.append(verdict(found, subject, comparison.called))
    return sentences


def best_sentences(answers: Answers) -> list[str]:
    """Says the same of the best arm of every kind, which validation images chose."""
    return [_best_sentence(answers, kind) for kind in answers.comparison.kinds]


def _best_sentence(answers, kind):
    comparison, chosen = answers.comparison, answers.best(kind)
    found = None if chosen is None else answers.find(chosen.name, comparison.baseline)
    if chosen is None or found is None:
        return f"No {_KINDS[kind]} shares a seed with {comparison.baseline}."
    subject = f"The best {_KINDS[kind]} on validation images, {chosen.name},"
    seen = chosen.test.keys() if found.images == "test" else chosen.runs.keys()
    again = "" if seen.isdisjoint(chosen.runs) else " It was chosen by the same seeds."
    return verdict(found, subject, comparison.called) + again


def verdict(found: Answer, subject: str, reference: str) -> str:
    """Returns an answer in words, which the interval decides."""
    difference = found.difference
    where = f"on {found.images} images"
    if difference.interval is None:
        return (
            f"{subject} and {reference} differ by {difference.mean:+.4f} "
            f"bits/dim {where}, with 1 seed: no difference is shown by one seed."
        )
    numbers = (
        f"{with_interval(difference)} bits/dim {where} ({difference.count} seeds, Holm-corrected "
        f"p {p_words(found.corrected_p)})"
    )
    if not difference.decided:
        return f"{subject} showed no difference from {reference}: {numbers}."
    outcome = "better" if difference.mean < 0 else "worse"
    among_many = (
        ""
        if found.corrected_p is not None and found.corrected_p < _LEVEL
        else " Among as many questions one such interval may be chance."
    )
    return f"{subject} did {outcome} than {reference}: {numbers}.{among_many}"


def with_interval(difference: Difference) -> str:
    """Returns a difference with its sign, which shows which way it goes, and 95% interval."""
    if difference.interval is None:
        return f"{difference.mean:+.4f}"
    low, high = difference.interval
    return f"{difference.mean:+.4f} ({low:+.4f} to {high:+.4f})"


def p_words(p: float | None) -> str:
    """Returns a p-value as a sentence has it."""
    return "n/a" if p is None else "< 0.001" if p < 0.001 else f"= {p:.3f}"
