"""What a training compiles."""

import pytest
import tensorflow as tf

from tests.training.tiny import make_small, tiny_dataset, tiny_recipe
from tfp_lcma.training.runs.trainer import Trainer


@pytest.mark.parametrize(
    ("device", "given", "compiled"),
    [("CPU", {}, False), ("GPU", {}, True), ("GPU", {"jit_compile": False}, False)],
)
def test_steps_are_compiled_by_xla_where_there_is_a_gpu(monkeypatch, device, given, compiled):
    make_small(monkeypatch.setattr)
    there = [tf.config.PhysicalDevice(f"/physical_device:{device}:0", device)]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: there)
    trainer = Trainer(tiny_recipe(), tiny_dataset(), None, 0, steps=2, **given)
    assert trainer.model.jit_compile == compiled
