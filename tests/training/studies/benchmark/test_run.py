"""The benchmark carries on, alternates, and names what is missing or fails."""

import pytest

from tests.training.studies.benchmark.made_up import measured
from tfp_lcma.training.studies.benchmark import run
from tfp_lcma.training.studies.benchmark.implementations import Implementation
from tfp_lcma.training.studies.benchmark.run import Benchmark, plan

CASE = "tiny-glow"


@pytest.fixture
def installed(monkeypatch):
    """All is installed, but for what a test puts here."""
    absent = {}
    monkeypatch.setattr(Implementation, "missing", lambda self: absent.get(self.title, []))
    return absent


@pytest.fixture
def work(monkeypatch):
    """Workers that answer at once; a test may give an answer by implementation."""
    done, answers = [], {}

    def answer(benchmark, case, name):
        done.append(name)
        row = measured(case, name, 0, 1.0)
        timed = {key: row[key] for key in row if key not in ("case", "implementation", "round")}
        return answers.get(name, timed)

    monkeypatch.setattr(Benchmark, "_work", answer)
    return done, answers


def benchmark(folder, **changes):
    settings = {"threads": 1, "repetitions": 2, "timeout": 60.0}
    return Benchmark(folder=folder, **{**settings, **changes})


def test_rounds_alternate_and_families_keep_out_what_does_not_build_them():
    names = ["ours", "tfp", "nflows"]
    turns = [(round_, name) for _, round_, name in plan([CASE], names, 2)]
    assert turns == [(0, n) for n in names] + [(1, n) for n in names[::-1]]
    assert [name for _, _, name in plan(["real-nvp"], names, 1)] == ["ours", "nflows"]


def test_an_interrupted_benchmark_runs_what_is_missing_and_nothing_twice(tmp_path, installed, work):
    done, _ = work
    bench = benchmark(tmp_path)
    bench.run([CASE], ["ours", "tfp"], 2)
    whole = bench.results.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    # Killed while the third row was written.
    bench.results.path.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    done.clear()
    bench.run([CASE], ["ours", "tfp"], 2)
    assert done == ["tfp", "ours"]
    assert bench.results.path.read_bytes() == whole
    done.clear()
    bench.run([CASE], ["ours", "tfp"], 3)
    assert done == ["ours", "tfp"]
    assert [row["round"] for row in bench.results.rows()] == [0, 0, 1, 1, 2, 2]


def test_what_is_not_installed_is_one_row_and_runs_once_it_is(tmp_path, installed, work):
    done, _ = work
    installed["nflows"] = ["nflows", "torch"]
    bench = benchmark(tmp_path)
    for _ in range(2):
        bench.run([CASE], ["ours", "nflows"], 2)
    assert done == ["ours", "ours"]
    absent = [row for row in bench.results.rows() if row["implementation"] == "nflows"]
    assert [(row["status"], row["why"]) for row in absent] == [("not installed", "nflows, torch")]
    installed.clear()
    bench.run([CASE], ["ours", "nflows"], 2)
    assert done == ["ours", "ours", "nflows", "nflows"]


def test_a_failure_is_kept_and_not_repeated(tmp_path, installed, work):
    done, answers = work
    answers["tfp"] = {"status": "failed", "why": "ValueError: NaN"}
    bench = benchmark(tmp_path)
    for _ in range(2):
        bench.run([CASE], ["ours", "tfp"], 2)
    assert done == ["ours", "tfp", "ours"]


def test_a_folder_keeps_to_its_settings(tmp_path, installed, work):
    benchmark(tmp_path).run([CASE], ["ours"], 1)
    with pytest.raises(ValueError, match="--threads is 1 there, 2 here"):
        benchmark(tmp_path, threads=2).run([CASE], ["ours"], 1)


def test_a_worker_that_dies_or_hangs_says_why(tmp_path, monkeypatch):
    bench = benchmark(tmp_path)
    found = bench._work("no-such-case", "ours")
    assert found["status"] == "failed"
    assert "no-such-case" in found["why"]
    monkeypatch.setattr(bench, "timeout", 0.01)
    found = bench._work(CASE, "ours")
    assert found == {"status": "failed", "why": "took longer than 0.01 seconds"}


def test_packages_that_are_not_there_are_found_missing():
    implementation = Implementation("x", "peer", "x", ("numpy", "no_such_package_here"), {})
    assert implementation.missing() == ["no_such_package_here"]
    assert set(run.IMPLEMENTATIONS["ours"].missing()) == set()
