import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tfp_lcma.training.studies.benchmark.depth import COMPARED, main

ROOT = Path(__file__).parents[4]
SMALL = ["--batch", "2", "--width", "4", "--side", "8", "--repetitions", "1"]


def measured(depth, name, *options):
    """What a worker in a process of its own finds."""
    command = [
        sys.executable,
        "-m",
        "tfp_lcma.training.studies.benchmark.depth",
        "--worker",
        f"{depth} {name}",
    ]
    found = subprocess.run(
        [*command, *options], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    return json.loads(found.stdout.splitlines()[-1])


def test_the_command_draws_what_it_measured_and_carries_on(tmp_path, monkeypatch):
    rows = []
    for name in COMPARED[:2]:
        for depth in (1, 2):
            row = {"implementation": name, "steps": depth, "build_seconds": 1.0}
            row |= {"first_step_seconds": 2.0, "first_step_cpu_seconds": 2.0, "step_seconds": 0.1}
            rows.append(row | {"peak_megabytes": 10.0, "parameter_megabytes": 0.1})
    rows += [row | {"implementation": name} for name in COMPARED[2:] for row in rows[:2]]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: pytest.fail("measured again"))
    result = CliRunner().invoke(
        main, ["--report-dir", str(tmp_path), "--depths", "1,2"], catch_exceptions=False
    )
    assert result.exit_code == 0
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert report.count("| tfp_lcma looped |") == 2
    assert (tmp_path / "depth.png").stat().st_size > 1000


def test_a_worker_measures_one_depth():
    row = measured(2, "ours-looped-invert", *SMALL)
    assert (row["implementation"], row["steps"]) == ("ours-looped-invert", 2)
    assert min(row["first_step_seconds"], row["step_seconds"], row["peak_megabytes"]) > 0


@pytest.mark.slow
def test_a_step_of_glow_at_its_published_size_fits_in_six_gigabytes():
    row = measured(32, "ours-looped-invert", "--batch", "8", "--width", "512")
    print(f"first step {row['first_step_seconds']:.0f} s, {row['peak_megabytes']:.0f} MB")
    state = 3 * row["parameter_megabytes"]
    assert row["peak_megabytes"] + state < 6000
