"""`tfp-lcma cost`: what it counts, in tables, for images of every source."""

import re

import pytest
from click.testing import CliRunner

from tfp_lcma.training.cli.cost import cost
from tfp_lcma.training.data.sources import SOURCES, event_shape, load
from tfp_lcma.training.studies.cost import flow_cost, measure
from tfp_lcma.training.studies.cost.measure import Growth

SMALL = (
    "--data", "digits", "--model", "glow", "--set", "model.width=4", "--set", "model.steps=1",
    "--set", "training.batch_size=64", "--quiet",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def counted_once():
    """Counts the small flow for the first command that asks; no other is counted here."""
    count, found = flow_cost.flow_cost, []

    def once(*given):
        if not found:
            found.append(count(*given))
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_cost, "flow_cost", once)
        yield


def call(*arguments):
    return CliRunner().invoke(cost, list(map(str, arguments)))


def test_days_are_those_of_the_operations_at_the_speed_given():
    result = call(*SMALL, "--set", "training.steps=1000000", "--tflops", 0.001)
    assert result.exit_code == 0, result.output
    steps, operations, days = re.search(
        r"\| training \| ([\d,]+) \| (\S+) \| (\S+) \|", result.output
    ).groups()
    assert steps == "1,000,000"
    assert float(days) == pytest.approx(float(operations) / 1e9 / 86400, rel=0.1)
    an_image = float(re.search(r'training step, memory="keep" \| (\S+) \|', result.output)[1])
    assert float(operations) == pytest.approx(an_image * 1e9 * 64 * 1e6, rel=0.1)


def test_without_a_speed_there_are_no_days_and_measured_memory_stands_beside(monkeypatch):
    monkeypatch.setattr(measure, "measured_growth", lambda *_: Growth(20 * 2**20, 30 * 2**20))
    result = call(*SMALL, "--measure")
    assert result.exit_code == 0, result.output
    assert "days" not in result.output
    assert '| memory="keep" | 20 | 30 |' in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits", "--tflops", "0"), "--tflops"),
        (("--data", "digits", "--set", "model.levels=6"), "8×8 pixels cannot have 6 levels"),
        ((), "Give --data"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_its_flag(arguments, message):
    result = call(*arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output


def test_shapes_of_named_images_are_those_that_are_loaded(tmp_path):
    for name in ("digits", "photos16"):
        assert event_shape(name) == load(name, limit=1).event_shape
    assert {name for name, source in SOURCES.items() if source.channels == 1} == {
        "digits", "mnist", "mnist32", "fashion_mnist", "fashion_mnist32",
    }  # fmt: skip
    assert event_shape(str(tmp_path), 16) == (16, 16, 3)
    with pytest.raises(ValueError, match="image_size of digits must be 8; got 9"):
        event_shape("digits", 9)


@pytest.mark.scale
def test_memory_is_counted_as_it_is_measured():
    from tfp_lcma.training.recipes import load_recipe

    recipe = load_recipe("photos32", "glow", levels=3, steps=8, width=128, batch_size=32)
    kept, inverted = (
        measure.measured_growth(recipe, (32, 32, 3), memory) for memory in ("keep", "invert")
    )
    assert 0.7 < kept.measured / kept.counted < 1.5
    assert inverted.measured < 0.5 * kept.measured
    assert abs(inverted.measured - inverted.counted) < 40 * 2**20
