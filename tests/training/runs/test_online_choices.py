"""The log of what an online split would choose, and the counts of pairs it is made of."""

import numpy as np

from tfp_lcma.factorizations import Checkerboard, Random, RandomInBlock
from tfp_lcma.training.reports.kept_pairs import kept_pairs
from tfp_lcma.training.runs.online_choices import ChoiceLog


def index(factorization, shape):
    return factorization.bijector(0, shape).get_config()["index"]


def test_checkerboard_keeps_the_diagonal_of_every_block_of_every_channel():
    assert kept_pairs(index(Checkerboard(), (2, 3, 8))).tolist() == [[0, 0, 6, 0, 0, 0]] * 2


def test_random_pairs_are_all_counted():
    counts = kept_pairs(index(RandomInBlock(), (8, 8, 8)))
    assert counts.shape == (2, 6)
    assert (counts > 0).all()
    assert counts.sum(axis=1).tolist() == [64, 64]


def test_split_without_regard_to_blocks_has_no_pairs():
    assert kept_pairs(index(Random(), (4, 4, 4))) is None


def test_log_returns_the_shares_of_each_level_by_step(tmp_path):
    log = ChoiceLog(tmp_path / "choices.json")
    assert log.curves() == {}
    rows, columns = np.array([0, 1, 2, 3]), np.array([0, 2, 1, 3])
    order = np.stack([[rows, columns]])
    log.add(10, 0, order)
    log.add(20, 0, np.broadcast_to(rows, order.shape))
    log.add(20, 1, order)
    curves = ChoiceLog(tmp_path / "choices.json").curves()
    assert curves[0][0] == [10, 20]
    assert curves[0][1].tolist() == [[0.5, 0.5, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]
    assert curves[1][0] == [20]


def test_run_that_is_carried_on_replaces_what_it_repeats(tmp_path):
    log = ChoiceLog(tmp_path / "choices.json")
    order = np.array([[[0, 1, 2, 3]]])
    for step in (10, 20, 30):
        log.add(step, 0, order)
    log.add(20, 0, np.array([[[2, 3, 0, 1]]]))
    steps, shares = log.curves()[0]
    assert steps == [10, 20]
    assert shares[1].tolist() == [0, 0, 0, 0, 0, 1]
