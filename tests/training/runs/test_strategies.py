"""Workers wait for each other so long and no longer, and a process alone is its own chief."""

import socket

import numpy as np
import pytest
import tensorflow as tf

from tfp_lcma.training.runs import strategies
from tfp_lcma.training.runs.cluster import Cluster
from tfp_lcma.training.runs.phases import shares
from tfp_lcma.training.runs.strategies import make_workers
from tfp_lcma.training.runs.workers import ALONE


def test_workers_that_do_not_come_are_named(monkeypatch):
    monkeypatch.setattr(strategies, "_configure", lambda *_: None)
    with socket.socket() as there, socket.socket() as absent:
        for one in (there, absent):
            one.bind(("127.0.0.1", 0))
        there.listen()
        here, gone = (f"127.0.0.1:{one.getsockname()[1]}" for one in (there, absent))
        cluster = Cluster({"worker": ["127.0.0.1:1", here, gone]}, "worker", 0)
        with pytest.raises(ValueError, match=f"within 0.5 s .*--peer-timeout; {gone} did not"):
            make_workers("multi-worker", cluster, peer_timeout=0.05)


def test_one_process_is_its_own_chief_and_asks_nobody(tmp_path):
    for workers in (make_workers("none"), make_workers("mirrored")):
        assert workers.chief and workers.replicas == 1
        assert workers.of_chief({"step": [1]}) == {"step": [1]}
        variable = tf.Variable([1, 2])
        workers.assign_of_chief([variable])
        workers.give(tmp_path, ["*"])
        assert np.array_equal(variable, [1, 2])
        with workers.scope():
            tf.Variable(0.0)
    assert make_workers("none") is ALONE


@pytest.mark.parametrize(
    ("batch_size", "replicas", "said"),
    [
        (64, 2, "2 replicas: of the 64 images of a step 32 each"),
        (65, 4, "4 replicas: of the 65 images of a step at most 17 each"),
        (64, 1, "One replica takes every batch whole"),
    ],
)
def test_how_a_batch_is_divided_is_said(batch_size, replicas, said):
    assert shares(batch_size, replicas).startswith(said)
