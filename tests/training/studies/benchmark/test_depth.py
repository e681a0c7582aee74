"""Memory and start against depth: measured in processes of their own, and drawn."""

import json
import time

import pytest

from tfp_lcma.training.studies.benchmark import depth
from tfp_lcma.training.studies.benchmark.accelerator import Accelerator
from tfp_lcma.training.studies.benchmark.depth_worker import measure
from tfp_lcma.training.studies.benchmark.implementations import Implementation

SETTINGS = {"batch": 2, "width": 4, "side": 8, "threads": 1}


def made_up(steps, name, **settings):
    return {
        "implementation": name, "steps": steps, "build_seconds": 1.0, "first_step_seconds": 2.0,
        "first_step_cpu_seconds": 2.0, "step_seconds": 0.1, "peak_megabytes": 10.0,
        "parameter_megabytes": 0.1,
    }  # fmt: skip


def test_what_is_missing_is_measured_once_and_drawn(tmp_path, monkeypatch):
    asked = []

    def measured(*names, **settings):
        asked.append(names)
        return made_up(*names)

    monkeypatch.setattr(depth, "measured", measured)
    monkeypatch.setattr(depth.IMPLEMENTATIONS["normflows"].__class__, "missing", lambda self: [])
    for _ in range(2):
        depth.measure_depths(tmp_path, [1, 32], 1, SETTINGS, say=str)
    assert asked == [(1, name) for name in depth.COMPARED] + [
        (32, name) for name in depth.COMPARED if name != "ours-unrolled"
    ]
    report = depth.write_report(tmp_path).read_text(encoding="utf-8")
    assert report.count("| tfp_lcma looped |") == 2
    assert "`tfp-lcma benchmark --depth --batch 2 --width 4 --side 8 --threads 1`" in report
    assert (tmp_path / "depth.png").stat().st_size > 1000


def test_what_is_asked_for_is_measured_at_any_depth_and_one_depth_is_not_drawn(
    tmp_path, monkeypatch
):
    names = ["ours-unrolled", "ours-xla"]
    monkeypatch.setattr(depth, "measured", lambda *of, **settings: made_up(*of) | {"gpu": "A GPU"})
    depth.measure_depths(tmp_path, [32], 1, SETTINGS, say=str, implementations=names)
    report = depth.write_report(tmp_path).read_text(encoding="utf-8")
    for name in names:
        assert f"| {depth.IMPLEMENTATIONS[name].title} | 32 |" in report
    assert ", A GPU. " in report
    assert not (tmp_path / "depth.png").exists()
    assert "![" not in report


def test_a_worker_measures_the_first_step_apart_from_the_others(monkeypatch):
    class Contender:
        parameters, steps, gpu = 2**20, 0, None

        def train_step(self):
            time.sleep(0.1 if self.steps == 0 else 0.001)
            self.steps += 1

    built = []

    def build(self, case, threads):
        built.append((case, threads, Contender()))
        return built[-1][-1]

    monkeypatch.setattr(Implementation, "load", lambda self: None)
    monkeypatch.setattr(Implementation, "build", build)
    row = measure(2, "ours-looped", 3, 1, batch=2, width=4, side=8)
    ((case, threads, contender),) = built
    assert (case.steps, case.batch, case.width, case.side, threads) == (2, 2, 4, 8, 1)
    assert contender.steps == 4
    assert row["first_step_seconds"] > row["step_seconds"] > 0
    assert row["parameter_megabytes"] == 4.0
    assert row["gpu"] is None
    assert json.loads(json.dumps(row))["implementation"] == "ours-looped"
    memory = iter([(2**20, 2**21), (2**20, 5 * 2**20)])
    monkeypatch.setattr(Contender, "gpu", Accelerator("A GPU", lambda: next(memory)))
    row = measure(2, "ours-looped", 1, 1, batch=2, width=4, side=8)
    assert (row["gpu"], row["peak_megabytes"]) == ("A GPU", 4.0)


@pytest.mark.slow
def test_a_step_of_glow_at_its_published_size_fits_in_six_gigabytes():
    sizes = {"batch": 8, "width": 512, "side": 32, "threads": 2, "repetitions": 1}
    row = depth.measured(32, "ours-looped-invert", **sizes)
    print(f"first step {row['first_step_seconds']:.0f} s, {row['peak_megabytes']:.0f} MB")
    assert row["peak_megabytes"] + 3 * row["parameter_megabytes"] < 6000
