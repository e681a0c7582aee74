"""What a study was run on, in words."""

from tfp_lcma.training.studies import machine
from tfp_lcma.training.studies.benchmark.accelerator import Accelerator
from tfp_lcma.training.studies.machine import machines, processor


def test_a_machine_is_called_by_what_trains_on_it(monkeypatch):
    assert processor()
    monkeypatch.setattr(machine, "tensorflow_accelerator", lambda: None)
    assert machine.machine() == processor()
    found = Accelerator("a GPU", lambda: (0, 0))
    monkeypatch.setattr(machine, "tensorflow_accelerator", lambda: found)
    assert machine.machine() == "a GPU"


def test_runs_are_counted_by_machine_where_it_is_known():
    rows = [{"machine": "b"}, {"machine": "a"}, {"machine": "b"}, {"arm": "of an older study"}]
    assert machines(rows) == "a (1 run), b (2 runs)"
    assert machines(rows[-1:]) == ""
