"""The tables of the report."""

from collections.abc import Sequence

import numpy as np

from tfp_lcma.factorizations import PAIRS
from tfp_lcma.training.reports.document import Table
from tfp_lcma.training.reports.tables import NOTHING
from tfp_lcma.training.studies.compare.arms import PRETRAININGS
from tfp_lcma.training.studies.compare.paired import Mean, holm, mean_of
from tfp_lcma.training.studies.compare.questions import Answer
from tfp_lcma.training.studies.compare.summary import Summary


def results_table(
    summaries: Sequence[Summary], baseline: str, pretraining_steps: float | None
) -> Table:
    """Returns one row an arm, in the order given.

    Args:
        summaries: the arms.
        baseline: name of the arm that they are compared with.
        pretraining_steps: how many steps of the baseline one pre-training takes, if known.
    """
    heads = [
        "arm", "what it is", "kind", "seeds", "validation bits/dim", "test bits/dim",
        f"difference from {baseline}", "p", "Holm p", "FID", "KID", "parameters", "steps",
        "s a run", "ms a sample", "pre-training",
    ]  # fmt: skip
    return Table(heads, [_row(s, pretraining_steps) for s in summaries if s.runs])


def answers_table(answers: Sequence[Answer]) -> Table:
    """Returns one row a named question; p is corrected over these questions."""
    asked = {str(i): a.difference.p for i, a in enumerate(answers) if a.difference.p is not None}
    corrected = holm(asked)
    rows = [
        [
            a.arm,
            a.reference,
            a.images,
            str(a.difference.count),
            signed(a.difference),
            p_value(a.difference.p),
            p_value(corrected.get(str(i))),
        ]
        for i, a in enumerate(answers)
    ]
    return Table(["arm", "against", "images", "seeds", "difference", "p", "Holm p"], rows)


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


def _row(summary: Summary, pretraining_steps: float | None) -> list[str]:
    return [
        summary.name,
        summary.arm.phrase + _twins(summary),
        summary.arm.kind,
        str(len(summary.runs)),
        with_error(mean_of(summary.validation.values())),
        with_error(mean_of(summary.test.values())) if summary.test else "",
        signed(summary.difference) if summary.difference else "",
        p_value(summary.difference.p) if summary.difference else "",
        p_value(summary.corrected_p) if summary.difference else "",
        _number(summary.average(lambda row: (row["quality"] or {}).get("fid")), ".2f"),
        _number(summary.average(lambda row: (row["quality"] or {}).get("kid")), ".4f"),
        _number(summary.average(lambda row: row["parameters"]), ",.0f"),
        _number(summary.average(lambda row: row["steps"]), ",.0f"),
        _number(summary.average(lambda row: row["seconds"]), ".0f"),
        _number(summary.average(lambda row: row.get("sample_milliseconds")), ".1f"),
        _pretraining(summary, pretraining_steps),
    ]


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
