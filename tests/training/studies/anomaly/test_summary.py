"""Areas of several seeds as one."""

from tfp_lcma.training.studies.anomaly.summary import area


def test_seeds_are_averaged_and_their_range_is_shown():
    found = area([[0.4, 0.01], [0.2, 0.03]])
    assert str(found) == "0.300 ± 0.020 (0.200 to 0.400)"
    assert str(area([[0.4, 0.01]])) == "0.400 ± 0.010"


def test_the_wrong_way_round_means_beyond_two_errors():
    assert area([[0.4, 0.04]]).reversed
    assert not area([[0.4, 0.06]]).reversed
    assert not area([[0.6, 0.01]]).reversed
