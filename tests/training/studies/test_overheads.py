"""The table of what parts cost: every part can be measured, and the table says what was."""

import pytest

from tests.eager import eagerly
from tests.toys import tiny_flow
from tests.training.tiny import tiny_dataset, tiny_recipe
from tfp_lcma.registry import load
from tfp_lcma.training.recipes import Recipe
from tfp_lcma.training.studies import overheads as study
from tfp_lcma.training.studies.overhead_parts import PARTS
from tfp_lcma.training.studies.timing import Ratio


@pytest.fixture
def eager(monkeypatch):
    """Tiny flows without graphs: every part is called once, not timed."""

    def build_flow(recipe, event_shape, factorization, exit_prior=None):
        return tiny_flow(event_shape, 2, factorization, exit_prior)

    monkeypatch.setattr(Recipe, "build_flow", build_flow)
    with eagerly():
        yield


def test_table_has_the_ratio_of_every_call_to_the_first_of_its_group(monkeypatch):
    def part(recipe, dataset):
        yield {"first": None, "second": None}
        yield {"other first": None, "again": None}

    def ratios(calls, rounds):
        assert rounds == 4
        return {name: Ratio(1.5, 1.25, 2.0) for name in list(calls)[1:]}

    monkeypatch.setattr(study, "exits", part)
    monkeypatch.setattr(study, "ratios", ratios)
    said = []
    table = study.overheads(tiny_recipe(), tiny_dataset(), ["exits"], 4, said.append)
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines()[4:]]
    numbers = ["1.500", "1.250 to 2.000"]
    assert rows == [
        ["exits", "second", "first", *numbers],
        ["exits", "again", "other first", *numbers],
    ]
    assert len(said) == 2


@pytest.mark.slow
@pytest.mark.parametrize("part", [part for part in PARTS if part != "serving"])
def test_every_part_can_be_called(part, eager):
    for calls in load(PARTS[part])(tiny_recipe(), tiny_dataset(16)):
        assert len(calls) > 1
        for call in calls.values():
            call()


@pytest.mark.slow
def test_exports_are_timed_beside_the_model(monkeypatch):
    """One export stands for both: compiling one by XLA has tests of its own."""
    export = study.lcma.export_saved_model
    versions = []

    def once(model, folder, jit_compile=False, **options):
        if not versions:
            versions.append(export(model, folder, **options))
        return versions[0]

    monkeypatch.setattr(study.lcma, "export_saved_model", once)
    monkeypatch.setattr(Recipe, "build_flow", lambda _, shape, split: tiny_flow(shape, 1))
    (calls,) = load(PARTS["serving"])(tiny_recipe(), tiny_dataset(16))
    score, *others = (call() for call in calls.values())
    for other in others:
        assert other == pytest.approx(score, rel=1e-5)
