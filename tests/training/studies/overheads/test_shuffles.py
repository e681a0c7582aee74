"""The command that times shuffles and measures their memory."""

import dataclasses
import re

from click.testing import CliRunner
from tfp_lcma.training.recipes import Recipe, load_recipe
from tfp_lcma.training.studies.overheads import shuffles as shuffle_overhead

from tfp_lcma.models import eiw_flow


def test_command_compares_shuffles_and_states_its_noise(monkeypatch):
    def build_flow(recipe, event_shape, factorization):
        return eiw_flow(event_shape, levels=2, steps=1, width=2, factorization=factorization)

    monkeypatch.setattr(Recipe, "build_flow", build_flow)
    megabytes = {"no shuffle": 100.0, "nobody leaves": 250.0}
    monkeypatch.setattr(
        shuffle_overhead,
        "peak_megabytes",
        lambda recipe, dataset, names: [megabytes.get(name) for name in names],
    )
    result = CliRunner().invoke(
        shuffle_overhead.main,
        [
            "--data",
            "digits",
            "--model",
            "eiw_flow",
            "--set",
            "training.batch_size=4",
            "--rounds",
            "4",
        ],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    assert "8×8×1, batch 4, 4 rounds, a training step's time over that of" in result.output
    ratios = [float(text) for text in re.findall(r"(\d+\.\d+)  \(95%", result.output)]
    assert len(ratios) == 8 and min(ratios) > 0
    assert "250 MB, 2.500 of the first" in result.output
    assert "invariant: this system does not say" in result.output


def test_memory_of_a_flow_in_which_nobody_leaves_is_measured_in_a_process_of_its_own():
    recipe = load_recipe("digits", "eiw_flow", batch_size=512)
    recipe = dataclasses.replace(recipe, flow={"levels": 2, "steps": 1, "width": 8})
    (peak,) = shuffle_overhead.peak_megabytes(recipe, recipe.load_dataset(), ["nobody leaves"])
    # More than the activations of one coupling, less than a machine has.
    assert peak is None or 512 * 64 * 4 / 2**20 < peak < 10_000
