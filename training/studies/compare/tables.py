"""The tables of the report."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations import PAIRS
from tfp_lcma.training.reports.document import Table
from tfp_lcma.training.reports.tables import NOTHING
from tfp_lcma.training.studies.compare.arms import PRETRAININGS
from tfp_lcma.training.studies.compare.paired import Mean, mean_of
from tfp_lcma.training.studies.compare.questions import Answer, Answers, with_interval
from tfp_lcma.training.studies.compare.summary import Summary

FOREGROUND = "bits/dim that is not background"


def results_table(answers: Answers, pretraining_steps: float | None) -> Table:
    """Returns one row an arm, in the order given; columns that nothing is known of are left out.

    Args:
        answers: what is asked of the arms.
        pretraining_steps: how many steps of the baseline one pre-training takes, if known.
    """
    baseline = answers.comparison.baseline
    heads = [
        "arm", "what it is", "kind", "seeds", "validation bits/dim", "median over images",
        FOREGROUND, f"difference from {baseline}", "median difference", "error over images",
        "Holm p", "FID", "KID", "parameters", "best step", "steps", "s a run", "ms a sample",
        "pre-training",
    ]  # fmt: skip
    rows = [_row(s, answers, pretraining_steps) for s in answers.summaries if s.runs]
    return _without_empty(Table(heads, rows))


def test_table(answers: Answers) -> Table:
    """Returns one row an arm whose test images were read."""
    baseline = answers.comparison.baseline
    heads = [
        "arm", "seeds", "test bits/dim", "median over images", FOREGROUND,
        f"difference from {baseline}", "median difference", "error over images", "Holm p",
        "best step",
    ]  # fmt: skip
    rows = [
        [
            s.name,
            str(len(s.test)),
            with_error(mean_of(s.test.values())),
            _number(s.images["test"].median, ".4f"),
            _foreground(s, "test"),
            *_answered(answers, answers.find(s.name, baseline, "test")),
            _best_steps([row for seed, row in (s.runs | s.reported).items() if seed in s.test]),
        ]
        for s in answers.summaries
        if s.test
    ]
    return _without_empty(Table(heads, rows))


def answers_table(answers: Answers) -> Table:
    """Returns one row a named question."""
    rows = [
        [a.arm, a.reference, a.images, str(a.difference.count), *_answered(answers, a)]
        for a in answers.named()
    ]
    heads = [
        "arm", "against", "images", "seeds", "difference", "median difference",
        "error over images", "Holm p",
    ]  # fmt: skip
    return _without_empty(Table(heads, rows))


def failures_table(summaries: Sequence[Summary]) -> Table:
    """Returns one row a run that failed."""
    rows = [[s.name, str(seed), why] for s in summaries for seed, why in s.failures.items()]
    return Table(["arm", "seed", "why"], rows)


def pairs_table(summaries: Sequence[Summary]) -> Table:
    """Returns, for every level and arm, the share of blocks that keep each pair of pixels."""
    rows = []
    for summary in summaries:
        shares = pair_shares(summary)
        if shares is None:
            continue
        for level, values in enumerate(shares):
            rows.append([summary.name, str(level + 1), *(f"{v:.1%}" for v in values)])
    rows.sort(key=lambda row: row[1])
    return Table(["arm", "level", *map(pair_name, PAIRS)], rows)


def pair_shares(summary: Summary) -> np.ndarray | None:
    """Returns `[levels, 6]`, over all channels and seeds; None for splits of another kind."""
    counts = [row["pairs"] for row in summary.runs.values()]
    if not counts or not all(counts):
        return None
    levels = zip(*counts, strict=True)
    sums = np.stack([np.sum([np.sum(seed, axis=0) for seed in level], axis=0) for level in levels])
    return sums / sums.sum(axis=1, keepdims=True)


def pair_name(pair: tuple[int, int]) -> str:
    """Returns what a pair is called in tables and pictures."""
    return f"{pair[0]} and {pair[1]}"


def with_error(mean: Mean, form: str = ".4f") -> str:
    """Returns a mean and its standard error, which one value does not have."""
    error = NOTHING if mean.standard_error is None else format(mean.standard_error, ".4f")
    return f"{mean.mean:{form}} ± {error}"


def signed(difference: Mean) -> str:
    """Returns a difference with its sign, which shows which way it goes, and standard error."""
    return with_error(difference, "+.4f")


def p_value(p: float | None) -> str:
    """Returns a p-value with as many digits as it deserves."""
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _row(summary: Summary, answers: Answers, pretraining_steps: float | None) -> list[str]:
    return [
        summary.name,
        summary.arm.phrase + _twins(summary),
        summary.arm.kind,
        str(len(summary.runs)),
        with_error(mean_of(summary.validation.values())),
        _number(summary.images["validation"].median, ".4f"),
        _foreground(summary, "validation"),
        *_answered(answers, answers.find(summary.name, answers.comparison.baseline, "validation")),
        _number(summary.average(lambda row: (row["quality"] or {}).get("fid")), ".2f"),
        _number(summary.average(lambda row: (row["quality"] or {}).get("kid")), ".4f"),
        _number(summary.average(lambda row: row["parameters"]), ",.0f"),
        _best_steps(list(summary.runs.values())),
        _number(summary.average(lambda row: row["steps"]), ",.0f"),
        _number(summary.average(lambda row: row["seconds"]), ".0f"),
        _number(summary.average(lambda row: row.get("sample_milliseconds")), ".1f"),
        _pretraining(summary, pretraining_steps),
    ]


def _foreground(summary: Summary, images: str) -> str:
    """Returns the mean over seeds of bits per dimension that is not background, if there is one."""
    bits = summary.foreground[images]
    return with_error(mean_of(bits.values())) if bits else ""


def _answered(answers: Answers, answer: Answer | None) -> list[str]:
    """Returns difference, median difference, error over images and p; the baseline has none."""
    if answer is None:
        return [""] * 4
    return [
        with_interval(answer.difference),
        f"{answer.difference.median:+.4f}",
        _over_images(answer),
        p_value(answer.corrected_p) if answers.decides(answer) else "below",
    ]


def _over_images(answer):
    if answer.error is None or answer.error.error is None:
        return NOTHING
    kind = "clusters" if answer.error.clustered else "images"
    return f"{answer.error.error:.4f}, {answer.error.count:,} {kind}"


def _best_steps(rows: Sequence[dict]) -> str:
    """Returns the mean step that runs were read at; older ones were read at their last."""
    steps = [row["best_step"] for row in rows if row.get("best_step") is not None]
    found = [f"{mean_of(steps).mean:,.0f}"] if steps else []
    return ", ".join(found + ["last"] * (len(steps) < len(rows)))


def _without_empty(table: Table) -> Table:
    """Leaves out columns in which no row has anything."""
    kept = [
        place
        for place in range(len(table.heads))
        if any(row[place] not in ("", NOTHING) for row in table.rows)
    ]
    return Table([table.heads[i] for i in kept], [[row[i] for i in kept] for row in table.rows])


def _twins(summary):
    """Names the arms whose runs stand for some of these, since the splits came out the same."""
    twins = {seed: row["same_as"] for seed, row in summary.runs.items() if "same_as" in row}
    if not twins:
        return ""
    where = "" if len(twins) == len(summary.runs) else f" at seeds {', '.join(map(str, twins))}"
    return f" (same split as {', '.join(sorted(set(twins.values())))}{where})"


def _pretraining(summary, steps):
    cost = [row["pretraining"] for row in summary.runs.values()]
    if None in cost:
        return ""
    seconds = mean_of(c["training_seconds"] + c["collecting_seconds"] for c in cost).mean
    count = sum(PRETRAININGS[name].trained for name in summary.arm.pretrainings)
    return f"{seconds:.0f} s" + (f" = {count * steps:.0f} steps" if steps and count else "")


def _number(value, form):
    return NOTHING if value is None else f"{value:{form}}"
