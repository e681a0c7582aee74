"""The demonstration compares at the same total budget and says so."""

from click.testing import CliRunner

from tfp_lcma.training.cli.demo import demo
from tfp_lcma.training.runs.run import Run


def test_both_factorizations_get_the_same_number_of_steps(tmp_path, monkeypatch):
    runs = []

    def execute(self, dataset):
        runs.append(self)
        phase = {"steps": self.recipe.steps, "seconds": 12.0}
        before = {"steps": self.recipe.pretrain_steps, "seconds": 5.0}
        return {
            "test": {"bits_per_dimension": 1.25, "standard_error": 0.5},
            "training": phase,
            "pretraining": before if self.factorization == "lcma" else None,
            "export": "somewhere/1",
        }

    monkeypatch.setattr(Run, "execute", execute)
    arguments = ["--run-dir", str(tmp_path), "--steps", "30", "--pretrain-steps", "12"]
    result = CliRunner().invoke(demo, arguments)
    assert result.exit_code == 0, result.output
    baseline, chosen = runs
    assert baseline.recipe.steps == chosen.recipe.steps + chosen.recipe.pretrain_steps == 42
    assert baseline.folder != chosen.folder
    assert "1.2500 ± 0.5000" in result.output
    assert "12 + 30" in result.output
    assert "somewhere/1" in result.output


def test_a_folder_with_other_settings_is_named(tmp_path):
    (tmp_path / "digits-checkerboard").mkdir()
    (tmp_path / "digits-checkerboard" / "config.json").write_text('{"steps": 7}')
    result = CliRunner().invoke(demo, ["--run-dir", str(tmp_path), "--steps", "30"])
    assert result.exit_code == 1
    assert "was made with other settings (" in result.output
    assert "--steps is 7 there, 330 here" in result.output
